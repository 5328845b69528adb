//! Whom a parameter means: an id, or a name as it is shown, compared as METRICS.md §2 says.

use fandom_schemas::identity::{chatter_id, creator_id, fan_id};

/// Platforms by the words that stand for them in a creator's parentheses, folded.
const PLATFORMS: [(&str, &str); 7] = [
    ("of", "OF"),
    ("onlyfans", "OF"),
    ("fs", "Fansly"),
    ("fansly", "Fansly"),
    ("fv", "Fanvue"),
    ("fanvue", "Fanvue"),
    ("fan vue", "Fanvue"),
];

/// The ids that a creator's text may mean: the id itself, `Tania (OF)`, or `Tania` on any of the known platforms.
pub fn creators(text: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = text.parse().into_iter().collect();
    if let Some((name, platform)) = text
        .trim_end()
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('))
        .filter(|(name, _)| !name.trim().is_empty())
    {
        let folded = platform.trim().to_lowercase();
        let known = PLATFORMS.iter().find(|(word, _)| *word == folded).map(|(_, platform)| *platform);
        ids.push(creator_id(known.unwrap_or(platform.trim()), name).cast_signed());
    }
    ids.extend(["OF", "Fansly", "Fanvue"].map(|platform| creator_id(platform, text).cast_signed()));
    ids
}

/// The ids that a chatter's text may mean: the id itself, or the name. `0` is the unattributed chatter.
pub fn chatters(text: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = text.parse().into_iter().collect();
    ids.push(chatter_id(Some(text)).cast_signed());
    ids
}

/// The ids that a fan's text may mean: the id itself, or the username on any of the known platforms.
pub fn fans(text: &str) -> Vec<i64> {
    let mut ids: Vec<i64> = text.parse().into_iter().collect();
    ids.extend(["OF", "Fansly", "Fanvue"].map(|platform| fan_id(platform, text).cast_signed()));
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creator_is_known_by_label_name_and_id() {
        let tania = creator_id("OF", "Tania").cast_signed();
        for text in ["Tania (OF)", " tania  (onlyfans)", "TANIA", &tania.to_string()] {
            assert!(creators(text).contains(&tania), "{text}");
        }
        assert!(!creators("Tania (Fansly)").contains(&tania));
        assert!(creators("Leya (FS)").contains(&creator_id("Fansly", "Leya").cast_signed()));
        assert!(creators("Zoe (Patreon)").contains(&creator_id("Patreon", "Zoe").cast_signed()));
        assert!(creators("Zoe (the second)").contains(&creator_id("OF", "Zoe (the second)").cast_signed()));
    }

    #[test]
    fn a_fan_is_known_by_username_and_id() {
        let fan = fan_id("Fansly", "dragon").cast_signed();
        for text in ["dragon", " Dragon", &fan.to_string()] {
            assert!(fans(text).contains(&fan), "{text}");
        }
    }

    #[test]
    fn a_chatter_is_known_by_name_and_id() {
        assert_eq!(chatters("0")[0], 0);
        assert!(chatters(" MILA ").contains(&chatter_id(Some("Mila")).cast_signed()));
        assert_eq!(chatters("x' or 1=1 --").len(), 1);
    }
}
