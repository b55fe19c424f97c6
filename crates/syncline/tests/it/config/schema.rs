//! The published schema is the one of this version.

use std::path::PathBuf;

#[test]
fn the_committed_schema_is_fresh() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/syncline.schema.json");
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let schema = syncline::config::schema();
    let fresh = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    assert!(
        committed == fresh,
        "docs/reference/syncline.schema.json is stale; write it anew with \
         `cargo run -- schema > docs/reference/syncline.schema.json`"
    );
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    let schema = serde_json::to_value(syncline::config::schema()).expect("JSON");
    let link = &schema["$defs"]["Link"];
    assert_eq!(link["additionalProperties"], false);
    assert_eq!(link["required"], serde_json::json!(["name", "from", "to"]));
    let endpoint = schema["$defs"]["Endpoint"]["oneOf"]
        .as_array()
        .expect("kinds");
    let kinds: Vec<_> = endpoint
        .iter()
        .filter_map(|kind| kind["properties"]["kind"]["const"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "nacos",
            "embedded",
            "file",
            "prometheus-file",
            "prometheus-http",
            "template",
            "dns",
            "webhook",
            "xds"
        ]
    );
    // A number may be a reference.
    let replicas = &schema["$defs"]["Install"]["properties"]["replicas"]["anyOf"];
    assert_eq!(replicas[1]["pattern"], r"\$\{.+\}");
}
