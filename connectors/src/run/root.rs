//! Whether a source's folder is still the one in which its files were seen: a pure function.
//!
//! The mount point of a disk that is not mounted is an empty folder that can be read. It is another folder than the one on the
//! disk, and holds none of its files. Where both are so, the files that are missing are not taken for deleted. The same folder,
//! emptied, is taken for what it is; so is another one that holds some of the files as they were, such as a disk that got
//! another number.

use std::collections::HashMap;

use crate::source::{Listing, Root};
use crate::uploads::Upload;

/// How many files count that are missing because their folder is; 0 if it is there. `before` is where the source was last seen.
pub(super) fn files_of_another(
    before: Option<&str>,
    now: &Root,
    listing: &Listing,
    known: &HashMap<String, Upload>,
) -> usize {
    if now.accepted || before.is_none_or(|before| before == now.identity) {
        return 0;
    }
    let is_as_known = |upload: &Upload, size, modified_us| {
        upload.may_count() && upload.size == Some(size) && upload.modified_us == Some(modified_us)
    };
    let shows = |seen: &crate::source::Seen| {
        known.get(&seen.file).is_some_and(|upload| is_as_known(upload, seen.size, seen.modified_us))
    };
    if listing.files.iter().any(shows) { 0 } else { known.values().filter(|upload| upload.may_count()).count() }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::{live, of, seen};
    use super::*;

    #[test]
    fn another_folder_without_any_of_the_files_takes_nothing_back() {
        let known = HashMap::from([live("i:a", 1), live("i:b", 2)]);
        let root = |accepted| Root { identity: "8:2".into(), accepted };
        let count = |before, accepted, listing: Listing| files_of_another(before, &root(accepted), &listing, &known);
        assert_eq!(count(Some("8:1"), false, of(Vec::new())), 2, "a mount point without its disk");
        assert_eq!(count(Some("8:1"), false, of(vec![seen("i:a", 7), seen("i:c", 1)])), 2, "with other files");
        assert_eq!(count(Some("8:1"), false, of(vec![seen("i:b", 2)])), 0, "the disk got another number");
        assert_eq!(count(Some("8:2"), false, of(Vec::new())), 0, "someone emptied it");
        assert_eq!(count(Some("8:1"), true, of(Vec::new())), 0, "someone said so");
        assert_eq!(count(None, false, of(Vec::new())), 0, "it was never seen");
        assert_eq!(files_of_another(Some("8:1"), &root(false), &of(Vec::new()), &HashMap::new()), 0, "nothing counts");
    }
}
