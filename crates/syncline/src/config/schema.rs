//! The JSON Schema of a configuration, for editors.

use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::Config;

/// The schema of a configuration file.
pub fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .for_deserialize()
        .into_generator()
        .into_root_schema_for::<Config>();
    References.transform(&mut schema);
    schema
}

/// Lets numbers, truth values and patterned text be references to variables
/// and files.
struct References;

impl Transform for References {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else {
            return;
        };
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        let simple = |kind: &Value| {
            let names = ["integer", "number", "boolean"];
            match kind {
                Value::String(kind) => names.contains(&kind.as_str()),
                Value::Array(kinds) => kinds
                    .iter()
                    .any(|kind| kind.as_str().is_some_and(|kind| names.contains(&kind))),
                _ => false,
            }
        };
        if !object.get("type").is_some_and(simple) && !object.contains_key("pattern") {
            return;
        }
        let (about, rules): (Vec<_>, Vec<_>) = std::mem::take(object)
            .into_iter()
            .partition(|(key, _)| matches!(key.as_str(), "description" | "default" | "$schema"));
        object.extend(about);
        let rules: serde_json::Map<String, Value> = rules.into_iter().collect();
        let reference = json!({ "type": "string", "pattern": r"\$\{.+\}" });
        object.insert("anyOf".to_owned(), json!([rules, reference]));
    }
}
