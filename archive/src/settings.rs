//! What the archive is told by the environment.

use fandom_services::env::Env;
use fandom_services::sealing::{ARCHIVE, KeyRing};

/// How the archive works.
///
/// - `FANDOM_ARCHIVE_KEY`: the keys that texts are sealed with, see [`KeyRing`]. Required: without one the archive does not start.
///   In development (`FANDOM_ENV`) `fandom up` makes one.
#[derive(Clone, Debug)]
pub struct ArchiveSettings {
    /// The keys, if any are given.
    keys: Option<KeyRing>,
}

impl ArchiveSettings {
    /// Reads the settings; notes problems in `env`, one of which is that there is no key.
    pub fn from_env(env: &mut Env) -> ArchiveSettings {
        if env.text(ARCHIVE).is_none() {
            env.problem(
                ARCHIVE,
                "is not set, and message texts are not kept without a key; `openssl rand -base64 32` makes one",
            );
        }
        ArchiveSettings { keys: KeyRing::from_env(env, ARCHIVE) }
    }

    /// The keys.
    ///
    /// # Panics
    /// When the settings were read with a problem, which is reported before anything starts.
    pub fn keys(&self) -> &KeyRing {
        self.keys.as_ref().expect("settings without a key are refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_key_it_is_refused() {
        let read = |pairs: &[(&str, &str)]| {
            let mut env = Env::from_pairs(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect());
            let settings = ArchiveSettings::from_env(&mut env);
            env.finish(settings).map_err(|problems| problems.to_string())
        };
        let reason = read(&[]).expect_err("no key");
        assert!(reason.contains("FANDOM_ARCHIVE_KEY: is not set"), "{reason}");
        assert!(read(&[("FANDOM_ARCHIVE_KEY", "c2hvcnQ=")]).expect_err("a short key").contains("32 bytes"));
        let settings = read(&[("FANDOM_ARCHIVE_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]).expect("a key");
        assert_eq!(settings.keys().ids().count(), 1);
    }
}
