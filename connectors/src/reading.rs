//! How files are read, and the words in which `app.uploads` keeps that.

use std::sync::Arc;

use crate::workbook::ReadOptions;

/// Raised whenever the reader reads something differently than before: every file is then read again.
const READER: u32 = 3;

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
        Reading { options, key: key.into() }
    }
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

    #[test]
    fn another_zone_platform_or_limit_is_another_reading() {
        let options = ReadOptions {
            zone: jiff::tz::TimeZone::UTC,
            zone_name: "UTC".into(),
            default_platform: "OF".into(),
            limits: Limits::default(),
        };
        let plain = Reading::new(options.clone());
        assert_eq!(plain, Reading::new(options.clone()));
        assert_ne!(plain, Reading::new(ReadOptions { zone_name: "Europe/Riga".into(), ..options.clone() }));
        assert_ne!(plain, Reading::new(ReadOptions { default_platform: "Fansly".into(), ..options.clone() }));
        let limits = Limits { max_cells: 7, ..Limits::default() };
        assert_ne!(plain, Reading::new(ReadOptions { limits, ..options }));
    }
}
