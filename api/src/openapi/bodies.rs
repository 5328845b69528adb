//! Bodies and examples that are not recorded answers: those of uploads, mappings and messages are described in `ingest.json`, those of
//! accounts in `accounts.json`, those of the service itself in `service.json`.

use serde_json::{Map, Value, json};

/// The descriptions: `components`, `operations` by name, and `shared` examples by the word that stands for them.
const DESCRIBED: [&str; 3] = [include_str!("ingest.json"), include_str!("accounts.json"), include_str!("service.json")];

/// What is described.
pub struct Described {
    components: Map<String, Value>,
    operations: Map<String, Value>,
}

impl Described {
    /// Reads the descriptions.
    pub fn read() -> Described {
        let mut described = Described { components: Map::new(), operations: Map::new() };
        for text in DESCRIBED {
            let mut all: Value = serde_json::from_str(text).expect("the descriptions are JSON");
            let shared = all["shared"].take();
            for (name, into) in [("components", &mut described.components), ("operations", &mut described.operations)] {
                let mut part = all[name].take();
                fill(&mut part, &shared);
                into.extend(part.as_object().cloned().unwrap_or_default());
            }
        }
        described
    }

    /// Adds to an operation what is described of it.
    pub fn complete(&self, id: &str, operation: &mut Value) {
        let Some(described) = self.operations.get(id) else { return };
        let responses = operation["responses"].as_object_mut().expect("an operation has responses");
        for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('2')) {
            let content = response.get_mut("content").and_then(Value::as_object_mut);
            content.into_iter().flatten().for_each(|(_, content)| describe(content, described));
        }
        if let Some(body) = described.get("body") {
            let content = operation["requestBody"].get_mut("content").and_then(Value::as_object_mut);
            content.into_iter().flatten().for_each(|(_, content)| describe(content, body));
            operation["requestBody"]["required"] = true.into();
        }
    }

    /// Adds the schemas that operations refer to.
    pub fn components(self, document: &mut Value) {
        document["components"]["schemas"].as_object_mut().expect("a document has schemas").extend(self.components);
    }
}

fn describe(content: &mut Value, described: &Value) {
    match &described["schema"] {
        Value::Null => (),
        Value::String(name) => content["schema"] = json!({"$ref": format!("#/components/schemas/{name}")}),
        schema => content["schema"] = schema.clone(),
    }
    for example in ["example", "text"].iter().filter_map(|name| described.get(*name)) {
        content["example"] = example.clone();
    }
}

/// Puts shared examples where words stand for them.
fn fill(value: &mut Value, shared: &Value) {
    match value {
        Value::String(word) if word.starts_with('@') => *value = shared[word.as_str()].clone(),
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, shared)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, shared)),
        _ => (),
    }
}
