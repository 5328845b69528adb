//! Texts encrypted at rest: AES-256-GCM (NIST SP 800-38D) under keys from the environment.
//!
//! A sealed text is its 96-bit random nonce, the ciphertext, and the 128-bit tag. What it belongs to is authenticated with it, so
//! that a text cannot be moved to another row. Which key sealed it stands beside it, as the key's id: the first 64 bits of a
//! SHA-256 over the key, which tell keys apart and nothing about them. With random nonces a key is good for 2^32 texts.

use std::fmt;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::symm::{Cipher, decrypt_aead, encrypt_aead};

use crate::env::Env;

/// The variable that holds the keys of message texts.
pub const ARCHIVE: &str = "FANDOM_ARCHIVE_KEY";
/// The variable that holds the keys of what only the API may read: keys that sign tokens, and secrets of second factors.
pub const SECRETS: &str = "FANDOM_SECRETS_KEY";

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The keys that texts are sealed with: the first seals, each of them opens what it sealed.
///
/// - `FANDOM_ARCHIVE_KEY`, `FANDOM_SECRETS_KEY`: 32 random bytes in base64; several separated by commas, the newest first.
#[derive(Clone)]
pub struct KeyRing {
    /// The variable that they are from.
    variable: &'static str,
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: String,
    bytes: [u8; KEY_BYTES],
}

/// A text that only the holder of a key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which key sealed it.
    pub key_id: String,
    /// Nonce, ciphertext and tag.
    pub bytes: Vec<u8>,
}

/// Why a sealed text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Its key is not here.
    #[error("it is sealed with the key {key_id}, which is not in {variable}; add that key to the list")]
    NoKey {
        /// The key's id.
        key_id: String,
        /// Where it is missing.
        variable: &'static str,
    },
    /// It was changed, or belongs to something else.
    #[error("it was damaged, or belongs to another row")]
    Damaged,
}

/// Why the file of a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or made.
    #[error("the key file {path} could not be read or made: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("the key file {path} {reason}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Shows the keys' ids, never the keys.
impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

impl KeyRing {
    /// The keys that a variable of the environment holds, if any; notes problems in `env`.
    pub fn from_env(env: &mut Env, variable: &'static str) -> Option<KeyRing> {
        match KeyRing::parse(variable, &env.text(variable)?) {
            Ok(keys) => Some(keys),
            Err(reason) => {
                env.problem(variable, reason);
                None
            }
        }
    }

    /// Reads a list of keys, as `variable` has it. The error never repeats what was given.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(variable: &'static str, text: &str) -> Result<KeyRing, String> {
        let mut keys: Vec<Key> = Vec::new();
        for (place, part) in text.split(',').map(str::trim).enumerate() {
            let bytes = STANDARD.decode(part).ok().and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes).ok());
            let Some(bytes) = bytes else {
                return Err(format!(
                    "has a key (number {}) that is not 32 bytes in base64; `openssl rand -base64 32` makes one",
                    place + 1
                ));
            };
            let key = Key { id: key_id(&bytes), bytes };
            if keys.iter().any(|known| known.id == key.id) {
                return Err(format!("has the key number {} twice", place + 1));
            }
            keys.push(key);
        }
        Ok(KeyRing { variable, keys })
    }

    /// The keys of a file, in the form of `variable`. A file that is not there is made with a new key, for its owner alone.
    ///
    /// # Errors
    /// When it cannot be read or made, or holds something else.
    pub fn of_file(variable: &'static str, path: &Path) -> Result<(KeyRing, String), KeyFileError> {
        let shown = || path.display().to_string();
        let io = |source| KeyFileError::Io { path: shown(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_file(path).map_err(io)?,
            Err(error) => return Err(io(error)),
        };
        let text = text.trim().to_owned();
        let keys = KeyRing::parse(variable, &text).map_err(|reason| KeyFileError::Content { path: shown(), reason })?;
        Ok((keys, text))
    }

    /// The id of the key that seals.
    pub fn newest(&self) -> &str {
        &self.keys[0].id
    }

    /// The ids of all keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    /// Seals a text that belongs to `owner`.
    pub fn seal(&self, owner: &[u8], text: &[u8]) -> Sealed {
        let key = &self.keys[0];
        let mut bytes = vec![0; NONCE_BYTES];
        openssl::rand::rand_bytes(&mut bytes).expect("the system gives random bytes");
        let mut tag = [0; TAG_BYTES];
        let cipher = Cipher::aes_256_gcm();
        let sealed = encrypt_aead(cipher, &key.bytes, Some(&bytes), owner, text, &mut tag);
        bytes.extend(sealed.expect("OpenSSL has AES-256-GCM, and the key has its length"));
        bytes.extend(tag);
        Sealed { key_id: key.id.clone(), bytes }
    }

    /// Opens a text that was sealed for the same `owner`.
    ///
    /// # Errors
    /// When the key is missing, or the text is not as it was sealed.
    pub fn open(&self, owner: &[u8], key_id: &str, sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        let missing = || OpenError::NoKey { key_id: key_id.to_owned(), variable: self.variable };
        let key = self.keys.iter().find(|key| key.id == key_id).ok_or_else(missing)?;
        let (nonce, rest) = sealed.split_at_checked(NONCE_BYTES).ok_or(OpenError::Damaged)?;
        let tag_at = rest.len().checked_sub(TAG_BYTES).ok_or(OpenError::Damaged)?;
        let (text, tag) = rest.split_at(tag_at);
        let opened = decrypt_aead(Cipher::aes_256_gcm(), &key.bytes, Some(nonce), owner, text, tag);
        opened.map_err(|_| OpenError::Damaged)
    }
}

