//! What all lists can do: sorting, paging, a choice of fields, other forms than JSON.

use serde_json::{Value, json};

use crate::export::lines::Csv;
use crate::export::{Format, Sink};
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
pub fn complete(operation: &mut Value, list: &List, example: Option<&Value>) {
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
    // One that is not recorded is described, and stands there already.
    let example = example.or_else(|| content.get("application/json")?.get("example"));
    let item = example.map_or(Value::Null, |page| page["items"][0].clone());
    content.insert("text/csv".to_owned(), json!({
        "schema": {"type": "string", "description": "RFC 4180 with a header; texts that look like formulas begin with an apostrophe"},
        "example": table(list.fields, item.clone()),
    }));
    content.insert(
        "application/x-ndjson".to_owned(),
        json!({
            "schema": {"type": "string", "description": "one item a line"},
            "example": format!("{item}\n"),
        }),
    );
    content.insert(Format::Xlsx.media_type().to_owned(), json!({
        "schema": {"type": "string", "contentMediaType": Format::Xlsx.media_type(), "description": "a workbook with a sheet"},
    }));
}

/// An item as CSV, below its header.
fn table(fields: &[&'static str], item: Value) -> String {
    let Value::Object(members) = item else { return String::new() };
    let fields: Vec<&'static str> = fields.iter().copied().filter(|field| members.contains_key(*field)).collect();
    let mut csv = Csv::new(&fields);
    let bytes = csv.row(members).and_then(|()| csv.end()).and_then(|()| csv.next()).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A page's items refer to the schema of the item, which stands beside it.
pub fn refer(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("a document has schemas");
    let names: Vec<String> = schemas.keys().cloned().collect();
    for page in names {
        let Some(item) = page.strip_prefix("Page_").filter(|item| schemas.contains_key(*item)) else { continue };
        let reference = json!({"$ref": format!("#/components/schemas/{item}")});
        schemas[&page]["properties"]["items"]["items"] = reference;
    }
}

/// Items of these lists need not have all members, since fewer can be asked for.
pub fn loosen(document: &mut Value, pages: &[Value]) {
    let schemas = document["components"]["schemas"].as_object_mut().expect("a document has schemas");
    let mut names: Vec<String> = pages.iter().filter_map(named).collect();
    names = names.iter().filter_map(|page| named(&schemas[page]["properties"]["items"]["items"]["$ref"])).collect();
    while let Some(name) = names.pop() {
        loosened(&mut schemas[&name], &mut names);
    }
}

/// The schema that a reference names.
fn named(reference: &Value) -> Option<String> {
    reference.as_str()?.rsplit('/').next().map(str::to_owned)
}

/// Takes the requirement of members off a schema; notes of which further schemas it is made.
fn loosened(schema: &mut Value, further: &mut Vec<String>) {
    let Some(members) = schema.as_object_mut() else { return };
    members.remove("required");
    for part in members.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        further.extend(named(&part["$ref"]));
        loosened(part, further);
    }
}
