//! What has to be done about a file: pure functions of what is known of it and what its source shows.
//!
//! ```text
//!  what is known │ shown, still changing │ shown, complete              │ not shown
//! ───────────────┼───────────────────────┼──────────────────────────────┼──────────────────────────────
//!  nothing, gone │ note                  │ read                         │ leave
//!  seen          │ leave                 │ read                         │ forget, or retract
//!  publishing    │ leave                 │ read                         │ retract
//!  live, failed  │ leave                 │ read, unless it is as known  │ retract; forget if never live
//! ```
//!
//! A file is *as known* when name, size, time of change and fingerprint are those of the content that was last read, and zone,
//! platform and reader are still the same. A fingerprint is what a source knows of the content beside size and time. Where only the time differs, the content is digested and its rows are published again as a new
//! version: the time of change takes part in choosing the winner among equal rows (METRICS.md §2), so the
//! figures must not depend on whether the connector was running when the file was touched. A time that differs by
//! less than a second changes nothing and is only noted.

use super::{State, Upload};
use crate::reading;
use crate::source::Seen;

/// What has to be done about a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Leave,
    /// Keep in mind that it is there.
    Note,
    /// Say why it cannot be read, whatever it holds.
    Refuse,
    /// Fetch its content, then [`decide_content`].
    Read,
    /// Take its rows back.
    Retract,
    /// It never counted and is not there any more: say so.
    Forget,
}

/// What has to be done about the content of a file that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentAction {
    /// It was published or refused before: note the new time of change.
    Refresh,
    /// Publish this version again, under the same keys.
    Resume(u64),
    /// Publish a new version.
    Publish,
}

/// What has to be done about a file. `reading` stands for the zone, platform and reader with which it would be read.
pub fn decide(known: Option<&Upload>, seen: Option<&Seen>, reading: &str) -> Action {
    let known = known.filter(|known| known.state != State::Gone);
    match (known, seen) {
        (None, None) => Action::Leave,
        (Some(known), None) if known.may_count() => Action::Retract,
        (Some(_), None) => Action::Forget,
        (None, Some(seen)) if !seen.settled => Action::Note,
        (Some(_), Some(seen)) if !seen.settled => Action::Leave,
        (known, Some(Seen { unusable: Some(reason), .. })) => {
            let was_refused = |known: &Upload| {
                known.state == State::Failed && known.error.as_ref().is_some_and(|error| error.starts_with(reason))
            };
            if known.is_some_and(was_refused) { Action::Leave } else { Action::Refuse }
        }
        (None, Some(_)) => Action::Read,
        (Some(known), Some(seen)) if known.is_of(seen, reading) => Action::Leave,
        (Some(_), Some(_)) => Action::Read,
    }
}

