//! Events, folded: of what is said of one row, the last counts.

use std::collections::{BTreeMap, HashMap};

use fandom_schemas::manifest::Manifest;
use fandom_services::sealing::Sealed;

use crate::decode::{Event, RecordId, Row};

/// A topic and a partition.
pub(crate) type Place = (&'static str, i32);

/// What is written in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// In the order of the log.
    pub steps: Vec<Step>,
    /// The texts that come and go.
    pub texts: HashMap<RecordId, Option<Sealed>>,
    /// The next offset to read of each partition that was read.
    pub progress: BTreeMap<Place, i64>,
    /// Records taken in, by topic.
    pub records: BTreeMap<&'static str, u64>,
    /// About how much memory it takes.
    pub bytes: usize,
}

/// What has to be done before the next step.
#[derive(Debug)]
pub(crate) enum Step {
    /// Rows that come and go.
    Rows(HashMap<RecordId, Option<Row>>),
    /// A version is complete.
    Manifest(Box<Manifest>),
}

/// What a record costs beside its bytes.
const OVERHEAD: usize = 200;

impl Batch {
    /// Takes in what a record says; `bytes` is its length.
    pub(crate) fn add(&mut self, place: Place, offset: i64, event: Event, bytes: usize) {
        self.progress.insert(place, offset + 1);
        *self.records.entry(place.0).or_default() += 1;
        self.bytes += bytes + OVERHEAD;
        match event {
            Event::Row(id, row) => match self.steps.last_mut() {
                Some(Step::Rows(rows)) => drop(rows.insert(id, row)),
                _ => self.steps.push(Step::Rows(HashMap::from([(id, row)]))),
            },
            Event::Manifest(manifest) => self.steps.push(Step::Manifest(manifest)),
            Event::Text(id, text) => drop(self.texts.insert(id, text)),
            Event::Nothing => {}
        }
    }

    /// How many records were taken in.
    pub(crate) fn len(&self) -> u64 {
        self.records.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fandom_schemas::topics::{ROWS, TEXTS};

    fn id(ordinal: i64) -> RecordId {
        RecordId { file: 1, version: 1, ordinal }
    }

    #[test]
    fn the_last_word_on_a_row_counts_and_manifests_keep_their_place() {
        let row = |checksum| Some(Row::Other { checksum });
        let manifest = || {
            let json =
                br#"{"file":"f","version":2,"state":"gone","name":"f","zone":"UTC","exported_at":0,"modified_at":0,
                "rows":0,"checksum":"0","sheets":[]}"#;
            Event::Manifest(serde_json::from_slice(json).expect("a manifest"))
        };
        let mut batch = Batch::default();
        let events = [
            Event::Row(id(0), row(1)),
            Event::Row(id(0), None),
            Event::Row(id(1), row(2)),
            manifest(),
            Event::Row(id(0), row(3)),
        ];
        for (offset, event) in (10..).zip(events) {
            batch.add((ROWS, 4), offset, event, 10);
        }
        batch.add((TEXTS, 4), 7, Event::Text(id(0), None), 10);
        let [Step::Rows(first), Step::Manifest(_), Step::Rows(last)] = &batch.steps[..] else { panic!("{batch:?}") };
        assert_eq!((first.get(&id(0)), first.get(&id(1))), (Some(&None), Some(&row(2))));
        assert_eq!(last.get(&id(0)), Some(&row(3)));
        assert_eq!(batch.progress, BTreeMap::from([((ROWS, 4), 15), ((TEXTS, 4), 8)]));
        assert_eq!((batch.len(), batch.texts.len()), (6, 1));
    }
}
