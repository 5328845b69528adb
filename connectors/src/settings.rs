//! What the connectors are told by the environment.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use fandom_schemas::mappings::UPLOADS;
use fandom_services::env::Env;
use jiff::tz::TimeZone;

use crate::isolation::Isolation;
use crate::source::drive::DriveSettings;
use crate::source::{NAME_FORM, is_name};
use crate::workbook::Limits;

/// Where files come from, and how their rows are read.
///
/// - `FANDOM_INBOX`: the folder that is watched, with everything below it (`inbox`; none where only Drive is read).
/// - `FANDOM_UPLOADS_DIR`: the folder into which the API puts what is uploaded, with everything below it (none). Its source is called
///   `uploads`.
/// - `FANDOM_INBOX_MOVED`: `yes` for one start after which the folder may be another one than before; else files that it does not
///   hold are not taken back as long as it holds none (`no`).
/// - `FANDOM_SOURCE`: the source's name, the first part of the id of each of its files (`inbox`). A source with another name is
///   another source: its files are other files.
/// - `FANDOM_SOURCE_TZ`: the IANA zone of dates and times in sheets whose header names none (that of `FANDOM_REPORTING_TZ`).
/// - `FANDOM_REPORTING_TZ`: the IANA zone in which days are cut (`UTC`).
/// - `FANDOM_DEFAULT_PLATFORM`: the platform of a creator whose name gives none (`OF`).
/// - `FANDOM_POLL_MS`: how often the folder is looked through, in milliseconds, whatever its file system announces (1000).
/// - `FANDOM_SETTLE_MS`: for how long, in milliseconds, size and time of a file must not change before it is read (200).
/// - `FANDOM_FILES_AT_ONCE`: how many files are read and published at the same time (2).
/// - `FANDOM_MAX_FILE_BYTES`, `FANDOM_MAX_INFLATED_BYTES`, `FANDOM_MAX_SHARED_STRING_BYTES`, `FANDOM_MAX_SHARED_STRINGS`,
///   `FANDOM_MAX_ZIP_ENTRIES`, `FANDOM_MAX_INFLATION_RATIO`, `FANDOM_MAX_CELLS`, `FANDOM_MAX_SHEETS`, `FANDOM_MAX_COLUMNS`,
///   `FANDOM_MAX_TEXT_BYTES`, `FANDOM_MAX_STRING_CHARS`, `FANDOM_MAX_ROW_BYTES`, `FANDOM_MAX_XLS_BYTES`, `FANDOM_MAX_READ_SECONDS`: what a file may cost
///   at most, see [`Limits`]. Where one of them, the zone or the platform is changed, every file is read again at the next
///   start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// The folder that is watched, if one is.
    pub inbox: Option<PathBuf>,
    /// The folder of what is uploaded through the API, if one is.
    pub uploads: Option<PathBuf>,
    /// Whether it may be another folder than before.
    pub inbox_moved: bool,
    /// The source's name.
    pub source: String,
    /// Zone of naive times where a sheet names none (IANA).
    pub source_tz: String,
    /// Platform of a creator whose name gives none.
    pub default_platform: String,
    /// Time between two looks at the folder.
    pub poll: Duration,
    /// How long a file must stay as it is before it is read.
    pub settle: Duration,
    /// Files published at the same time.
    pub files_at_once: usize,
    /// What a file may cost at most.
    pub limits: Limits,
    /// The folders of Google Drive, if any are read.
    pub drive: Option<DriveSettings>,
    /// Whether each file is read in a process of its own. The environment says nothing of it.
    pub isolation: Isolation,
}

impl ConnectorSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> ConnectorSettings {
        let zone = |text: &str| TimeZone::get(text).is_ok().then(|| text.to_owned());
        let millis = |least: u64| {
            move |text: &str| text.parse().ok().filter(|ms| (least..=3_600_000).contains(ms)).map(Duration::from_millis)
        };
        let reporting_tz =
            env.checked("FANDOM_REPORTING_TZ", "UTC".to_owned(), "an IANA zone such as Europe/Riga", zone);
        let source =
            env.checked("FANDOM_SOURCE", "inbox".to_owned(), NAME_FORM, |text| is_name(text).then(|| text.to_owned()));
        let drive = DriveSettings::from_env(env);
        if drive.as_ref().is_some_and(|drive| drive.source == source) {
            env.problem(
                "FANDOM_DRIVE_SOURCE",
                format!("`{source}` is the name of the folder's source too; give it another"),
            );
        }
        let inbox = env.text("FANDOM_INBOX").map(PathBuf::from);
        let uploads = env.text("FANDOM_UPLOADS_DIR").map(PathBuf::from);
        if let Some(uploads) = &uploads {
            let named =
                [("FANDOM_SOURCE", Some(&source)), ("FANDOM_DRIVE_SOURCE", drive.as_ref().map(|drive| &drive.source))];
            for (variable, _) in named.into_iter().filter(|(_, name)| name.is_some_and(|name| name == UPLOADS)) {
                env.problem(variable, format!("`{UPLOADS}` is the name of the source of uploads; give it another"));
            }
            let within = |inner: &Path, outer: &Path| {
                std::path::absolute(inner)
                    .ok()
                    .zip(std::path::absolute(outer).ok())
                    .is_some_and(|(i, o)| i.starts_with(o))
            };
            if inbox.as_ref().is_some_and(|inbox| within(uploads, inbox) || within(inbox, uploads)) {
                env.problem("FANDOM_UPLOADS_DIR", "is in the inbox, or the inbox in it; name a folder beside it");
            }
        }
        ConnectorSettings {
            // Whoever names only folders of Drive has no other.
            inbox: inbox.or_else(|| drive.is_none().then(|| "inbox".into())),
            uploads,
            inbox_moved: env.checked("FANDOM_INBOX_MOVED", false, "yes or no", |text| match text {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            }),
            source,
            source_tz: env.checked("FANDOM_SOURCE_TZ", reporting_tz, "an IANA zone such as Europe/Riga", zone),
            default_platform: env
                .text("FANDOM_DEFAULT_PLATFORM")
                .map_or_else(|| "OF".to_owned(), |text| text.trim().to_owned()),
            poll: env.checked(
                "FANDOM_POLL_MS",
                Duration::from_millis(1000),
                "a number of milliseconds from 10 to 3600000",
                millis(10),
            ),
            settle: env.checked(
                "FANDOM_SETTLE_MS",
                Duration::from_millis(200),
                "a number of milliseconds up to 3600000",
                millis(0),
            ),
            files_at_once: env.checked("FANDOM_FILES_AT_ONCE", 2, "a number from 1 to 64", |text| {
                text.parse().ok().filter(|count| (1..=64).contains(count))
            }),
            limits: limits(env),
            drive,
            isolation: Isolation::default(),
        }
    }
}