/// What has to be done about the content with that digest.
pub fn decide_content(known: Option<&Upload>, seen: &Seen, sha256: &str, reading: &str) -> ContentAction {
    let Some(known) = known else { return ContentAction::Publish };
    let same_content = known.sha256.as_deref() == Some(sha256) && reading::is_same(known.reading.as_deref(), reading);
    // A file that keeps its id under another name is shown, and takes part in the order of files, under the new one.
    let same_order = known.name == seen.name
        && known.exported_at == Some(seen.exported_at)
        && known.modified_at() == Some(seen.modified_at());
    match (known.state, known.version) {
        (State::Live, _) if same_content && same_order => ContentAction::Refresh,
        (State::Failed, _) if same_content => ContentAction::Refresh,
        (State::Publishing, Some(version)) if same_content && same_order && known.has_begun(version) => {
            ContentAction::Resume(version)
        }
        _ => ContentAction::Publish,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uploads::Begun;
    use proptest::prelude::*;

    const SHA: &str = "aa";
    const READING: &str = "UTC OF 1";

    fn seen() -> Seen {
        Seen {
            file: "inbox:a.xlsx".into(),
            name: "a.xlsx".into(),
            size: 10,
            modified_us: 1_700_000_000_250_000,
            exported_at: 1_700_000_000,
            settled: true,
            unusable: None,
            fingerprint: None,
            reading: None,
            drive_folder: None,
            path: "a.xlsx".into(),
        }
    }

    fn upload(state: State) -> Upload {
        let published = matches!(state, State::Live | State::Publishing | State::Failed);
        Upload {
            file: "inbox:a.xlsx".into(),
            name: "a.xlsx".into(),
            partition: 3,
            state,
            version: published.then_some(7),
            live_version: (state == State::Live).then_some(7),
            live_rows: (state == State::Live).then_some(5),
            begun: if state == State::Publishing {
                vec![Begun { version: 7, ordinals: 8, sealed: false }]
            } else {
                Vec::new()
            },
            size: Some(10),
            modified_us: Some(1_700_000_000_250_000),
            exported_at: Some(1_700_000_000),
            sha256: published.then(|| SHA.into()),
            reading: published.then(|| READING.into()),
            fingerprint: None,
            error: (state == State::Failed).then(|| "bad".into()),
        }
    }

    #[test]
    fn the_table_of_decisions() {
        use Action::{Forget, Leave, Note, Read, Retract};
        let changing = Seen { settled: false, size: 11, ..seen() };
        for (state, while_changing, complete, not_shown) in [
            (None, Note, Read, Leave),
            (Some(State::Gone), Note, Read, Leave),
            (Some(State::Seen), Leave, Read, Forget),
            (Some(State::Publishing), Leave, Read, Retract),
            (Some(State::Live), Leave, Leave, Retract),
            (Some(State::Failed), Leave, Leave, Forget),
        ] {
            let known = state.map(upload);
            let decided = |seen: Option<&Seen>| decide(known.as_ref(), seen, READING);
            assert_eq!(decided(Some(&changing)), while_changing, "{state:?}, still changing");
            assert_eq!(decided(Some(&seen())), complete, "{state:?}, complete");
            assert_eq!(decided(None), not_shown, "{state:?}, not shown");
        }
        let kept = Upload { live_version: Some(4), live_rows: Some(1), ..upload(State::Failed) };
        assert_eq!(decide(Some(&kept), None, READING), Retract, "an earlier version still counts");
        let in_doubt = Upload { begun: vec![Begun { version: 7, ordinals: 1, sealed: true }], ..upload(State::Seen) };
        assert_eq!(decide(Some(&in_doubt), None, READING), Retract, "its manifest may be on the log");
    }

    #[test]
    fn a_change_of_size_time_or_reading_is_looked_into() {
        for state in [State::Live, State::Failed] {
            let known = upload(state);
            for changed in [Seen { size: 11, ..seen() }, Seen { modified_us: 1_700_000_000_250_001, ..seen() }] {
                assert_eq!(decide(Some(&known), Some(&changed), READING), Action::Read, "{state:?} {changed:?}");
            }
            assert_eq!(decide(Some(&known), Some(&seen()), "UTC Fansly 1"), Action::Read, "{state:?}");
        }
        let unread = Upload { sha256: None, ..upload(State::Failed) };
        assert_eq!(decide(Some(&unread), Some(&seen()), READING), Action::Read, "it could not even be opened");
    }

    #[test]
    fn a_fingerprint_or_a_name_that_changed_is_looked_into() {
        let known = upload(State::Live);
        let revised = Seen { fingerprint: Some("md5 x".into()), ..seen() };
        assert_eq!(decide(Some(&known), Some(&revised), READING), Action::Read);
        assert_eq!(decide_content(Some(&known), &revised, SHA, READING), ContentAction::Refresh, "the same after all");
        let as_read = Upload { fingerprint: revised.fingerprint.clone(), ..known.clone() };
        assert_eq!(decide(Some(&as_read), Some(&revised), READING), Action::Leave);
        let renamed = Seen { name: "b.xlsx".into(), ..seen() };
        assert_eq!(decide(Some(&known), Some(&renamed), READING), Action::Read);
        assert_eq!(decide_content(Some(&known), &renamed, SHA, READING), ContentAction::Publish);
    }

    #[test]
    fn a_file_with_an_unusable_name_is_refused_once() {
        let unusable = Seen { unusable: Some("rename it".into()), ..seen() };
        assert_eq!(decide(None, Some(&unusable), READING), Action::Refuse);
        let refused = Upload { error: Some("rename it".into()), ..upload(State::Failed) };
        assert_eq!(decide(Some(&refused), Some(&unusable), READING), Action::Leave);
        assert_eq!(decide(Some(&refused), Some(&seen()), READING), Action::Leave);
    }

    #[test]
    fn content_is_published_again_when_the_order_of_files_may_change() {
        let later = Seen { modified_us: seen().modified_us + 1_000_000, ..seen() };
        let a_little_later = Seen { modified_us: seen().modified_us + 1000, ..seen() };
        let live = upload(State::Live);
        let decided = |seen: &Seen, sha| decide_content(Some(&live), seen, sha, READING);
        assert_eq!(decided(&later, SHA), ContentAction::Publish);
        assert_eq!(decided(&a_little_later, SHA), ContentAction::Refresh);
        assert_eq!(decided(&a_little_later, "bb"), ContentAction::Publish);
        assert_eq!(decide_content(Some(&live), &seen(), SHA, "other"), ContentAction::Publish);
    }

    #[test]
    fn only_the_very_same_version_is_resumed() {
        let known = upload(State::Publishing);
        let decided = |seen: &Seen, sha, reading| decide_content(Some(&known), seen, sha, reading);
        assert_eq!(decided(&seen(), SHA, READING), ContentAction::Resume(7));
        assert_eq!(decided(&seen(), "bb", READING), ContentAction::Publish);
        assert_eq!(decided(&seen(), SHA, "other"), ContentAction::Publish);
        assert_eq!(decided(&Seen { exported_at: 5, ..seen() }, SHA, READING), ContentAction::Publish);
        let retracting = Upload { sha256: None, begun: Vec::new(), ..upload(State::Publishing) };
        assert_eq!(decide_content(Some(&retracting), &seen(), SHA, READING), ContentAction::Publish);
    }

    fn any_upload() -> impl Strategy<Value = Option<Upload>> {
        let state = prop::sample::select(vec![State::Seen, State::Publishing, State::Live, State::Failed, State::Gone]);
        let one_of = |values: [&str; 2]| prop::option::of(prop::sample::select(values.map(str::to_owned).to_vec()));
        (state, any::<[bool; 3]>(), 9u64..12, one_of([SHA, "bb"]), one_of([READING, "other"])).prop_map(
            |(state, [live, begun, known], size, sha256, reading)| {
                known.then(|| Upload {
                    live_version: live.then_some(6),
                    begun: if begun { vec![Begun { version: 7, ordinals: 8, sealed: false }] } else { Vec::new() },
                    size: Some(size),
                    sha256,
                    reading,
                    ..upload(state)
                })
            },
        )
    }

    fn any_seen() -> impl Strategy<Value = Option<Seen>> {
        (any::<[bool; 3]>(), 9u64..12, -2i64..3).prop_map(|([shown, settled, unusable], size, late)| {
            shown.then(|| Seen {
                settled,
                size,
                unusable: unusable.then(|| "no".to_owned()),
                modified_us: seen().modified_us + late * 500_000,
                ..seen()
            })
        })
    }

    proptest! {
        /// Rows are taken back only from what counts and is not shown, and nothing that may count is ever forgotten.
        #[test]
        fn rows_are_taken_back_only_from_a_file_that_is_not_shown(known in any_upload(), seen in any_seen()) {
            let action = decide(known.as_ref(), seen.as_ref(), READING);
            prop_assert_eq!(matches!(action, Action::Retract | Action::Forget), seen.is_none()
                && known.as_ref().is_some_and(|known| known.state != State::Gone));
            if action == Action::Forget {
                prop_assert!(known.is_some_and(|known| known.live_version.is_none() && known.begun.is_empty()));
            }
        }

        /// A file that still changes is never read, and one whose size differs from what is known is never left as it is.
        #[test]
        fn only_complete_files_are_read(known in any_upload(), seen in any_seen()) {
            let action = decide(known.as_ref(), seen.as_ref(), READING);
            if let Some(seen) = &seen {
                prop_assert!(seen.settled || action != Action::Read);
                let differs = known.as_ref().is_none_or(|known| known.size != Some(seen.size));
                if seen.settled && seen.unusable.is_none() && differs {
                    prop_assert_eq!(action, Action::Read);
                }
            }
        }

        /// What was just published or refused is left alone at the next look: no file is published for ever.
        #[test]
        fn decisions_come_to_rest(known in any_upload(), seen in any_seen(), failed: bool) {
            let Some(seen) = seen.filter(|seen| seen.unusable.is_none()) else { return Ok(()) };
            let state = if failed { State::Failed } else { State::Live };
            let done = Upload {
                size: Some(seen.size),
                modified_us: Some(seen.modified_us),
                exported_at: Some(seen.exported_at),
                sha256: Some(SHA.into()),
                reading: Some(READING.into()),
                live_version: known.and_then(|known| known.live_version),
                ..upload(state)
            };
            prop_assert_eq!(decide(Some(&done), Some(&seen), READING), Action::Leave);
        }
    }
}
