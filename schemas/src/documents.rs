//! The JSON Schemas of the values on the topics, generated from the types and checked in under `schemas/json/`.

use schemars::{Schema, schema_for};

use crate::manifest::Manifest;
use crate::rejects::Reject;
use crate::rows::{ChatterDay, CreatorDay, EmployeePeriod, Message, Sale, Text};

/// File name (under `schemas/json/`) and schema of every value.
pub fn json_schemas() -> Vec<(&'static str, Schema)> {
    vec![
        ("message.schema.json", schema_for!(Message<'static>)),
        ("sale.schema.json", schema_for!(Sale<'static>)),
        ("employee_period.schema.json", schema_for!(EmployeePeriod)),
        ("creator_day.schema.json", schema_for!(CreatorDay)),
        ("chatter_day.schema.json", schema_for!(ChatterDay)),
        ("text.schema.json", schema_for!(Text<'static>)),
        ("manifest.schema.json", schema_for!(Manifest)),
        ("reject.schema.json", schema_for!(Reject)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `UPDATE_SCHEMAS=1` the test writes the files in place of comparing them.
    #[test]
    fn checked_in_schemas_are_those_of_the_types() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
        for (name, schema) in json_schemas() {
            let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
            let path = folder.join(name);
            if std::env::var_os("UPDATE_SCHEMAS").is_some() {
                std::fs::create_dir_all(&folder).expect("the folder can be made");
                std::fs::write(&path, &text).expect("the schema can be written");
            }
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == text,
                "{} differs from its type: run UPDATE_SCHEMAS=1 cargo test -p fandom-schemas",
                path.display()
            );
        }
    }
}
