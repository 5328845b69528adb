//! The manifest of a version, and what is shown of it.

use std::collections::BTreeMap;

use fandom_schemas::manifest::{Checksum, FileState, Manifest, Sheet};

use super::log::LARGEST_VALUE;
use crate::source::Seen;
use crate::uploads::Counts;

/// Said of a file in which no sheet was recognised.
const NOTHING_RECOGNISED: &str =
    "no sheet was recognised: a row of known column headers must stand among the first 20 rows";

/// The manifest of a version whose rows are on the log.
pub(super) fn live(
    seen: &Seen,
    version: u64,
    zone: &str,
    rows: u64,
    checksum: Checksum,
    sheets: Vec<Sheet>,
) -> Manifest {
    Manifest {
        file: seen.file.clone(),
        version,
        state: FileState::Live,
        name: seen.name.clone(),
        zone: zone.to_owned(),
        exported_at: seen.exported_at,
        modified_at: seen.modified_at(),
        rows,
        checksum: checksum.to_hex(),
        sheets,
    }
}

/// The manifest of a file that is not there any more.
pub(super) fn gone(file: &str, version: u64, name: &str, zone: &str, exported_at: i64, modified_at: i64) -> Manifest {
    Manifest {
        file: file.to_owned(),
        version,
        state: FileState::Gone,
        name: name.to_owned(),
        zone: zone.to_owned(),
        exported_at,
        modified_at,
        rows: 0,
        checksum: Checksum::default().to_hex(),
        sheets: Vec::new(),
    }
}

/// The JSON of a manifest. Where it is too large for a record, each sheet lists fewer of its rejected rows; they are all on
/// `fandom.rejects`.
///
/// # Errors
/// When it is too large without any.
pub(super) fn to_json(mut manifest: Manifest) -> Result<Vec<u8>, String> {
    let mut listed = manifest.sheets.iter().map(|sheet| sheet.rejects.len()).max().unwrap_or(0);
    loop {
        let json = serde_json::to_vec(&manifest).expect("a manifest has only string keys");
        if json.len() <= LARGEST_VALUE {
            return Ok(json);
        }
        if listed == 0 {
            return Err(format!(
                "the workbook has too much to tell of its {} sheets: save it in several files",
                manifest.sheets.len()
            ));
        }
        listed /= 2;
        manifest.sheets.iter_mut().for_each(|sheet| sheet.rejects.truncate(listed));
    }
}

/// What is shown of these sheets.
pub(super) fn counts(sheets: &[Sheet]) -> Counts {
    let mut counts = Counts::default();
    let mut warnings = BTreeMap::new();
    for sheet in sheets {
        counts.rows_read += sheet.rows_read;
        counts.accepted += sheet.accepted;
        counts.rejected += sheet.rejected;
        for (name, count) in &sheet.warnings {
            *warnings.entry(name.clone()).or_default() += count;
        }
        if sheet.doubtful_times > 0 {
            *warnings.entry("doubtful_times".to_owned()).or_default() += sheet.doubtful_times;
        }
    }
    if sheets.iter().all(|sheet| sheet.kind.is_none()) {
        warnings.insert("no_sheet_recognised".to_owned(), 1);
        counts.notice = Some(NOTHING_RECOGNISED.to_owned());
    }
    counts.warnings = warnings;
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use fandom_schemas::manifest::SheetReject;
    use fandom_schemas::rows::Kind;

    fn sheet(kind: Option<Kind>, rejects: usize) -> Sheet {
        Sheet {
            position: 0,
            name: Some("s".into()),
            kind,
            rows_read: 3,
            accepted: 2,
            rejected: 1,
            rejects: (0..rejects).map(|_| SheetReject { row: 9, reason: "x".repeat(500) }).collect(),
            doubtful_times: 2,
            warnings: [("unreadable price".to_owned(), 4)].into(),
        }
    }

    #[test]
    fn counts_are_summed_over_sheets() {
        let counts = counts(&[sheet(Some(Kind::Sale), 0), sheet(None, 0)]);
        assert_eq!((counts.rows_read, counts.accepted, counts.rejected), (6, 4, 2));
        assert_eq!(counts.warnings, [("unreadable price".to_owned(), 8), ("doubtful_times".to_owned(), 4)].into());
        assert_eq!(counts.notice, None);
    }

    #[test]
    fn a_file_in_which_nothing_is_recognised_says_so() {
        for sheets in [Vec::new(), vec![sheet(None, 0)]] {
            let counts = counts(&sheets);
            assert_eq!(counts.warnings.get("no_sheet_recognised"), Some(&1));
            assert!(counts.notice.is_some_and(|notice| notice.contains("no sheet was recognised")));
        }
    }

    #[test]
    fn a_manifest_always_fits_into_a_record() {
        let manifest = |sheets| Manifest { sheets, ..gone("f", 1, "f", "UTC", 0, 0) };
        let json = to_json(manifest((0..200).map(|_| sheet(None, 100)).collect())).expect("rejects can be left out");
        assert!(json.len() <= LARGEST_VALUE);
        let read: Manifest = serde_json::from_slice(&json).expect("a manifest");
        assert_eq!(read.sheets.len(), 200);
        assert!(!read.sheets[0].rejects.is_empty(), "as many as fit are listed");
        let small = to_json(manifest(vec![sheet(None, 100)])).expect("fits");
        let read: Manifest = serde_json::from_slice(&small).expect("a manifest");
        assert_eq!(read.sheets[0].rejects.len(), 100);
        assert!(to_json(manifest((0..9000).map(|_| sheet(None, 0)).collect())).is_err());
    }
}