fn key_id(key: &[u8; KEY_BYTES]) -> String {
    let mut hasher = openssl::sha::Sha256::new();
    hasher.update(b"fandom archive key 1\0");
    hasher.update(key);
    hasher.finish()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the file of a new key. Of two that do so at once, both get the same key.
fn make_file(path: &Path) -> io::Result<String> {
    let mut key = [0; KEY_BYTES];
    openssl::rand::rand_bytes(&mut key).map_err(io::Error::other)?;
    let text = STANDARD.encode(key);
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut file| {
            writeln!(file, "{text}")?;
            file.sync_all()
        });
    // A link fails where the file is there, so that a key is never replaced.
    let linked = written.and_then(|()| std::fs::hard_link(&fresh, path));
    let _ = std::fs::remove_file(&fresh);
    match linked {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => std::fs::read_to_string(path),
        Err(error) => Err(error),
    }
}

/// The form in which `fandom.texts` rows are authenticated: what a sealed text belongs to.
pub fn owner_of_text(file_id: i64, version: i64, ordinal: i64) -> [u8; 32] {
    let mut owner = *b"fandom\x01\0________________________";
    for (place, part) in [file_id, version, ordinal].into_iter().enumerate() {
        owner[8 + place * 8..][..8].copy_from_slice(&part.to_be_bytes());
    }
    owner
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(ARCHIVE, text).expect("keys")
    }

    #[test]
    fn a_sealed_text_is_read_with_its_key_alone() {
        let owner = owner_of_text(-5, 3, 0);
        let sealed = ring(OLD).seal(&owner, "hi ❤".as_bytes());
        assert!(!sealed.bytes.windows(2).any(|window| window == b"hi"));
        let both = ring(&format!("{NEW}, {OLD}"));
        assert_eq!(both.open(&owner, &sealed.key_id, &sealed.bytes).expect("its key"), "hi ❤".as_bytes());
        let error = ring(NEW).open(&owner, &sealed.key_id, &sealed.bytes).expect_err("another key");
        assert_eq!(error, OpenError::NoKey { key_id: sealed.key_id.clone(), variable: ARCHIVE });
        assert!(error.to_string().contains("not in FANDOM_ARCHIVE_KEY"));
        assert_eq!(both.newest(), ring(NEW).newest());
        assert_ne!(both.seal(&owner, b"x").bytes, both.seal(&owner, b"x").bytes, "each has its nonce");
    }

    #[test]
    fn a_text_that_was_changed_or_moved_is_not_read() {
        let (keys, owner) = (ring(OLD), owner_of_text(1, 2, 3));
        let sealed = keys.seal(&owner, b"private");
        for place in 0..sealed.bytes.len() {
            let mut bytes = sealed.bytes.clone();
            bytes[place] ^= 1;
            assert_eq!(keys.open(&owner, &sealed.key_id, &bytes), Err(OpenError::Damaged), "byte {place}");
        }
        for other in [owner_of_text(2, 2, 3), owner_of_text(1, 3, 3), owner_of_text(1, 2, 4)] {
            assert_eq!(keys.open(&other, &sealed.key_id, &sealed.bytes), Err(OpenError::Damaged));
        }
        for short in [0, 11, 12, 27] {
            assert_eq!(keys.open(&owner, &sealed.key_id, &sealed.bytes[..short]), Err(OpenError::Damaged));
        }
    }

    /// Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), which NIST's standard is made from.
    #[test]
    fn the_cipher_is_that_of_the_standard() {
        let bytes = |hex: &str| -> Vec<u8> {
            let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
            (0..hex.len()).step_by(2).map(digit).collect()
        };
        let key: [u8; KEY_BYTES] =
            bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").try_into().expect("32 bytes");
        let keys = KeyRing { variable: ARCHIVE, keys: vec![Key { id: "k".into(), bytes: key }] };
        let sealed = bytes(
            "cafebabefacedbaddecaf888\
             522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b",
        );
        let text = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let owner = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        assert_eq!(keys.open(&owner, "k", &sealed), Ok(text));
    }

    #[test]
    fn a_list_that_is_no_list_of_keys_is_refused_without_being_repeated() {
        let short = &OLD[..40];
        for (text, number) in [("", "1"), (short, "1"), (&*format!("{OLD},x"), "2"), (&*format!("{OLD},{OLD}"), "2")] {
            let reason = KeyRing::parse(ARCHIVE, text).expect_err("no list of keys");
            assert!(reason.contains(&format!("number {number}")), "{reason}");
            assert!(text.is_empty() || !reason.contains(short), "{reason}");
        }
        assert!(!format!("{:?}", ring(OLD)).contains(&OLD[..10]));
    }

    #[test]
    fn a_key_file_is_made_once_and_read_by_its_owner_alone() {
        let dir = std::env::temp_dir().join(format!("fandom-key-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("archive.key");
        let (made, text) = KeyRing::of_file(ARCHIVE, &path).expect("a new key");
        let (read, again) = KeyRing::of_file(ARCHIVE, &path).expect("the same key");
        assert_eq!((made.newest(), text), (read.newest(), again));
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "nonsense").expect("it can be written");
        assert!(matches!(KeyRing::of_file(ARCHIVE, &path), Err(KeyFileError::Content { .. })));
        std::fs::remove_dir_all(&dir).expect("it can be removed");
    }
}
