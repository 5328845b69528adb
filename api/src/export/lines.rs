//! Rows as lines: CSV (RFC 4180, with a header) and JSON Lines.

use axum::body::Bytes;
use serde_json::{Map, Value};

use super::{CHUNK, Sink};

/// An object a line.
#[derive(Default)]
pub struct JsonLines {
    buffer: Vec<u8>,
    ended: bool,
}

impl Sink for JsonLines {
    fn row(&mut self, members: Map<String, Value>) -> Result<(), String> {
        serde_json::to_writer(&mut self.buffer, &members).map_err(|error| error.to_string())?;
        self.buffer.push(b'\n');
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.ended = true;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>, String> {
        Ok(chunk(&mut self.buffer, self.ended))
    }
}

/// Values separated by commas.
pub struct Csv {
    fields: Vec<&'static str>,
    buffer: Vec<u8>,
    ended: bool,
}

impl Csv {
    /// With these columns.
    pub fn new(fields: &[&'static str]) -> Csv {
        Csv { fields: fields.to_vec(), buffer: format!("{}\r\n", fields.join(",")).into_bytes(), ended: false }
    }
}

impl Sink for Csv {
    fn row(&mut self, members: Map<String, Value>) -> Result<(), String> {
        for (place, field) in self.fields.iter().enumerate() {
            if place > 0 {
                self.buffer.push(b',');
            }
            match members.get(*field) {
                None | Some(Value::Null) => (),
                Some(Value::String(text)) => cell(&mut self.buffer, text, true),
                Some(value) => cell(&mut self.buffer, &value.to_string(), false),
            }
        }
        self.buffer.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        self.ended = true;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>, String> {
        Ok(chunk(&mut self.buffer, self.ended))
    }
}

/// Writes a cell. A text that a spreadsheet would compute gets an apostrophe before it, for fans choose their names
/// themselves; an id may be negative, which is no formula.
fn cell(out: &mut Vec<u8>, text: &str, is_text: bool) {
    let formula = is_text && text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<i64>().is_err();
    if !formula && !text.contains([',', '"', '\r', '\n']) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.extend_from_slice(if formula { b"\"'" } else { b"\"" });
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

/// What is enough for a chunk, or at the end all of it.
fn chunk(buffer: &mut Vec<u8>, ended: bool) -> Option<Bytes> {
    (buffer.len() >= CHUNK || ended && !buffer.is_empty()).then(|| Bytes::from(std::mem::take(buffer)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(rows: &[Value]) -> String {
        let mut csv = Csv::new(&["name", "n", "list"]);
        for row in rows {
            csv.row(row.as_object().expect("an object").clone()).expect("a row");
        }
        csv.end().expect("an end");
        let bytes = csv.next().expect("no fault").expect("bytes");
        String::from_utf8(bytes.to_vec()).expect("text")
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let rows = [
            json!({"name": "Tania (OF)", "n": 7, "list": []}),
            json!({"name": "a \"b\", c\nd", "n": -1.5, "list": {"x": 1}}),
            json!({"name": null, "other": 1}),
        ];
        assert_eq!(
            written(&rows),
            "name,n,list\r\nTania (OF),7,[]\r\n\"a \"\"b\"\", c\nd\",-1.5,\"{\"\"x\"\":1}\"\r\n,,\r\n"
        );
    }

    #[test]
    fn no_name_becomes_a_formula() {
        for name in ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-x", "\tx"] {
            let row = written(&[json!({"name": name})]);
            assert!(row.contains(&format!("\"'{name}\"")), "{row}");
        }
        assert!(written(&[json!({"name": "-4611686018427387904"})]).contains("\r\n-46116"), "an id stays as it is");
    }
}
