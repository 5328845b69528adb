//! What every operation may answer, the headers of every answer, and examples.

use serde_json::{Value, json};

/// A problem: status, name of the component, when, and the slug and detail of the example.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// What any operation may answer.
const PROBLEMS: [Case; 9] = [
    (
        "400",
        "BadRequest",
        "The request cannot be read",
        "bad-request",
        "the query string cannot be read as name=value&name=value",
    ),
    (
        "401",
        "Unauthenticated",
        "Nobody is signed in, or the token is no longer valid",
        "unauthenticated",
        "sign in, or send a key as `Authorization: Bearer …`",
    ),
    ("403", "Forbidden", "Whoever is signed in may not ask this", "forbidden", "this needs the permission fans.read"),
    (
        "404",
        "NotFound",
        "There is no such thing, or it is not one that may be seen",
        "not-found",
        "there is nothing at this path; the resources are under /api/v1",
    ),
    (
        "421",
        "WrongHost",
        "Asked by a host name that is not one of this service",
        "wrong-host",
        "this service answers to loopback names, and to those in FANDOM_API_HOSTS",
    ),
    (
        "422",
        "InvalidParameters",
        "Parameters that cannot be used; each is named",
        "invalid-parameters",
        "see `errors` for what is wrong with limit",
    ),
    (
        "429",
        "TooManyRequests",
        "More was asked than is allowed in a while",
        "too-many-requests",
        "ask again after the seconds in Retry-After",
    ),
    (
        "500",
        "Internal",
        "A defect",
        "internal",
        "the answer could not be made; the log has the cause under this request's id",
    ),
    (
        "503",
        "Unavailable",
        "The database does not answer, or too many ask at once",
        "unavailable",
        "the database did not answer",
    ),
];

/// What besides may answer an operation that changes something.
const OF_CHANGES: [Case; 4] = [
    ("408", "TooSlow", "The body took too long", "too-slow", "the body did not arrive within 5 seconds"),
    (
        "409",
        "Conflict",
        "It is not in a state for this",
        "conflict",
        "the upload was taken back; upload its file again",
    ),
    ("413", "TooLarge", "The body is larger than is taken", "too-large", "send at most 100 files at once"),
    (
        "415",
        "UnsupportedFile",
        "A file of another kind than is read",
        "unsupported-file",
        "`notes.txt` is not named as a spreadsheet; .xlsx, .xlsm, .xls, .xlsb, .ods and .csv are read",
    ),
];

/// Adds to an operation what all share.
pub fn complete(method: &str, operation: &mut Value, example: Option<Value>) {
    let responses = operation["responses"].as_object().expect("an operation has responses");
    let success = responses.keys().find(|status| status.starts_with('2')).expect("every operation can succeed").clone();
    if let Some(example) = example {
        let content =
            operation["responses"][&success].get_mut("content").and_then(|content| content.get_mut("application/json"));
        if let Some(json) = content {
            json["example"] = example;
        }
    }
    if let Some(summary) = operation["summary"].as_str() {
        operation["summary"] = summary.replace('\n', " ").into();
    }
    let conditional = operation["x-conditional"].take() == json!(true);
    operation.as_object_mut().expect("an operation").remove("x-conditional");
    for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
        not_null(&mut parameter["schema"]);
    }
    let responses = operation["responses"].as_object_mut().expect("an operation has responses");
    let of_changes: &[Case] = if method == "get" { &[] } else { &OF_CHANGES };
    for (status, name, ..) in PROBLEMS.iter().chain(of_changes) {
        responses.entry(*status).or_insert_with(|| json!({"$ref": format!("#/components/responses/{name}")}));
    }
    let success = responses.get_mut(&success).expect("it was found");
    success["headers"] = json!({"x-request-id": {"$ref": "#/components/headers/RequestId"}});
    if conditional {
        success["headers"]["etag"] = json!({"$ref": "#/components/headers/ETag"});
        responses.insert("304".to_owned(), json!({"$ref": "#/components/responses/NotModified"}));
        let parameters =
            operation.as_object_mut().expect("an operation").entry("parameters").or_insert_with(|| json!([]));
        parameters.as_array_mut().expect("a list").push(json!({"$ref": "#/components/parameters/IfNoneMatch"}));
    }
}

/// A parameter that is not given is left out; it is never null.
fn not_null(schema: &mut Value) {
    if let Some(types) = schema["type"].as_array().cloned() {
        let types: Vec<Value> = types.into_iter().filter(|ty| ty != "null").collect();
        schema["type"] = if let [only] = types.as_slice() { only.clone() } else { types.into() };
    }
    if let Some(choices) = schema["oneOf"].as_array().cloned() {
        let choices: Vec<Value> = choices.into_iter().filter(|choice| choice["type"] != "null").collect();
        if let [only] = choices.as_slice() {
            *schema = only.clone();
        }
    }
}

/// Adds the components that [`complete`] refers to.
pub fn components(document: &mut Value) {
    let components = &mut document["components"];
    for (status, name, when, slug, detail) in PROBLEMS.into_iter().chain(OF_CHANGES) {
        let code: u16 = status.parse().expect("statuses are numbers");
        let mut example = json!({
            "type": format!("urn:fandom:problem:{slug}"), "title": when, "status": code, "detail": detail,
            "instance": "/api/v1/fans", "request_id": "18f2a90c4d1-2a",
        });
        if name == "InvalidParameters" {
            example["errors"] = json!([{"parameter": "limit", "message": "`0` is not a number from 1 to 1000"}]);
        }
        let mut response = json!({
            "description": when,
            "headers": {"x-request-id": {"$ref": "#/components/headers/RequestId"}},
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
        });
        if ["429", "503"].contains(&status) {
            response["headers"]["retry-after"] = json!({"$ref": "#/components/headers/RetryAfter"});
        }
        components["responses"][name] = response;
    }
    components["responses"]["NotModified"] = json!({
        "description": "What the asker has, by `If-None-Match`, is what there is",
        "headers": {"etag": {"$ref": "#/components/headers/ETag"}},
    });
    components["headers"] = json!({
        "RequestId": {"description": "Names the request in the log", "schema": {"type": "string", "maxLength": 64}},
        "ETag": {"description": "Names the epoch and what was asked", "schema": {"type": "string"}},
        "RetryAfter": {"description": "Seconds after which it may be asked again", "schema": {"type": "integer"}},
    });
    components["parameters"]["IfNoneMatch"] = json!({
        "name": "If-None-Match", "in": "header", "required": false, "description": "Tags of what the asker has",
        "schema": {"type": "string"},
    });
    components["schemas"]["Problem"] = json!({
        "type": "object", "description": "Problem details (RFC 9457)",
        "required": ["type", "title", "status", "detail", "instance", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "The kind of problem; it does not change"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What happened this time, and what to do"},
            "instance": {"type": "string", "description": "The path that was asked"},
            "request_id": {"type": "string", "description": "Names the request in the log"},
            "errors": {
                "type": "array", "description": "What is wrong with each parameter",
                "items": {
                    "type": "object", "required": ["parameter", "message"],
                    "properties": {"parameter": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    });
}
