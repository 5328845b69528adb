//! Looks into a file for whoever makes a mapping, without publishing anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fandom_schemas::mappings::Mapping;
use serde_json::{Value, json};

use crate::publish::Publisher;
use crate::source::{Seen, Source};
use crate::workbook::mapping::{preview, suggest};

/// What a mapping would make of a file; without a mapping, which one would suit it.
///
/// # Errors
/// Why it cannot be told, and what to do.
pub(super) async fn inspect<S: Source>(
    source: &S,
    publisher: &Publisher,
    seen: &Seen,
    mapping: Option<Box<Mapping>>,
) -> Result<Option<Value>, String> {
    if let Some(reason) = &seen.unusable {
        return Err(reason.clone());
    }
    let fetched = source.fetch(seen, &publisher.stop).await;
    let content = fetched.map_err(|error| format!("the file could not be had: {error}; ask again"))?;
    let reading = Arc::clone(seen.reading.as_ref().unwrap_or(&publisher.reading));
    let name = seen.name.clone();
    let inspected = tokio::task::spawn_blocking(move || {
        catch_unwind(AssertUnwindSafe(|| match mapping {
            None => {
                suggest(&content.path, &name, &reading.options).map(|suggestions| json!({ "suggestions": suggestions }))
            }
            Some(mapping) => preview(&content.path, &name, &reading.options, &mapping)
                .map(|preview| serde_json::to_value(preview).unwrap_or_default()),
        }))
    });
    match inspected.await {
        Ok(Ok(Ok(answer))) => Ok(Some(answer)),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Err(_)) | Err(_) => {
            Err("the reader broke on this file; save it again with a spreadsheet program".to_owned())
        }
    }
}
