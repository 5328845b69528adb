//! Which versions of a file may have rows on the log, beside the one that counts.

use crate::uploads::Upload;

/// The versions that do not count once `version` does, each with the ordinals it may have on the log.
pub(super) fn superseded(upload: &Upload, version: Option<u64>) -> Vec<(u64, u64)> {
    let live = upload.live_version.zip(upload.live_rows);
    let begun = upload.begun.iter().map(|begun| (begun.version, begun.ordinals));
    live.into_iter().chain(begun).filter(|(superseded, _)| Some(*superseded) != version).collect()
}

/// The versions that were begun and certainly do not count, each with the ordinals it may have on the log; `rows` were sent
/// of `version` just now. One whose manifest may be on the log has to stay until another version counts.
pub(super) fn unfinished(upload: &Upload, version: u64, rows: u64) -> Vec<(u64, u64)> {
    let unsealed = upload.begun.iter().filter(|begun| !begun.sealed);
    unsealed
        .map(|begun| (begun.version, if begun.version == version { begun.ordinals.max(rows) } else { begun.ordinals }))
        .collect()
}

/// Why a file failed, and that an earlier version of it stands in where that is so.
pub(super) fn with_previous(reason: &str, known: Option<&Upload>) -> String {
    match known.filter(|known| known.live_version.is_some()).map(|known| known.live_rows.unwrap_or_default()) {
        Some(rows) => format!("{reason}; until then the {rows} rows of the version before still count"),
        None => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::{Begun, State};

    fn upload() -> Upload {
        Upload {
            file: "inbox:a.xlsx".into(),
            name: "a.xlsx".into(),
            partition: 0,
            state: State::Publishing,
            version: Some(9),
            live_version: Some(5),
            live_rows: Some(100),
            begun: [(7, 8192, false), (8, 60, true), (9, 40, false)]
                .map(|(version, ordinals, sealed)| Begun { version, ordinals, sealed })
                .to_vec(),
            size: None,
            modified_us: None,
            exported_at: None,
            sha256: None,
            reading: None,
            fingerprint: None,
            error: None,
        }
    }

    #[test]
    fn every_version_but_the_new_one_is_superseded() {
        assert_eq!(superseded(&upload(), Some(9)), [(5, 100), (7, 8192), (8, 60)]);
        assert_eq!(superseded(&upload(), None), [(5, 100), (7, 8192), (8, 60), (9, 40)]);
        let again = Upload { live_version: Some(9), live_rows: Some(40), ..upload() };
        assert_eq!(superseded(&again, Some(9)), [(7, 8192), (8, 60)], "a version never clears itself");
    }

    #[test]
    fn an_attempt_that_failed_leaves_what_may_count() {
        assert_eq!(unfinished(&upload(), 9, 5), [(7, 8192), (9, 40)]);
        assert_eq!(unfinished(&upload(), 9, 50), [(7, 8192), (9, 50)], "more were set aside meanwhile");
        assert_eq!(unfinished(&upload(), 8, 5), [(7, 8192), (9, 40)], "resumed after its manifest");
    }

    #[test]
    fn a_failure_says_that_older_rows_stand_in() {
        assert_eq!(
            with_previous("bad", Some(&upload())),
            "bad; until then the 100 rows of the version before still count"
        );
        assert_eq!(with_previous("bad", None), "bad");
    }
}
