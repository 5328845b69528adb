//! The documents of the topics that are checked in: JSON Schemas of the views' keys and rows, and the AsyncAPI page of all
//! topics. With `UPDATE_SCHEMAS=1` the test writes them in place of comparing them.

use std::path::{Path, PathBuf};

use fandom_dataflows::sink::changelog::json::{key_schema, value_schema};
use fandom_dataflows::views::TABLES;
use fandom_schemas::topics::{REJECTS, ROWS, TEXTS, of_view};
use serde_json::{Map, Value, json};

fn schemas() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas")
}

fn check(path: &Path, document: &Value) {
    let text = serde_json::to_string_pretty(document).expect("a document is JSON") + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the folder can be made");
        std::fs::write(path, &text).expect("the document can be written");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    let how = "run UPDATE_SCHEMAS=1 cargo test -p fandom-dataflows --test documents";
    assert!(stored == text, "{} differs from the views: {how}", path.display());
}

#[test]
fn schemas_of_views_are_those_of_their_tables() {
    let folder = schemas().join("json/views");
    for table in TABLES {
        check(&folder.join(format!("{}.key.schema.json", table.name)), &key_schema(table));
        check(&folder.join(format!("{}.schema.json", table.name)), &value_schema(table));
    }
    let files = std::fs::read_dir(&folder).expect("the folder is there").count();
    assert_eq!(files, 2 * TABLES.len(), "a schema of a view that is no more: remove it from {}", folder.display());
}

#[test]
fn the_asyncapi_page_tells_of_every_topic() {
    let mut channels = Map::new();
    let mut operations = Map::new();
    let mut messages = Map::new();
    let mut add = |topic: &str, about: &str, of: &[(&str, &str, Option<&str>)]| {
        let channel = topic.replace('.', "_");
        let listed = of.iter().map(|(name, value, key)| {
            let mut message = json!({
                "name": name,
                "contentType": "application/json",
                "payload": {"$ref": value},
            });
            if let Some(key) = key {
                message["bindings"] = json!({"kafka": {"key": {"$ref": key}, "bindingVersion": "0.5.0"}});
            }
            messages.insert((*name).to_owned(), message);
            ((*name).to_owned(), json!({"$ref": format!("#/components/messages/{name}")}))
        });
        let listed: Map<String, Value> = listed.collect();
        channels.insert(channel.clone(), json!({"address": topic, "description": about, "messages": listed}));
        operations.insert(
            format!("read_{channel}"),
            json!({"action": "receive", "channel": {"$ref": format!("#/channels/{channel}")}}),
        );
    };
    let about = "Rows of spreadsheets under the keys file/version/ordinal, and manifests under the keys of their files. \
                 The header kind says which of them a record is, and traceparent of a manifest which trace the file belongs to. \
                 Rows count from the moment their manifest arrives.";
    let rows = [
        ("message", "json/message.schema.json", None),
        ("sale", "json/sale.schema.json", None),
        ("employee_period", "json/employee_period.schema.json", None),
        ("creator_day", "json/creator_day.schema.json", None),
        ("chatter_day", "json/chatter_day.schema.json", None),
        ("manifest", "json/manifest.schema.json", None),
    ];
    add(ROWS, about, &rows);
    add(TEXTS, "Texts of messages, under the keys of their rows.", &[("text", "json/text.schema.json", None)]);
    add(REJECTS, "What could not be read, and why.", &[("reject", "json/reject.schema.json", None)]);
    for table in TABLES {
        let about = format!(
            "Changelog of views.{}: compacted; the last record of a key is its row, a tombstone says that there is none. \
             The header epoch is that of the commit.",
            table.name
        );
        let value = format!("json/views/{}.schema.json", table.name);
        let key = format!("json/views/{}.key.schema.json", table.name);
        add(&of_view(table.name), &about, &[(table.name, &value, Some(&key))]);
    }
    let page = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fandom Intelligence Suite",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Topics that other systems can subscribe to.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    });
    check(&schemas().join("asyncapi.json"), &page);
}
