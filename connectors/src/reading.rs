//! How files are read, and the words in which `app.uploads` keeps that.

use std::sync::Arc;

use crate::workbook::ReadOptions;
use crate::workbook::mapping::Profiles;

/// Raised whenever the reader reads something differently than before: every file is then read again.
const READER: u32 = 4;

/// Stands in a key before what the mappings are.
const MAPPINGS: &str = " mappings ";

/// How files are read. Where two of these differ in [`Reading::key`], the same content may give other rows.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Zone, platform and limits.
    pub options: ReadOptions,
    /// What content is read with, as `app.uploads` keeps it: where it changes, the file is read again.
    pub key: Arc<str>,
}

impl Reading {
    /// This way of reading, with its key.
    pub fn new(options: ReadOptions) -> Reading {
        let limits = xxhash_rust::xxh3::xxh3_64(format!("{:?}", options.limits).as_bytes());
        let key = format!(
            "zone {} platform {} reader {READER} limits {limits:016x}",
            options.zone_name, options.default_platform
        );
        let mappings = match &*options.mappings {
            [] => "none".to_owned(),
            profiles => {
                let all: Vec<_> = profiles.iter().map(|profile| profile.mapping()).collect();
                format!("{:016x}", xxhash_rust::xxh3::xxh3_64(format!("{all:?}").as_bytes()))
            }
        };
        Reading { options, key: format!("{key}{MAPPINGS}{mappings}").into() }
    }

    /// The same with these mappings.
    pub fn with_mappings(&self, mappings: Profiles) -> Reading {
        Reading::new(ReadOptions { mappings, ..self.options.clone() })
    }

    /// The key of content that no mapping has to do with: each of its sheets is of a built-in kind.
    pub fn key_without_mappings(&self) -> &str {
        self.key.split_once(MAPPINGS).map_or(&*self.key, |(key, _)| key)
    }
}

/// Whether content that was read with `known` is as if read with `reading`.
pub(crate) fn is_same(known: Option<&str>, reading: &str) -> bool {
    known.is_some_and(|known| {
        known == reading || reading.strip_prefix(known).is_some_and(|mappings| mappings.starts_with(MAPPINGS))
    })
}

impl PartialEq for Reading {
    fn eq(&self, other: &Reading) -> bool {
        self.key == other.key
    }
}

impl Eq for Reading {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workbook::Limits;
    use crate::workbook::mapping::Profile;

    #[test]
    fn another_zone_platform_or_limit_is_another_reading() {
        let options = ReadOptions {
            zone: jiff::tz::TimeZone::UTC,
            zone_name: "UTC".into(),
            default_platform: "OF".into(),
            limits: Limits::default(),
            mappings: Default::default(),
        };
        let plain = Reading::new(options.clone());
        assert_eq!(plain, Reading::new(options.clone()));
        assert_ne!(plain, Reading::new(ReadOptions { zone_name: "Europe/Riga".into(), ..options.clone() }));
        assert_ne!(plain, Reading::new(ReadOptions { default_platform: "Fansly".into(), ..options.clone() }));
        let limits = Limits { max_cells: 7, ..Limits::default() };
        assert_ne!(plain, Reading::new(ReadOptions { limits, ..options }));
    }

    #[test]
    fn mappings_matter_only_to_what_they_may_read() {
        let options = ReadOptions {
            zone: jiff::tz::TimeZone::UTC,
            zone_name: "UTC".into(),
            default_platform: "OF".into(),
            limits: Limits::default(),
            mappings: Default::default(),
        };
        let plain = Reading::new(options);
        let json =
            r#"{"name": "t", "kind": "chatter_day", "columns": {"chatter": "who", "day": "d", "messages_sent": "n"}}"#;
        let mapped = |json: &str| {
            let mapping = serde_json::from_str(json).expect("a mapping");
            plain.with_mappings(vec![Arc::new(Profile::new(mapping).expect("a profile"))].into())
        };
        let one = mapped(json);
        assert!(!is_same(Some(&plain.key), &one.key), "a sheet that was not recognised may be now");
        assert!(!is_same(Some(&one.key), &mapped(&json.replace("\"n\"", "\"m\"")).key), "another mapping");
        assert!(is_same(Some(one.key_without_mappings()), &plain.key), "built-in kinds need none");
        assert!(is_same(Some(plain.key_without_mappings()), &one.key), "nor does a new one concern them");
        assert!(!is_same(None, &one.key));
    }
}
