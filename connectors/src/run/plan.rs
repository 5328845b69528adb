//! What has to be done next, from one look at a source: a pure function.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::source::{Listing, Seen};
use crate::uploads::decide::{Action, decide};
use crate::uploads::{State, Upload};

/// Something to be done about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Task {
    Read(Seen),
    Refuse(Seen, String),
    Retract(Upload),
    Forget(Upload),
}

impl Task {
    /// The id of the file.
    pub fn file(&self) -> &str {
        match self {
            Task::Read(seen) | Task::Refuse(seen, _) => &seen.file,
            Task::Retract(known) | Task::Forget(known) => &known.file,
        }
    }
}

/// What has to be done next.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    /// Files to keep in mind.
    pub note: Vec<&'a Seen>,
    /// In this order.
    pub tasks: VecDeque<Task>,
    /// Whether something has to wait for one of the tasks: look again when they are done.
    pub waits: bool,
}

/// What has to be done, given what is known of each file. Files of which something `is_busy` are left alone.
///
/// Rows are taken back before others are read, but for a file that seems to have been moved: as long as one of the same size
/// and time of change is on its way, its rows stay, so that figures do not drop and rise again.
pub(super) fn plan<'a>(
    listing: &'a Listing,
    known: &HashMap<String, Upload>,
    reading: &str,
    is_busy: impl Fn(&str) -> bool,
) -> Plan<'a> {
    let mut plan = Plan::default();
    let mut shown = HashSet::with_capacity(listing.files.len());
    let mut arriving = HashSet::new();
    let mut reads = Vec::new();
    for seen in &listing.files {
        if !shown.insert(seen.file.as_str()) {
            continue;
        }
        let upload = known.get(&seen.file);
        // Content that is not known of it: a file may be moved over another one.
        let arrives = upload.is_none_or(|upload| match upload.state {
            State::Gone | State::Seen | State::Publishing => true,
            State::Live | State::Failed => {
                (upload.size, upload.modified_us) != (Some(seen.size), Some(seen.modified_us))
            }
        });
        if arrives {
            arriving.insert((seen.size, seen.modified_us));
        }
        if is_busy(&seen.file) {
            continue;
        }
        let reading = seen.reading.as_ref().map_or(reading, |reading| &*reading.key);
        match decide(upload, Some(seen), reading) {
            Action::Note => plan.note.push(seen),
            Action::Read => reads.push(Task::Read(seen.clone())),
            Action::Refuse => {
                let reason = seen.unusable.clone().unwrap_or_default();
                plan.tasks.push_back(Task::Refuse(seen.clone(), reason));
            }
            Action::Leave | Action::Retract | Action::Forget => {}
        }
    }
    let mut absent: Vec<&Upload> = known.values().filter(|upload| !shown.contains(upload.file.as_str())).collect();
    absent.sort_by(|a, b| a.file.cmp(&b.file));
    for upload in absent {
        if is_busy(&upload.file) || listing.is_unknown(&upload.file) {
            continue;
        }
        match decide(Some(upload), None, reading) {
            Action::Retract => {
                let moved = upload.size.zip(upload.modified_us).is_some_and(|content| arriving.contains(&content));
                if moved {
                    plan.waits = true;
                } else {
                    plan.tasks.push_back(Task::Retract(upload.clone()));
                }
            }
            Action::Forget => plan.tasks.push_back(Task::Forget(upload.clone())),
            Action::Leave | Action::Note | Action::Refuse | Action::Read => {}
        }
    }
    plan.tasks.extend(reads);
    plan
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const READING: &str = "r";

    pub(in crate::run) fn seen(file: &str, size: u64) -> Seen {
        Seen {
            file: file.into(),
            name: file.into(),
            size,
            modified_us: 1_000_000,
            exported_at: 1,
            settled: true,
            unusable: None,
            fingerprint: None,
            reading: None,
            drive_folder: None,
            path: file.into(),
        }
    }

    pub(in crate::run) fn live(file: &str, size: u64) -> (String, Upload) {
        let upload = Upload {
            file: file.into(),
            name: file.into(),
            partition: 0,
            state: State::Live,
            version: Some(3),
            live_version: Some(3),
            live_rows: Some(1),
            begun: Vec::new(),
            size: Some(size),
            modified_us: Some(1_000_000),
            exported_at: Some(1),
            sha256: Some("aa".into()),
            reading: Some(READING.into()),
            fingerprint: None,
            error: None,
        };
        (file.into(), upload)
    }

    pub(in crate::run) fn of(files: Vec<Seen>) -> Listing {
        Listing { files, ..Listing::default() }
    }

    fn names(plan: &Plan<'_>) -> Vec<String> {
        let verb = |task: &Task| match task {
            Task::Read(_) => "read",
            Task::Refuse(..) => "refuse",
            Task::Retract(_) => "retract",
            Task::Forget(_) => "forget",
        };
        plan.tasks.iter().map(|task| format!("{} {}", verb(task), task.file())).collect()
    }

    #[test]
    fn what_is_gone_is_taken_back_before_what_is_new_is_read() {
        let known = HashMap::from([live("i:a", 1), live("i:b", 2)]);
        let listing = of(vec![seen("i:b", 2), seen("i:c", 3)]);
        assert_eq!(names(&plan(&listing, &known, READING, |_| false)), ["retract i:a", "read i:c"]);
    }

    #[test]
    fn a_moved_file_is_published_before_its_old_rows_are_taken_back() {
        let known = HashMap::from([live("i:a", 1)]);
        let listing = of(vec![seen("i:b", 1)]);
        let first = plan(&listing, &known, READING, |_| false);
        assert_eq!((names(&first), first.waits), (vec!["read i:b".to_owned()], true));
        let during = plan(&listing, &known, READING, |file| file == "i:b");
        assert_eq!((names(&during), during.waits), (Vec::new(), true));
        let known = HashMap::from([live("i:a", 1), live("i:b", 1)]);
        let then = plan(&listing, &known, READING, |_| false);
        assert_eq!((names(&then), then.waits), (vec!["retract i:a".to_owned()], false));
        let failed = Upload { state: State::Failed, live_version: None, ..live("i:b", 1).1 };
        let known = HashMap::from([live("i:a", 1), ("i:b".into(), failed)]);
        assert_eq!(names(&plan(&listing, &known, READING, |_| false)), ["retract i:a"], "it did not arrive");
    }

    #[test]
    fn a_file_moved_over_another_is_published_before_its_old_rows_are_taken_back() {
        let known = HashMap::from([live("i:a", 1), live("i:b", 2)]);
        let listing = of(vec![seen("i:a", 2)]);
        let first = plan(&listing, &known, READING, |_| false);
        assert_eq!((names(&first), first.waits), (vec!["read i:a".to_owned()], true));
        let known = HashMap::from([live("i:a", 2), live("i:b", 2)]);
        let then = plan(&listing, &known, READING, |_| false);
        assert_eq!((names(&then), then.waits), (vec!["retract i:b".to_owned()], false));
    }

    #[test]
    fn files_of_which_nothing_is_known_now_stay() {
        let known = HashMap::from([live("i:sub/a", 1), live("i:sub2/a", 1), live("i:b", 1)]);
        let listing = Listing { unknown: vec!["i:sub/".into(), "i:b".into()], ..Listing::default() };
        assert_eq!(names(&plan(&listing, &known, READING, |_| false)), ["retract i:sub2/a"]);
    }

    #[test]
    fn a_file_is_never_in_two_hands() {
        let known = HashMap::from([live("i:a", 1), live("i:b", 1)]);
        let listing = of(vec![seen("i:b", 2), seen("i:c", 3)]);
        assert_eq!(names(&plan(&listing, &known, READING, |file| file != "i:c")), ["read i:c"]);
    }
}
