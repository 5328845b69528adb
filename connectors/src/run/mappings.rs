//! Which mappings apply to which files of a source.

use std::collections::HashMap;
use std::sync::Arc;

use fandom_schemas::mappings::Stored;

use crate::reading::Reading;
use crate::source::Seen;
use crate::workbook::mapping::{Profile, in_order};

/// The mappings that are stored, ready to be used.
#[derive(Default)]
pub(super) struct Mappings {
    /// See `app.mappings_generation`.
    pub generation: i64,
    profiles: Vec<Arc<Profile>>,
    /// Readings by the key of the one without mappings, and which profiles are added.
    readings: HashMap<(Arc<str>, Vec<usize>), Arc<Reading>>,
}

impl Mappings {
    /// Takes these mappings in place of the ones before. What cannot be used is said and left out.
    pub fn replace(&mut self, generation: i64, stored: Stored) {
        let Stored { mappings, unreadable } = stored;
        for name in unreadable {
            tracing::warn!(mapping = name, "mapping is not used, since this program cannot read it; save it again");
        }
        let ready = |mapping: fandom_schemas::mappings::Mapping| {
            let name = mapping.name.clone();
            Profile::new(mapping)
                .inspect_err(|problems| tracing::warn!(mapping = name, ?problems, "mapping is not used; save it again"))
                .ok()
                .map(Arc::new)
        };
        self.profiles = mappings.into_iter().filter_map(ready).collect();
        self.generation = generation;
        self.readings.clear();
    }

    /// Says of each file by which mappings it is read. `default` is how files are read whose source says nothing else.
    pub fn apply(&mut self, source: &str, files: &mut [Seen], default: &Arc<Reading>) {
        if !self.profiles.iter().any(|profile| profile.mapping().source == source) {
            return;
        }
        for seen in files {
            let covers = |(_, profile): &(usize, &Arc<Profile>)| profile.mapping().covers(source, &seen.name);
            let covering: Vec<usize> = self.profiles.iter().enumerate().filter(covers).map(|(at, _)| at).collect();
            if covering.is_empty() {
                continue;
            }
            let base = seen.reading.as_ref().unwrap_or(default);
            let profiles = &self.profiles;
            let reading = self.readings.entry((Arc::clone(&base.key), covering)).or_insert_with_key(|(_, covering)| {
                let covering = covering.iter().map(|at| Arc::clone(&profiles[*at])).collect();
                Arc::new(base.with_mappings(in_order(covering)))
            });
            seen.reading = Some(Arc::clone(reading));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::seen;
    use super::*;
    use crate::workbook::{Limits, ReadOptions};

    #[test]
    fn a_change_concerns_the_files_of_its_folder_alone() {
        let mapping = |folder: &str, column: &str| {
            let json = format!(
                r#"{{"name": "t", "source": "i", "folder": "{folder}", "kind": "chatter_day",
                     "columns": {{"chatter": "who", "day": "d", "messages_sent": "{column}"}}}}"#
            );
            Stored { mappings: vec![serde_json::from_str(&json).expect("a mapping")], unreadable: Vec::new() }
        };
        let default = Arc::new(Reading::new(ReadOptions {
            zone: jiff::tz::TimeZone::UTC,
            zone_name: "UTC".into(),
            default_platform: "OF".into(),
            limits: Limits::default(),
            mappings: Default::default(),
        }));
        let keys = |stored: Stored| {
            let mut mappings = Mappings::default();
            mappings.replace(2, stored);
            let mut files = ["crm/a.csv", "b.csv"].map(|name| seen(name, 1));
            mappings.apply("i", &mut files, &default);
            files.map(|seen| seen.reading.map_or_else(|| default.key.to_string(), |reading| reading.key.to_string()))
        };
        let [none, crm, crm_changed, all] =
            [Stored::default(), mapping("crm", "n"), mapping("crm", "m"), mapping("", "n")].map(keys);
        assert_eq!((&none[0], &none[1]), (&none[1], &crm[1]), "outside of the folder nothing changes");
        assert!(crm[0] != none[0] && crm[0] != crm_changed[0] && crm_changed[1] == none[1]);
        assert!(all[0] == all[1] && all[1] != none[1]);
    }
}
