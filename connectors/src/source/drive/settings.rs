//! What the Drive source is told by the environment.

use std::path::PathBuf;
use std::time::Duration;

use fandom_services::env::Env;
use jiff::tz::TimeZone;

use super::credentials::Credentials;

/// Which folders of Google Drive are read, and how.
///
/// - `FANDOM_DRIVE_FOLDERS`: ids or addresses of folders, separated by commas; each with settings of its own behind semicolons:
///   `ID;zone=Europe/Riga;platform=Fansly;interval_ms=5000`. Without it Drive is not read.
/// - `FANDOM_DRIVE_CREDENTIALS`: the key file of the service account that the folders are shared with.
/// - `FANDOM_DRIVE_SUBJECT`: the user on whose behalf the account reads, where domain-wide delegation allows it (none).
/// - `FANDOM_DRIVE_SOURCE`: the source's name, the first part of the id of each of its files (`drive`).
/// - `FANDOM_DRIVE_POLL_MS`: how often changes are asked for, in milliseconds (10000); a wait is up to a quarter shorter.
/// - `FANDOM_DRIVE_RECONCILE_SECONDS`: how often everything is listed, whatever the changes say, in seconds (3600).
/// - `FANDOM_DRIVE_BACKOFF_MS`: the first wait after a fault, in milliseconds; the next ones double up to a minute, between looks at a folder up to five (1000).
/// - `FANDOM_DRIVE_TIMEOUT_SECONDS`: how long Drive may be silent in the middle of an answer, in seconds (60).
/// - `FANDOM_DRIVE_DOWNLOADS`: a directory for downloads, each of which is deleted when it was read (that of the system).
/// - `FANDOM_DRIVE_URL`: where the Drive API is (`https://www.googleapis.com`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveSettings {
    /// The folders, each once.
    pub folders: Vec<DriveFolder>,
    /// Who reads them.
    pub credentials: Credentials,
    /// The source's name.
    pub source: String,
    /// Time between two full listings.
    pub reconcile: Duration,
    /// The first wait after a fault.
    pub backoff: Duration,
    /// How long an answer, or the next piece of it, is waited for.
    pub patience: Duration,
    /// Where downloads are laid.
    pub downloads: PathBuf,
    /// Where the API is.
    pub url: String,
}

/// A folder of Google Drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveFolder {
    /// Its id in Drive.
    pub id: String,
    /// Zone of naive times where a sheet names none, with its IANA name; none: the connectors'.
    pub zone: Option<(String, TimeZone)>,
    /// Platform of a creator whose name gives none; none: the connectors'.
    pub platform: Option<String>,
    /// Time between two questions for changes.
    pub interval: Duration,
}

impl DriveSettings {
    /// Reads the settings; notes problems in `env`. `None` where no folder is named.
    pub fn from_env(env: &mut Env) -> Option<DriveSettings> {
        let millis =
            |text: &str| text.parse().ok().filter(|ms| (10..=86_400_000).contains(ms)).map(Duration::from_millis);
        let seconds = |text: &str| text.parse().ok().filter(|s| (1..=31_536_000).contains(s)).map(Duration::from_secs);
        const MILLIS: &str = "a number of milliseconds from 10 to 86400000";
        const SECONDS: &str = "a number of seconds from 1 to 31536000";
        let poll = env.checked("FANDOM_DRIVE_POLL_MS", Duration::from_secs(10), MILLIS, millis);
        let reconcile = env.checked("FANDOM_DRIVE_RECONCILE_SECONDS", Duration::from_secs(3600), SECONDS, seconds);
        let backoff = env.checked("FANDOM_DRIVE_BACKOFF_MS", Duration::from_secs(1), MILLIS, millis);
        let patience = env.checked("FANDOM_DRIVE_TIMEOUT_SECONDS", Duration::from_secs(60), SECONDS, seconds);
        let source = env.checked("FANDOM_DRIVE_SOURCE", "drive".to_owned(), super::super::NAME_FORM, |text| {
            super::super::is_name(text).then(|| text.to_owned())
        });
        let url = env.checked(
            "FANDOM_DRIVE_URL",
            "https://www.googleapis.com".to_owned(),
            "an address that begins with https:// or http://",
            |text| (text.starts_with("https://") || text.starts_with("http://")).then(|| text.to_owned()),
        );
        let folders = folders(env, poll);
        let credentials = credentials(env, folders.is_some());
        let (folders, credentials) = (folders?, credentials?);
        let downloads = env.text("FANDOM_DRIVE_DOWNLOADS").map_or_else(std::env::temp_dir, PathBuf::from);
        if !downloads.is_dir() {
            env.problem("FANDOM_DRIVE_DOWNLOADS", format!("`{}` is no directory; make it", downloads.display()));
        }
        Some(DriveSettings { folders, credentials, source, reconcile, backoff, patience, downloads, url })
    }
}

