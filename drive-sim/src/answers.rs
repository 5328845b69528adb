//! What the API answers: resources, the fields of them that are asked for, errors.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::drive::{Entry, FOLDER, SHORTCUT, is_native};

/// A refusal in Drive's form.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: u16,
    domain: &'static str,
    reason: &'static str,
    message: String,
    location: Option<(&'static str, &'static str)>,
}

impl Refusal {
    fn new(status: u16, domain: &'static str, reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, domain, reason, message: message.into(), location: None }
    }

    pub fn not_found(id: &str) -> Refusal {
        let location = Some(("parameter", "fileId"));
        Refusal { location, ..Refusal::new(404, "global", "notFound", format!("File not found: {id}.")) }
    }

    pub fn invalid(parameter: &'static str) -> Refusal {
        let location = Some(("parameter", parameter));
        Refusal { location, ..Refusal::new(400, "global", "invalid", "Invalid Value") }
    }

    pub fn gone() -> Refusal {
        let location = Some(("parameter", "pageToken"));
        Refusal { location, ..Refusal::new(410, "global", "pageTokenExpired", "The page token has expired.") }
    }

    pub fn unauthorized() -> Refusal {
        let location = Some(("header", "Authorization"));
        Refusal { location, ..Refusal::new(401, "global", "authError", "Invalid Credentials") }
    }

    pub fn quota(which: u32) -> Refusal {
        match which % 3 {
            0 => Refusal::new(403, "usageLimits", "userRateLimitExceeded", "User Rate Limit Exceeded"),
            1 => Refusal::new(403, "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"),
            _ => Refusal::new(429, "usageLimits", "rateLimitExceeded", "Rate Limit Exceeded"),
        }
    }

    pub fn backend() -> Refusal {
        Refusal::new(503, "global", "backendError", "Transient failure")
    }

    pub fn forbidden(id: &str) -> Refusal {
        let message = format!("The user does not have sufficient permissions for file {id}.");
        Refusal::new(403, "global", "insufficientFilePermissions", message)
    }

    pub fn not_downloadable() -> Refusal {
        let message = "Only files with binary content can be downloaded. Use Export with Docs Editors files.";
        let location = Some(("parameter", "alt"));
        Refusal { location, ..Refusal::new(403, "global", "fileNotDownloadable", message) }
    }

    pub fn not_exportable() -> Refusal {
        Refusal::new(403, "global", "fileNotExportable", "Export only supports Docs Editors files.")
    }

    pub fn too_large_to_export() -> Refusal {
        Refusal::new(403, "global", "exportSizeLimitExceeded", "This file is too large to be exported.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut error = json!({"domain": self.domain, "reason": self.reason, "message": self.message});
        if let Some((kind, location)) = self.location {
            error["locationType"] = json!(kind);
            error["location"] = json!(location);
        }
        let body = json!({"error": {"errors": [error], "code": self.status, "message": self.message}});
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body.to_string()).into_response();
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

/// A file as the resource `files` has it.
pub(crate) fn resource(entry: &Entry, trashed: bool) -> Value {
    let mut file = json!({
        "kind": "drive#file",
        "id": entry.id,
        "name": entry.name,
        "mimeType": entry.mime,
        "parents": entry.parent.as_ref().map(|parent| vec![parent]).unwrap_or_default(),
        "trashed": trashed,
        "explicitlyTrashed": entry.trashed,
        "version": entry.version.to_string(),
        "modifiedTime": instant(entry.modified_ms),
        "capabilities": {"canDownload": true},
    });
    if let Some(drive) = &entry.drive {
        file["driveId"] = json!(drive);
    }
    if let Some(target) = entry.target.as_ref().filter(|_| entry.mime == SHORTCUT) {
        file["shortcutDetails"] = json!({"targetId": target});
    }
    if entry.mime != FOLDER && entry.mime != SHORTCUT && !is_native(&entry.mime) {
        file["size"] = json!(entry.content.size.to_string());
        file["md5Checksum"] = json!(entry.content.md5);
        file["sha256Checksum"] = json!(entry.content.sha256);
    }
    file
}

/// An instant as Drive writes it.
fn instant(ms: i64) -> String {
    let time = Timestamp::from_millisecond(ms).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The fields of an answer that are asked for, such as `nextPageToken,files(id,name)` or `*`.
/// <https://developers.google.com/workspace/drive/api/guides/fields-parameter>
pub(crate) fn select(value: Value, fields: &str) -> Result<Value, Refusal> {
    let mut rest = fields;
    let selected = selection(&mut rest)?;
    if rest.is_empty() { Ok(pick(value, &selected)) } else { Err(Refusal::invalid("fields")) }
}

/// A field, and those within it that are asked for; none of them stands for all.
struct Field {
    name: String,
    within: Vec<Field>,
}

fn selection(rest: &mut &str) -> Result<Vec<Field>, Refusal> {
    let mut fields = Vec::new();
    loop {
        let end = rest.find([',', '(', ')', '/']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_owned();
        if name.is_empty() {
            return Err(Refusal::invalid("fields"));
        }
        *rest = &rest[end..];
        let mut within = Vec::new();
        if let Some(inner) = rest.strip_prefix('(') {
            *rest = inner;
            within = selection(rest)?;
            *rest = rest.strip_prefix(')').ok_or_else(|| Refusal::invalid("fields"))?;
        } else if let Some(inner) = rest.strip_prefix('/') {
            *rest = inner;
            let end = rest.find([',', '(', ')']).unwrap_or(rest.len());
            let (mut path, after) = rest.split_at(end);
            within = selection(&mut path)?;
            *rest = after;
        }
        fields.push(Field { name, within });
        match rest.strip_prefix(',') {
            Some(more) => *rest = more,
            None => return Ok(fields),
        }
    }
}

fn pick(value: Value, fields: &[Field]) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(|value| pick(value, fields)).collect(),
        Value::Object(mut object) if !fields.iter().any(|field| field.name == "*") => {
            let mut picked = Map::new();
            for field in fields {
                if let Some(value) = object.remove(&field.name) {
                    let value = if field.within.is_empty() { value } else { pick(value, &field.within) };
                    picked.insert(field.name.clone(), value);
                }
            }
            Value::Object(picked)
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_fields_that_are_asked_for_are_answered() {
        let value = || json!({"nextPageToken": "t", "files": [{"id": 1, "name": "a", "s": {"x": 1, "y": 2}}]});
        for (fields, expected) in [
            ("*", value()),
            ("nextPageToken", json!({"nextPageToken": "t"})),
            ("files(id,s(x)),none", json!({"files": [{"id": 1, "s": {"x": 1}}]})),
            ("files/s/y", json!({"files": [{"s": {"y": 2}}]})),
        ] {
            assert_eq!(select(value(), fields).ok(), Some(expected), "{fields}");
        }
        for wrong in ["", "files(", "files(id", "a,,b", "a)"] {
            assert!(select(value(), wrong).is_err(), "{wrong}");
        }
    }
}
