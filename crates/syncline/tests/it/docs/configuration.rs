//! The page of the configuration names every key of the schema and no other,
//! and its defaults are the defaults.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline::config::{self, Config};

use super::{env, page, root};

const PATH: &str = "docs/reference/configuration.md";

/// Keys under the heading to which they belong, with the default where the
/// page names one.
type Keys = BTreeMap<(String, String), Option<String>>;

#[test]
fn the_page_names_every_key() {
    let schema = serde_json::to_value(config::schema()).expect("JSON");
    let mut known = Vec::new();
    collect(&schema, &schema, "", "", &mut known);
    known.sort();
    assert_eq!(told().into_keys().collect::<Vec<_>>(), known);
}

#[test]
fn to_write_a_default_down_changes_nothing() {
    let base = json!({
        "endpoints": {
            "nacos": { "kind": "nacos", "servers": ["10.0.0.1"], "tls": {} },
            "embedded": { "kind": "embedded" },
            "file": { "kind": "file", "path": "out.json" },
            "prometheus-file": { "kind": "prometheus-file", "path": "out/nacos.json" },
            "prometheus-http": { "kind": "prometheus-http" },
            "template": { "kind": "template", "template": "t.j2", "path": "out.json" },
            "dns": { "kind": "dns" },
            "webhook": {
                "kind": "webhook", "url": "https://hooks.example.com", "secret": "0123456789abcdef", "tls": {},
            },
            "xds": { "kind": "xds" },
        },
        "links": [{ "name": "link", "from": "nacos", "to": "embedded" }],
    });
    let unsaid = load(&base).expect("the least configuration");
    let mut tried = 0;
    for ((place, key), default) in told() {
        let Some(default) = default else { continue };
        let mut said = base.clone();
        let mut node = match place.split_once(" kind: ") {
            Some((_, kind)) => &mut said["endpoints"][kind],
            None if place == "links[]" => &mut said["links"][0],
            None => &mut said[&place],
        };
        for step in key.split('.') {
            node = &mut node[step];
        }
        *node = serde_json::from_str(&default).unwrap_or(Value::String(default.clone()));
        match load(&said) {
            Ok(said) => assert!(said == unsaid, "{place}: {key} is not {default} by default"),
            Err(error) => panic!("{place}: {key}: {default}: {error}"),
        }
        tried += 1;
    }
    assert!(tried >= 30, "only {tried} defaults were found");
}

/// JSON is YAML.
fn load(value: &Value) -> Result<Config, config::ConfigError> {
    config::parse("page.yaml", &root(), &value.to_string(), &env)
}

/// The keys that the page tells: each row of a table, under the heading that
/// names what it belongs to.
fn told() -> Keys {
    let page = page(PATH);
    let mut keys = Keys::new();
    let mut place = None;
    for line in page.text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let quoted: Vec<&str> = heading.split('`').skip(1).step_by(2).collect();
            place = match quoted[..] {
                [] => None,
                [name] => Some(name.to_owned()),
                [name, kind, ..] => Some(format!("{name} {kind}")),
            };
            // A value of its own has no table.
            if let Some(name) = place.take_if(|name| name == "state") {
                keys.insert((String::new(), name), None);
            }
        }
        let (Some(place), Some(row)) = (&place, line.strip_prefix("| `")) else {
            continue;
        };
        let cells: Vec<&str> = row.split(" | ").collect();
        let key = cells[0].trim_end_matches('`');
        let default = cells.get(1).and_then(|cell| {
            let inner = cell.trim().strip_prefix('`')?.strip_suffix('`')?;
            (!inner.contains('`')).then(|| inner.to_owned())
        });
        keys.insert((place.clone(), key.to_owned()), default);
    }
    keys
}

/// The keys below a node of the schema, by the heading that they belong to:
/// top-level keys and kinds of endpoints. From there on names are joined by
/// dots.
fn collect(schema: &Value, node: &Value, place: &str, key: &str, keys: &mut Vec<(String, String)>) {
    let node = resolved(schema, node);
    if let Some(properties) = node["properties"].as_object() {
        for (name, inner) in properties {
            match (place, key) {
                ("", "") if is_branch(schema, inner) => collect(schema, inner, name, "", keys),
                (_, "") => collect(schema, inner, place, name, keys),
                _ => collect(schema, inner, place, &format!("{key}.{name}"), keys),
            }
        }
    } else if let Some(kinds) = kinds(node) {
        for kind in kinds {
            let name = kind["properties"]["kind"]["const"].as_str();
            let place = format!("{place}.NAME kind: {}", name.unwrap_or_default());
            collect(schema, kind, &place, "", keys);
        }
    } else if key.is_empty() && node["additionalProperties"].is_object() {
        collect(schema, &node["additionalProperties"], place, key, keys);
    } else if resolved(schema, &node["additionalProperties"])["properties"].is_object() {
        let key = format!("{key}.NAME");
        collect(schema, &node["additionalProperties"], place, &key, keys);
    } else if node["items"]["$ref"].is_string() {
        let (place, key) = match key {
            "" => (format!("{place}[]"), String::new()),
            key => (place.to_owned(), format!("{key}[]")),
        };
        collect(schema, &node["items"], &place, &key, keys);
    } else {
        keys.push((place.to_owned(), key.to_owned()));
    }
}

/// Whether there are keys below a node.
fn is_branch(schema: &Value, node: &Value) -> bool {
    let node = resolved(schema, node);
    let has = |key: &str| node[key].is_object();
    has("properties") || has("additionalProperties") || node["items"]["$ref"].is_string()
}

/// The alternatives of a node that differ in their `kind`.
fn kinds(node: &Value) -> Option<&Vec<Value>> {
    let all = node["oneOf"].as_array()?;
    all.iter()
        .all(|kind| kind["properties"]["kind"].is_object())
        .then_some(all)
}

/// The node that is meant: behind a reference, and of an optional one the part
/// that is not nothing.
fn resolved<'a>(schema: &'a Value, node: &'a Value) -> &'a Value {
    if let Some(path) = node["$ref"].as_str() {
        let name = path.rsplit('/').next().unwrap_or_default();
        return resolved(schema, &schema["$defs"][name]);
    }
    let optional = node["anyOf"].as_array().and_then(|any| {
        let object = |inner: &&Value| resolved(schema, inner)["properties"].is_object();
        any.iter().find(object)
    });
    optional.map_or(node, |inner| resolved(schema, inner))
}