/// The folders, if any are named.
fn folders(env: &mut Env, poll: Duration) -> Option<Vec<DriveFolder>> {
    let list = env.text("FANDOM_DRIVE_FOLDERS")?;
    let mut folders: Vec<DriveFolder> = Vec::new();
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        match folder(text, poll) {
            Ok(folder) if folders.iter().any(|other| other.id == folder.id) => {
                env.problem("FANDOM_DRIVE_FOLDERS", format!("names the folder {} twice", folder.id));
            }
            Ok(folder) => folders.push(folder),
            Err(reason) => env.problem("FANDOM_DRIVE_FOLDERS", reason),
        }
    }
    Some(folders)
}

fn folder(text: &str, poll: Duration) -> Result<DriveFolder, String> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    // https://drive.google.com/drive/folders/ID?usp=sharing, or /drive/u/0/folders/ID
    let id = name.split_once("/folders/").map_or(name, |(_, id)| id).split(['?', '#', '/']).next().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.is_empty() || !id.chars().all(plain) {
        return Err(format!("`{name}` is neither the id nor the address of a folder of Google Drive"));
    }
    let mut folder = DriveFolder { id: id.to_owned(), zone: None, platform: None, interval: poll };
    for part in parts.filter(|part| !part.is_empty()) {
        let (setting, value) =
            part.split_once('=').map_or((part, ""), |(setting, value)| (setting.trim(), value.trim()));
        match setting {
            "zone" => match TimeZone::get(value) {
                Ok(zone) => folder.zone = Some((value.to_owned(), zone)),
                Err(_) => return Err(format!("zone `{value}` of the folder {id} is no IANA zone such as Europe/Riga")),
            },
            "platform" if !value.is_empty() => folder.platform = Some(value.to_owned()),
            "interval_ms" => match value.parse() {
                Ok(ms @ 10..=86_400_000) => folder.interval = Duration::from_millis(ms),
                _ => return Err(format!("interval_ms `{value}` of the folder {id} is no number from 10 to 86400000")),
            },
            _ => return Err(format!("`{part}` of the folder {id} is not zone=…, platform=… or interval_ms=…")),
        }
    }
    Ok(folder)
}

fn credentials(env: &mut Env, needed: bool) -> Option<Credentials> {
    let subject = env.text("FANDOM_DRIVE_SUBJECT").map(|text| text.trim().to_owned());
    let Some(path) = env.text("FANDOM_DRIVE_CREDENTIALS").filter(|_| needed) else {
        if needed {
            let message = "is not set; name the key file of the service account that the folders are shared with";
            env.problem("FANDOM_DRIVE_CREDENTIALS", message);
        }
        return None;
    };
    let parsed = std::fs::read_to_string(&path)
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|text| Credentials::parse(&text, subject));
    parsed.map_err(|reason| env.problem("FANDOM_DRIVE_CREDENTIALS", format!("`{path}` {reason}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_by_id_or_address_with_its_own_settings() {
        let poll = Duration::from_secs(10);
        let plain = folder("1aB-_9", poll).expect("an id");
        assert_eq!((plain.id.as_str(), plain.interval, plain.platform), ("1aB-_9", poll, None));
        let own = folder(
            "https://drive.google.com/drive/u/0/folders/1aB?usp=sharing; zone=Asia/Manila;platform=Fansly ;interval_ms=500",
            poll,
        )
        .expect("an address");
        assert_eq!(
            (own.id.as_str(), own.interval, own.platform.as_deref()),
            ("1aB", Duration::from_millis(500), Some("Fansly"))
        );
        assert_eq!(own.zone.map(|(name, _)| name).as_deref(), Some("Asia/Manila"));
        for wrong in ["", "a b", "id;zone=Mars/Base", "id;interval_ms=0", "id;color=red", "id;platform="] {
            assert!(folder(wrong, poll).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let pairs = [
            ("FANDOM_DRIVE_FOLDERS", "id;color=red, id2;zone=x, id3, id3"),
            ("FANDOM_DRIVE_CREDENTIALS", "/no/such/file"),
            ("FANDOM_DRIVE_POLL_MS", "soon"),
            ("FANDOM_DRIVE_URL", "googleapis.com"),
        ];
        let mut env = Env::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
        let settings = DriveSettings::from_env(&mut env);
        let problems = env.finish(settings).expect_err("six problems").to_string();
        assert!(problems.starts_with("6 settings"), "{problems}");
        let mut env = Env::from_pairs(Vec::new());
        assert_eq!(DriveSettings::from_env(&mut env), None, "Drive is not read unless a folder is named");
    }
}
