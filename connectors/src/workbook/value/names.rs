//! Names: of creators with their platform, of fans with their nickname.

use std::borrow::Cow;

use fandom_schemas::identity;

/// The longest name, type or source that is taken, in bytes. Names are keys in Postgres, whose indexes hold no key of more than a
/// third of a page.
pub(crate) const LONGEST: usize = 1000;

/// A name as it is shown: trimmed, inner runs of white space as one space.
pub(crate) fn squeezed(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let mut after_space = false;
    for c in text.chars() {
        if c.is_whitespace() && (c != ' ' || after_space) {
            return Cow::Owned(identity::squeeze(text));
        }
        after_space = c == ' ';
    }
    Cow::Borrowed(text)
}

/// The name by which a platform is known here: `OF`, `Fansly`, `Fanvue`.
pub(crate) fn platform(name: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 6] = [
        ("of", "OF"),
        ("onlyfans", "OF"),
        ("fansly", "Fansly"),
        ("fs", "Fansly"),
        ("fanvue", "Fanvue"),
        ("fv", "Fanvue"),
    ];
    let name = name.trim();
    KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, shown)| *shown)
}

/// A creator's name and, where the text ends with one in parentheses, platform. Parentheses that name no known platform are
/// part of the name. `None` when no name is left.
pub(crate) fn creator(text: &str) -> Option<(Cow<'_, str>, Option<&'static str>)> {
    let text = text.trim();
    let (name, on) = match last_parentheses(text) {
        Some((name, inner)) => match platform(inner) {
            Some(platform) => (name, Some(platform)),
            None => (text, None),
        },
        None => (text, None),
    };
    let name = squeezed(name);
    (!name.is_empty()).then_some((name, on))
}

/// A fan's username, which stands in the last parentheses, and the nickname before them. Without parentheses the whole is the
/// username. `None` when no username is left.
pub(crate) fn fan(text: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let text = text.trim();
    let (nickname, username) = match last_parentheses(text) {
        Some((nickname, username)) => (Some(squeezed(nickname)).filter(|name| !name.is_empty()), squeezed(username)),
        None => (None, squeezed(text)),
    };
    (!username.is_empty()).then_some((username, nickname))
}

/// What stands before, and what stands in, the parentheses with which a text ends.
pub(crate) fn last_parentheses(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix(')')?;
    inner.rsplit_once('(')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creator_of(text: &str) -> Option<(String, Option<&'static str>)> {
        creator(text).map(|(name, platform)| (name.into_owned(), platform))
    }

    fn fan_of(text: &str) -> Option<(String, Option<String>)> {
        fan(text).map(|(username, nickname)| (username.into_owned(), nickname.map(Cow::into_owned)))
    }

    #[test]
    fn a_creators_platform_stands_in_parentheses() {
        for (text, name, platform) in [
            ("Tania (OF)", "Tania", Some("OF")),
            ("Leya (Fansly)", "Leya", Some("Fansly")),
            ("LEYA(FS)", "LEYA", Some("Fansly")),
            ("  mia   jo  ( fv ) ", "mia jo", Some("Fanvue")),
            ("Mia", "Mia", None),
            ("Mia (the 2nd)", "Mia (the 2nd)", None),
            ("Mia (the 2nd) (Fanvue)", "Mia (the 2nd)", Some("Fanvue")),
        ] {
            assert_eq!(creator_of(text), Some((name.to_owned(), platform)), "{text:?}");
        }
        assert_eq!(creator_of(" (OF)"), None);
    }

    #[test]
    fn a_fans_username_stands_in_the_last_parentheses() {
        for (text, username, nickname) in [
            ("Dragonknight (u177154572)", "u177154572", Some("Dragonknight")),
            ("Max (the real one) (u1)", "u1", Some("Max (the real one)")),
            ("u1", "u1", None),
            (" ( u1 )", "u1", None),
            ("lucky 🍀 (u2)", "u2", Some("lucky 🍀")),
        ] {
            assert_eq!(fan_of(text), Some((username.to_owned(), nickname.map(str::to_owned))), "{text:?}");
        }
        assert_eq!(fan_of("Nick ()"), None);
    }

    #[test]
    fn only_white_space_that_shows_wrong_is_copied() {
        assert!(matches!(squeezed("  Mila Jo "), Cow::Borrowed("Mila Jo")));
        assert_eq!(squeezed("Mila \u{a0} Jo\t"), "Mila Jo");
    }
}
