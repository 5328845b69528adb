//! Property tests of the whole dataflow, without Kafka and Postgres: whatever happened to the files, the views are a
//! function of what is live, and that function is METRICS.md.
//!
//! ```text
//!  history ──▶ run: a real dataflow, epoch by epoch ──▶ rows of every view ─┐
//!     └─────▶ live files ──▶ oracle: plain loops ────▶ rows of every view ──┴─▶ compare
//! ```
//!
//! A history is a list of steps: a file gets a version, of rows that overlap those of other files, or it goes, or a day begins.
//! It is played with epochs ended at random, its first steps as the log's start. The oracle shares nothing with the dataflow
//! but the types of rows and tables, and the identities of names.
//!
//! `FANDOM_SOAK` multiplies the number of cases (1).

mod compare;
mod history;
mod oracle;
mod run;

use fandom_dataflows::views::TABLES;
use fandom_dataflows::views::kept::Kept;
use proptest::prelude::*;
use proptest::sample::subsequence;

use compare::{clusters, differences, unlike};
use history::{History, LARGE, SMALL, Setup, Step, histories};
use oracle::Given;
use run::{Snapshot, run};

/// So many cases, times `FANDOM_SOAK`.
fn cases(cases: u32) -> ProptestConfig {
    let soak = std::env::var("FANDOM_SOAK").ok().filter(|factor| !factor.is_empty());
    let soak = soak.map_or(1.0, |factor| factor.parse().expect("FANDOM_SOAK is a factor"));
    let cases = (f64::from(cases) * soak).ceil() as u32;
    ProptestConfig { cases, max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

/// Plays a history; after every epoch, all views must be what the oracle computes of the files then live.
fn check(history: &History, workers: usize) {
    for (place, snapshot) in run(history, workers) {
        let live = history.live(place);
        let given = Given::new(clusters(&snapshot));
        let expected = oracle::tables(&live, history.today(place), &history.setup, given, history.settles(place));
        let mut found = differences(&expected, &snapshot);
        found.truncate(50);
        assert!(found.is_empty(), "after {} steps:\n{}", place + 1, found.join("\n"));
    }
}

/// The views of a dataflow that gets these steps and nothing before.
fn last(history: &History, workers: usize) -> Snapshot {
    run(history, workers).pop_last().map(|(_, snapshot)| snapshot).unwrap_or_default()
}

proptest! {
    #![proptest_config(cases(700))]

    #[test]
    fn every_view_is_what_the_oracle_computes(history in histories(SMALL)) {
        check(&history, 1);
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn two_workers_compute_the_same(history in histories(SMALL)) {
        check(&history, 2);
    }
}

proptest! {
    #![proptest_config(cases(60))]

    /// Days leave those over which moves are told, and fans change their class of recency.
    #[test]
    fn so_it_is_after_every_midnight(history in histories(SMALL), after in 20..30i32) {
        let setup = Setup { as_of_data: false, ..history.setup.clone() };
        check(&History { setup, ..history }.then_midnights(after, 12), 1);
    }
}

proptest! {
    // Of these, shrinking takes long.
    #![proptest_config(ProptestConfig { max_shrink_iters: 64, ..cases(2) })]

    #[test]
    fn so_it_is_when_there_is_much(history in histories(LARGE), workers in 1..=2usize) {
        check(&history, workers);
    }
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn the_order_in_which_files_come_changes_nothing(
        history in histories(SMALL),
        order in proptest::collection::vec(any::<(u8, bool)>(), 12),
        hydration in 0..5usize,
        workers in 1..=2usize,
    ) {
        let history = history.settling();
        let mut again = history.of_live(history.steps.len() - 1);
        let mut steps: Vec<_> = again.steps.into_iter().zip(order).collect();
        steps.sort_by_key(|(_, (rank, _))| *rank);
        again.steps = steps.into_iter().map(|(step, (_, ends_epoch))| Step { ends_epoch, ..step }).collect();
        again.hydration = hydration;
        prop_assert_eq!(unlike(&last(&history, 1), &last(&again, workers)), Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(cases(40))]

    /// For what has no oracle (see [`oracle::WITHOUT_ORACLE`]).
    #[test]
    fn a_fresh_dataflow_computes_the_same(history in histories(SMALL), workers in 1..=2usize) {
        let history = history.settling();
        for (place, snapshot) in run(&history, workers) {
            let mut fresh = history.of_live(place);
            fresh.hydration = fresh.steps.len();
            prop_assert_eq!(unlike(&snapshot, &last(&fresh, 1)), Vec::<String>::new(), "after {} steps", place + 1);
        }
    }
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn a_view_is_the_same_whatever_others_are_kept(
        history in histories(SMALL),
        named in subsequence(TABLES.map(|table| table.name).to_vec(), 1..6),
    ) {
        let views = Kept::named(&named.join(",")).expect("names of views");
        let mut whole = last(&history, 1);
        whole.retain(|(view, _), _| views.keeps(TABLES[usize::from(*view)]));
        let setup = Setup { views, ..history.setup.clone() };
        prop_assert_eq!(unlike(&whole, &last(&History { setup, ..history }, 1)), Vec::<String>::new());
    }
}
