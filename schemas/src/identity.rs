//! When two names mean the same creator, chatter or fan.
//!
//! Names are compared after Unicode NFKC, trimming, case folding and folding of inner white space. The folded name is
//! hashed to 64 bits; the hash is the identity in the dataflow and in Postgres.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh3::Xxh3Default;

/// The identity of a creator, chatter, fan or file: 64 bits of XXH3 over its folded name.
pub type Id = u64;

/// The identity of the chatter of a message or sale that names none.
pub const UNATTRIBUTED: Id = 0;

/// The form of a name in which two spellings of it are equal: NFKC, trimmed, case folded, inner runs of white space as one space.
pub fn fold(name: &str) -> Cow<'_, str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    if name.bytes().all(plain) {
        return Cow::Borrowed(name);
    }
    // ASCII is its own NFKC.
    if name.is_ascii() {
        return Cow::Owned(squeeze(&name.to_ascii_lowercase()));
    }
    let folded: String = caseless::default_case_fold_str(&name.nfkc().collect::<String>()).nfkc().collect();
    Cow::Owned(squeeze(&folded))
}

/// A name as it is shown: trimmed, with inner runs of white space as one space.
pub fn squeeze(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// The identity of a creator: platform and name.
pub fn creator_id(platform: &str, name: &str) -> Id {
    hash(b'c', &fold(platform), &fold(name))
}

/// The identity of a chatter; of nobody, [`UNATTRIBUTED`].
pub fn chatter_id(name: Option<&str>) -> Id {
    name.map_or(UNATTRIBUTED, |name| hash(b'h', "", &fold(name)))
}

/// The identity of a fan: platform and username.
pub fn fan_id(platform: &str, username: &str) -> Id {
    hash(b'f', &fold(platform), &fold(username))
}

/// The identity of a file, from its id as a source gives it.
pub fn file_id(file: &str) -> Id {
    hash(b'd', "", file)
}

/// How a creator is shown: `Tania (OF)`.
pub fn creator_label(platform: &str, name: &str) -> String {
    format!("{name} ({platform})")
}

fn hash(kind: u8, first: &str, second: &str) -> Id {
    let mut hasher = Xxh3Default::new();
    hasher.update(&[kind]);
    hasher.update(first.as_bytes());
    hasher.update(&[0]);
    hasher.update(second.as_bytes());
    hasher.digest().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn careless_spellings_of_a_name_are_one_identity() {
        let id = chatter_id(Some("Mila Jo"));
        for spelling in ["MILA JO", "  mila   jo ", "\u{ff2d}ila\u{a0}Jo"] {
            assert_eq!(chatter_id(Some(spelling)), id, "{spelling:?}");
        }
        assert_ne!(chatter_id(Some("Milajo")), id);
        assert_eq!(fold("STRASSE"), fold("straße"));
    }

    #[test]
    fn platforms_keep_equal_names_apart() {
        assert_ne!(creator_id("OF", "Tania"), creator_id("Fansly", "Tania"));
        assert_ne!(fan_id("OF", "u1"), fan_id("Fanvue", "u1"));
        assert_ne!(fan_id("OF", "tania"), creator_id("OF", "tania"));
    }

    #[test]
    fn nobody_is_not_a_name() {
        assert_eq!(chatter_id(None), UNATTRIBUTED);
        assert_ne!(chatter_id(Some("")), UNATTRIBUTED);
    }
}
