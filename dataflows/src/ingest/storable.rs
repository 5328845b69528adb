//! Texts as Postgres can hold them.
//!
//! Connectors send no others, but anybody may write to the log, and what stands there must not stop the dataflow: Postgres takes
//! no NUL in a text, and no text in a key that is longer than a third of a page.

use std::borrow::Cow;

use fandom_schemas::manifest::Manifest;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 1000;

/// The text without NULs, cut where it is too long for a key.
pub fn text(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= LONGEST && !text.contains('\0') {
        return text;
    }
    tracing::error!(bytes = text.len(), "a text on the log that Postgres cannot hold was cut or stripped of NULs");
    let mut text = text.replace('\0', "");
    text.truncate(text.floor_char_boundary(LONGEST));
    Cow::Owned(text)
}

/// Makes the texts of a manifest such texts.
pub fn manifest(manifest: &mut Manifest) {
    let change = |changed: &mut String| *changed = text(Cow::Owned(std::mem::take(changed))).into_owned();
    change(&mut manifest.name);
    for sheet in &mut manifest.sheets {
        sheet.name.iter_mut().for_each(change);
        sheet.rejects.iter_mut().for_each(|reject| change(&mut reject.reason));
        let warnings = std::mem::take(&mut sheet.warnings);
        sheet.warnings = warnings.into_iter().map(|(name, count)| (text(name.into()).into_owned(), count)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_held_is_changed() {
        assert!(matches!(text(Cow::Borrowed("Mila")), Cow::Borrowed("Mila")));
        assert_eq!(text(Cow::Borrowed("Mi\0la")), "Mila");
        assert_eq!(text(Cow::Owned("é".repeat(600))).len(), 1000);
    }
}
