//! Every example of the document is what its schema says, and there is one wherever there can be one.

use serde_json::{Map, Value};

/// Media types whose bodies are described, since no text of JSON can show one.
const WITHOUT: [&str; 2] = ["multipart/form-data", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"];

/// What a value has that its schema does not allow, with where.
fn problems(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#'));
        let Some(target) = target else { return found.push(format!("{at}: {reference} is not there")) };
        problems(document, target, value, at, found);
    }
    let fits = |schema: &Value| {
        let mut found = Vec::new();
        problems(document, schema, value, at, &mut found);
        found.is_empty()
    };
    for part in schema["allOf"].as_array().into_iter().flatten() {
        problems(document, part, value, at, found);
    }
    for (word, most) in [("anyOf", usize::MAX), ("oneOf", 1)] {
        let Some(choices) = schema[word].as_array() else { continue };
        let fitting = choices.iter().filter(|choice| fits(choice)).count();
        if fitting == 0 || fitting > most {
            found.push(format!("{at}: {value} fits {fitting} of {word}"));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|ty| is_a(value, ty)) {
        found.push(format!("{at}: {value} is not {}", types.join(" or ")));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        found.push(format!("{at}: {value} is not one of {}", schema["enum"]));
    }
    if let (Some(format), Some(text)) = (schema["format"].as_str(), value.as_str()) {
        let is_one = match format {
            "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
            "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
            _ => true,
        };
        if !is_one {
            found.push(format!("{at}: {text} is no {format}"));
        }
    }
    if let (Some(number), bounds) = (value.as_f64(), [&schema["minimum"], &schema["maximum"]]) {
        let [least, most] = bounds.map(Value::as_f64);
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            found.push(format!("{at}: {number} is out of bounds"));
        }
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        if schema["items"].is_object() {
            problems(document, &schema["items"], item, &format!("{at}[{place}]"), found);
        }
    }
    let Some(members) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(name) {
            found.push(format!("{at}: {name} is missing"));
        }
    }
    for (name, member) in members {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(schema), _) => problems(document, schema, member, &at, found),
            (None, Value::Bool(false)) => found.push(format!("{at}: is not known")),
            (None, schema @ Value::Object(_)) => problems(document, schema, member, &at, found),
            (None, _) => {}
        }
    }
}

fn is_a(value: &Value, ty: &str) -> bool {
    match ty {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

/// Checks the examples of a body; says what is wrong.
fn check(document: &Value, what: &str, content: &Map<String, Value>, checked: &mut usize) -> Vec<String> {
    let mut found = Vec::new();
    for (media, body) in content.iter().filter(|(media, _)| !WITHOUT.contains(&media.as_str())) {
        let at = format!("{what} {media}");
        let Some(example) = body.get("example") else {
            found.push(format!("{at}: has no example"));
            continue;
        };
        *checked += 1;
        problems(document, &body["schema"], example, &at, &mut found);
        let is_empty = example.as_str().is_some_and(|text| text.trim().is_empty() || text == "null\n");
        if is_empty || example["items"].as_array().is_some_and(Vec::is_empty) {
            found.push(format!("{at}: the example shows nothing"));
        }
    }
    found
}

#[test]
fn every_body_has_an_example_that_is_one() {
    let document = fandom_api::document();
    let (mut found, mut checked) = (Vec::new(), 0);
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let what = format!("{method} {path}");
            let responses = operation["responses"].as_object().expect("responses");
            for (status, response) in responses.iter().filter(|(status, _)| status.starts_with('2')) {
                let content = response["content"].as_object();
                if content.is_none() && status != "204" {
                    found.push(format!("{what} {status}: has no body"));
                }
                let content = content.cloned().unwrap_or_default();
                found.extend(check(&document, &format!("{what} {status}"), &content, &mut checked));
            }
            if let Some(content) = operation["requestBody"]["content"].as_object() {
                found.extend(check(&document, &format!("{what} body"), content, &mut checked));
            }
        }
    }
    for (name, response) in document["components"]["responses"].as_object().expect("answers") {
        let content = response["content"].as_object().cloned().unwrap_or_default();
        found.extend(check(&document, name, &content, &mut checked));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(checked > 100, "{checked}");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let document = serde_json::json!({"components": {"schemas": {"Id": {"type": "string", "enum": ["a"]}}}});
    let schema = serde_json::json!({
        "type": "object", "required": ["id", "day"], "additionalProperties": false,
        "properties": {"id": {"$ref": "#/components/schemas/Id"}, "day": {"type": ["string", "null"], "format": "date"}},
    });
    for (value, wrong) in [
        (serde_json::json!({"id": "a", "day": null}), 0),
        (serde_json::json!({"id": "a", "day": "2026-10-21"}), 0),
        (serde_json::json!({"id": "b", "day": "yesterday"}), 2),
        (serde_json::json!({"id": 1, "extra": 1}), 4),
        (serde_json::json!([]), 1),
    ] {
        let mut found = Vec::new();
        problems(&document, &schema, &value, "it", &mut found);
        assert_eq!(found.len(), wrong, "{found:?}");
    }
}
