//! How each file of a source is read: as the source has it, changed by the settings of its folders, with the mappings that cover it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fandom_schemas::folders::FolderSettings;
use fandom_schemas::mappings::Stored;
use jiff::tz::TimeZone;

use crate::reading::Reading;
use crate::source::Seen;
use crate::workbook::mapping::{Profile, in_order};

/// The key of a reading, and places of the settings and of the profiles that change it.
type Changed = (Arc<str>, Vec<usize>, Vec<usize>);

/// What is stored of how files are read, ready to be used.
#[derive(Default)]
pub(super) struct Readings {
    /// See `app.mappings_generation`.
    pub generation: i64,
    profiles: Vec<Arc<Profile>>,
    folders: Vec<FolderSettings>,
    /// Readings by the key of the one that nothing stored has changed, which settings change it, and which profiles are added.
    known: HashMap<Changed, Arc<Reading>>,
}

impl Readings {
    /// Takes these mappings, and settings of the source's folders, in place of the ones before. What cannot be used is said and left out.
    pub fn replace(&mut self, generation: i64, stored: Stored, folders: Vec<FolderSettings>) {
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
        let usable = |settings: &FolderSettings| {
            let problems = settings.problems();
            if !problems.is_empty() {
                let FolderSettings { source, folder, .. } = settings;
                tracing::warn!(source, folder, ?problems, "settings of a folder are not used; save them again");
            }
            problems.is_empty()
        };
        self.folders = folders.into_iter().filter(usable).collect();
        self.generation = generation;
        self.known.clear();
    }

    /// How often to look for changes, by folder, where that is stored.
    pub fn intervals(&self) -> HashMap<String, Duration> {
        let interval = |settings: &FolderSettings| {
            let ms = u64::try_from(settings.interval_ms?).ok()?;
            Some((settings.folder.clone(), Duration::from_millis(ms)))
        };
        self.folders.iter().filter_map(interval).collect()
    }

    /// Says of each file how it is read. `default` is how files are read whose source says nothing else.
    pub fn apply(&mut self, source: &str, files: &mut [Seen], default: &Arc<Reading>) {
        let has_profiles = self.profiles.iter().any(|profile| profile.mapping().source == source);
        if !has_profiles && self.folders.is_empty() {
            return;
        }
        for seen in files {
            let covers = |(_, profile): &(usize, &Arc<Profile>)| profile.mapping().covers(source, &seen.name);
            let profiles: Vec<usize> = self.profiles.iter().enumerate().filter(covers).map(|(at, _)| at).collect();
            let closeness = |(at, settings): (usize, &FolderSettings)| {
                Some((settings.closeness(&seen.name, seen.drive_folder.as_deref())?, at))
            };
            let mut folders: Vec<(usize, usize)> = self.folders.iter().enumerate().filter_map(closeness).collect();
            if profiles.is_empty() && folders.is_empty() {
                continue;
            }
            folders.sort_unstable();
            let folders: Vec<usize> = folders.into_iter().map(|(_, at)| at).collect();
            let base = seen.reading.as_ref().unwrap_or(default);
            let (all_folders, all_profiles) = (&self.folders, &self.profiles);
            let key = (Arc::clone(&base.key), folders, profiles);
            let reading = self.known.entry(key).or_insert_with_key(|(_, folders, profiles)| {
                let in_folder =
                    folders.iter().fold(Reading::clone(base), |reading, at| changed(reading, &all_folders[*at]));
                let covering = profiles.iter().map(|at| Arc::clone(&all_profiles[*at])).collect();
                Arc::new(in_folder.with_mappings(in_order(covering)))
            });
            seen.reading = Some(Arc::clone(reading));
        }
    }
}

/// The reading with what the settings of a folder say.
fn changed(reading: Reading, settings: &FolderSettings) -> Reading {
    let mut options = reading.options;
    if let Some((name, zone)) = settings.zone.as_ref().and_then(|name| Some((name, TimeZone::get(name).ok()?))) {
        (options.zone_name, options.zone) = (name.clone(), zone);
    }
    if let Some(platform) = &settings.platform {
        options.default_platform.clone_from(platform);
    }
    Reading::new(options)
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::seen;
    use super::*;
    use crate::workbook::{Limits, ReadOptions};

    fn default() -> Arc<Reading> {
        Arc::new(Reading::new(ReadOptions {
            zone: TimeZone::UTC,
            zone_name: "UTC".into(),
            default_platform: "OF".into(),
            limits: Limits::default(),
            mappings: Default::default(),
        }))
    }

    #[test]
    fn a_change_concerns_the_files_of_its_folder_alone() {
        let mapping = |folder: &str, column: &str| {
            let json = format!(
                r#"{{"name": "t", "source": "i", "folder": "{folder}", "kind": "chatter_day",
                     "columns": {{"chatter": "who", "day": "d", "messages_sent": "{column}"}}}}"#
            );
            Stored { mappings: vec![serde_json::from_str(&json).expect("a mapping")], unreadable: Vec::new() }
        };
        let default = default();
        let keys = |stored: Stored| {
            let mut mappings = Readings::default();
            mappings.replace(2, stored, Vec::new());
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

    #[test]
    fn what_is_said_of_the_closest_folder_counts() {
        let settings = |json: &str| serde_json::from_str::<FolderSettings>(json).expect("settings");
        let stored = vec![
            settings(r#"{"source": "i", "folder": "a/b", "platform": "Fansly"}"#),
            settings(r#"{"source": "i", "folder": "", "zone": "Asia/Manila", "interval_ms": 500}"#),
            settings(r#"{"source": "i", "folder": "a", "zone": "Europe/Riga", "platform": "FT"}"#),
            settings(r#"{"source": "i", "folder": "1Drive_id", "platform": "Patreon"}"#),
            settings(r#"{"source": "i", "folder": "x", "zone": "Mars/Base"}"#),
        ];
        let mut readings = Readings::default();
        readings.replace(2, Stored::default(), stored);
        let mut files = ["a/b/1.csv", "a/2.csv", "3.csv", "x/4.csv"].map(|name| seen(name, 1));
        files[3].drive_folder = Some("1Drive_id".into());
        readings.apply("i", &mut files, &default());
        let read = files.map(|seen| {
            let options = &seen.reading.expect("a reading of its own").options;
            (options.zone_name.clone(), options.default_platform.clone())
        });
        let expected =
            [("Europe/Riga", "Fansly"), ("Europe/Riga", "FT"), ("Asia/Manila", "OF"), ("Asia/Manila", "Patreon")];
        assert_eq!(read, expected.map(|(zone, platform)| (zone.to_owned(), platform.to_owned())));
        assert_eq!(readings.intervals(), HashMap::from([(String::new(), Duration::from_millis(500))]));
    }
}
