//! How the files of a source, or of a folder in it, are read and how often it is looked at, where administrators have said
//! so while the suite runs. Stored in `app.folder_settings`, exchanged as JSON.
//!
//! ```json
//! {"source": "inbox", "folder": "riga", "zone": "Europe/Riga", "platform": "Fansly"}
//! ```
//!
//! What is not said here is as the environment has it. Of several that cover a file, the one that names more of its path counts,
//! setting by setting.

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, GenericClient};

/// What holds for a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderSettings {
    /// The source.
    pub source: String,
    /// The folder and everything below it: a path in the source, or the id of a folder of Google Drive that is read; empty for the whole source.
    #[serde(default)]
    pub folder: String,
    /// The IANA zone of dates and times without one.
    #[serde(default)]
    pub zone: Option<String>,
    /// The platform of creators whose names say none.
    #[serde(default)]
    pub platform: Option<String>,
    /// Milliseconds between two looks for changes; of a whole source, or of a folder of Google Drive that is read.
    #[serde(default)]
    pub interval_ms: Option<i32>,
}

/// The least and the most of [`FolderSettings::interval_ms`].
pub const INTERVALS_MS: std::ops::RangeInclusive<i32> = 10..=86_400_000;

/// The most bytes of a path.
const LONGEST_PATH: usize = 500;

impl FolderSettings {
    /// How much they say of a file of that path, found through the folder of Drive with that id: more the greater the number, and none where they
    /// do not hold for it.
    pub fn closeness(&self, path: &str, drive_folder: Option<&str>) -> Option<usize> {
        if self.folder.is_empty() {
            Some(0)
        } else if path.strip_prefix(&self.folder).is_some_and(|rest| rest.starts_with('/')) {
            Some(1 + self.folder.len())
        } else {
            (drive_folder == Some(self.folder.as_str())).then_some(1)
        }
    }

    /// Everything for which they cannot be used, as `field: what is wrong`.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_source(&self.source) {
            problems.push("source: give the name of a source, such as uploads or inbox".to_owned());
        }
        if !is_folder(&self.folder) {
            problems.push("folder: give a path such as crm/2026, or nothing for the whole source".to_owned());
        }
        if self.zone.as_ref().is_some_and(|zone| TimeZone::get(zone).is_err()) {
            problems.push("zone: give an IANA zone such as Europe/Riga".to_owned());
        }
        let plain = |platform: &String| {
            let length = platform.chars().count();
            platform.trim() == platform && (1..=50).contains(&length) && !platform.chars().any(char::is_control)
        };
        if !self.platform.as_ref().is_none_or(plain) {
            problems.push("platform: give 1 to 50 characters without spaces around, such as OF".to_owned());
        }
        if self.interval_ms.is_some_and(|ms| !INTERVALS_MS.contains(&ms)) {
            let (least, most) = (INTERVALS_MS.start(), INTERVALS_MS.end());
            problems.push(format!("interval_ms: give a number of milliseconds from {least} to {most}"));
        }
        if self.interval_ms.is_some() && self.folder.contains('/') {
            problems
                .push("interval_ms: only a whole source or a folder of Google Drive is looked at by itself".to_owned());
        }
        if self.zone.is_none() && self.platform.is_none() && self.interval_ms.is_none() {
            problems.push("zone: give at least one of zone, platform and interval_ms".to_owned());
        }
        problems
    }
}

/// Whether a text can be the name of a source.
pub(crate) fn is_source(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= LONGEST_PATH && text.chars().all(plain)
}

/// Whether a text can be a folder of a source; the empty one is the whole source.
pub(crate) fn is_folder(text: &str) -> bool {
    let is_no_name = |part: &str| part.is_empty() || matches!(part, "." | "..");
    text.is_empty()
        || (text.len() <= LONGEST_PATH && !text.split('/').any(is_no_name) && !text.chars().any(char::is_control))
}

/// Those of a source.
///
/// # Errors
/// When the database does not answer as it should.
pub async fn of_source(client: &(impl GenericClient + Sync), source: &str) -> Result<Vec<FolderSettings>, Error> {
    let sql =
        "select source, folder, zone, platform, interval_ms from app.folder_settings where source = $1 order by folder";
    let rows = client.query(sql, &[&source]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(FolderSettings {
            source: row.try_get(0)?,
            folder: row.try_get(1)?,
            zone: row.try_get(2)?,
            platform: row.try_get(3)?,
            interval_ms: row.try_get(4)?,
        })
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(json: &str) -> FolderSettings {
        serde_json::from_str(json).expect("settings of a folder")
    }

    #[test]
    fn they_hold_for_their_folder_alone() {
        let riga = settings(r#"{"source": "inbox", "folder": "riga", "zone": "Europe/Riga"}"#);
        assert_eq!(riga.problems(), Vec::<String>::new());
        for path in ["riga/a.xlsx", "riga/x/a.xlsx"] {
            assert_eq!(riga.closeness(path, None), Some(5), "{path}");
        }
        for path in ["riga2/a.xlsx", "riga", "a.xlsx"] {
            assert_eq!(riga.closeness(path, Some("1Fo")), None, "{path}");
        }
        assert_eq!(riga.closeness("a.xlsx", Some("riga")), Some(1), "the folder of Drive with that id");
        let whole = FolderSettings { folder: String::new(), ..riga };
        assert_eq!(whole.closeness("a.xlsx", Some("1Fo")), Some(0));
    }

    #[test]
    fn every_problem_is_named() {
        let wrong = settings(
            r#"{"source": "a:b", "folder": "../x", "zone": "Mars/Base", "platform": " OF", "interval_ms": 3}"#,
        );
        let problems = wrong.problems();
        let named: Vec<&str> = problems.iter().filter_map(|problem| Some(problem.split_once(": ")?.0)).collect();
        assert_eq!(named, ["source", "folder", "zone", "platform", "interval_ms", "interval_ms"]);
        assert!(settings(r#"{"source": "inbox"}"#).problems()[0].contains("at least one"));
        assert!(serde_json::from_str::<FolderSettings>(r#"{"source": "inbox", "zon": "UTC"}"#).is_err());
    }
}