fn limits(env: &mut Env) -> Limits {
    fn limit<T: FromStr + Default + PartialOrd>(env: &mut Env, name: &str, default: T) -> T {
        let positive = |text: &str| text.parse().ok().filter(|most| *most > T::default());
        env.checked(&format!("FANDOM_MAX_{name}"), default, "a number greater than 0", positive)
    }
    let Limits {
        max_file_bytes,
        max_inflated_bytes,
        max_shared_string_bytes,
        max_shared_strings,
        max_zip_entries,
        max_inflation_ratio,
        max_cells,
        max_sheets,
        max_columns,
        max_text_bytes,
        max_string_chars,
        max_row_bytes,
        max_xls_bytes,
        max_read_seconds,
    } = Limits::default();
    Limits {
        max_file_bytes: limit(env, "FILE_BYTES", max_file_bytes),
        max_inflated_bytes: limit(env, "INFLATED_BYTES", max_inflated_bytes),
        max_shared_string_bytes: limit(env, "SHARED_STRING_BYTES", max_shared_string_bytes),
        max_shared_strings: limit(env, "SHARED_STRINGS", max_shared_strings),
        max_zip_entries: limit(env, "ZIP_ENTRIES", max_zip_entries),
        max_inflation_ratio: limit(env, "INFLATION_RATIO", max_inflation_ratio),
        max_cells: limit(env, "CELLS", max_cells),
        max_sheets: limit(env, "SHEETS", max_sheets),
        max_columns: limit(env, "COLUMNS", max_columns),
        max_text_bytes: limit(env, "TEXT_BYTES", max_text_bytes),
        max_string_chars: limit(env, "STRING_CHARS", max_string_chars),
        max_row_bytes: limit(env, "ROW_BYTES", max_row_bytes),
        max_xls_bytes: limit(env, "XLS_BYTES", max_xls_bytes),
        max_read_seconds: limit(env, "READ_SECONDS", max_read_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ConnectorSettings, String> {
        let mut env = Env::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        let settings = ConnectorSettings::from_env(&mut env);
        env.finish(settings).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_source_is_in_the_reporting_zone_unless_it_has_its_own() {
        let settings = read(&[("FANDOM_REPORTING_TZ", "Europe/Belgrade")]).expect("a zone");
        assert_eq!(settings.source_tz, "Europe/Belgrade");
        let settings = read(&[("FANDOM_REPORTING_TZ", "Europe/Belgrade"), ("FANDOM_SOURCE_TZ", "Asia/Manila")]);
        assert_eq!(settings.expect("two zones").source_tz, "Asia/Manila");
    }

    #[test]
    fn a_limit_is_set_by_its_name() {
        let settings = read(&[("FANDOM_MAX_CELLS", "7")]).expect("a number");
        assert_eq!(settings.limits, Limits { max_cells: 7, ..Limits::default() });
        assert!(read(&[("FANDOM_MAX_SHEETS", "0")]).is_err());
    }

    #[test]
    fn uploads_lie_beside_the_inbox() {
        let folders = |uploads| read(&[("FANDOM_INBOX", "/data/inbox"), ("FANDOM_UPLOADS_DIR", uploads)]);
        assert_eq!(folders("/data/uploads").expect("two folders").uploads, Some("/data/uploads".into()));
        for uploads in ["/data/inbox", "/data/inbox/up", "/data"] {
            assert!(folders(uploads).expect_err(uploads).contains("FANDOM_UPLOADS_DIR"));
        }
        let same = read(&[("FANDOM_SOURCE", "uploads"), ("FANDOM_UPLOADS_DIR", "up")]);
        assert!(same.expect_err("one name for two").contains("FANDOM_SOURCE"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let problems = read(&[
            ("FANDOM_SOURCE", "a:b"),
            ("FANDOM_SOURCE_TZ", "Mars/Base"),
            ("FANDOM_POLL_MS", "0"),
            ("FANDOM_FILES_AT_ONCE", "many"),
        ])
        .expect_err("four problems");
        for variable in ["FANDOM_SOURCE:", "FANDOM_SOURCE_TZ", "FANDOM_POLL_MS", "FANDOM_FILES_AT_ONCE"] {
            assert!(problems.contains(variable), "{problems}");
        }
    }
}
