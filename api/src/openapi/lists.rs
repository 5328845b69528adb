//! What all lists can do: sorting, paging, a choice of fields, other forms than JSON.

use serde_json::{Value, json};

use crate::export::Format;
use crate::listing::Key;
use crate::values::Record;

/// A list, as the documentation has it.
pub(crate) struct List {
    /// Its path below `/api/v1`.
    pub path: &'static str,
    /// What it can be sorted by; the first is the default.
    pub sorts: Vec<&'static str>,
    /// The members of its items.
    pub fields: &'static [&'static str],
}

impl List {
    /// A list of these records.
    pub fn of<R: Record>(path: &'static str, sorts: &[Key]) -> List {
        List { path, sorts: sorts.iter().map(|key| key.name).collect(), fields: R::fields() }
    }
}

/// Adds the parameters and forms of a list to its operation.
pub fn complete(operation: &mut Value, list: &List) {
    let sorts: Vec<String> = list.sorts.iter().flat_map(|sort| [(*sort).to_owned(), format!("-{sort}")]).collect();
    let parameters = [
        (
            "sort",
            "What it is sorted by; with `-` before it the greatest first.",
            json!({"type": "string", "enum": sorts}),
        ),
        (
            "limit",
            "Items of a page, 100 without it; of an export the most rows, all without it.",
            json!({"type": "integer", "minimum": 1, "maximum": 1000, "examples": [100]}),
        ),
        ("cursor", "`next_cursor` of the page before.", json!({"type": "string", "maxLength": 2000})),
    ];
    let array = operation.as_object_mut().expect("an operation").entry("parameters").or_insert_with(|| json!([]));
    let array = array.as_array_mut().expect("a list of parameters");
    for (name, description, schema) in parameters {
        array.push(
            json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema}),
        );
    }
    array.push(json!({
        "name": "fields", "in": "query", "required": false, "style": "form", "explode": false,
        "description": "The members of an item that are wanted, separated by commas; all without it.",
        "schema": {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list.fields}},
    }));
    array.push(json!({
        "name": "format", "in": "query", "required": false,
        "description": "The form: a page of JSON, or all rows as CSV, JSON Lines or a workbook. It wins over `Accept`.",
        "schema": {"type": "string", "enum": Format::NAMES},
    }));
    let content = operation["responses"]["200"]["content"].as_object_mut().expect("a list has content");
    content.insert("text/csv".to_owned(), json!({
        "schema": {"type": "string", "description": "RFC 4180 with a header; texts that look like formulas begin with an apostrophe"},
        "example": format!("{}\r\n", list.fields.join(",")),
    }));
    content.insert(
        "application/x-ndjson".to_owned(),
        json!({
            "schema": {"type": "string", "description": "one item a line"},
            "example": "{}\n",
        }),
    );
    content.insert(Format::Xlsx.media_type().to_owned(), json!({
        "schema": {"type": "string", "contentMediaType": Format::Xlsx.media_type(), "description": "a workbook with a sheet"},
    }));
}

/// Items of lists need not have all members, since fewer can be asked for.
pub fn loosen(document: &mut Value, pages: &[Value]) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("a document has schemas");
    let name = |reference: &Value| reference.as_str().and_then(|text| text.rsplit('/').next()).map(str::to_owned);
    for page in pages {
        let Some(page) = name(page) else { continue };
        let items = schemas[&page]["properties"]["items"]["items"].clone();
        let item = name(&items["$ref"]);
        let schema = match item {
            Some(item) => &mut schemas[&item],
            None => &mut schemas[&page]["properties"]["items"]["items"],
        };
        loosened(schema);
    }
}

fn loosened(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    members.remove("required");
    for part in members.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        loosened(part);
    }
}
