//! Names in several spellings that mean the same.

use std::borrow::Cow;

use fandom_schemas::rows::Creator;

/// Creators' names and platforms; the first two differ in the platform alone.
const CREATORS: [(&str, &str); 4] = [("Tania", "OF"), ("Tania", "Fansly"), ("Mila Jo", "OF"), ("Straße 7", "Fanvue")];
const CHATTERS: [&str; 3] = ["Ann Lee", "Émile", "Bo"];
const NICKNAMES: [&str; 2] = ["Dragonknight", "Rex 🦖"];

/// One of the spellings of a name.
fn spelt(name: &str, spelling: u8) -> Cow<'static, str> {
    match spelling % 4 {
        0 => name.to_owned(),
        1 => name.to_uppercase(),
        2 => format!(" {} ", name.to_lowercase().replace(' ', " \t ")),
        _ => name.replace(' ', "\u{a0}"),
    }
    .into()
}

/// A creator.
pub fn creator(number: usize, spelling: u8) -> Creator {
    let (name, platform) = CREATORS[number % CREATORS.len()];
    // A platform is spelt differently more seldom than a name.
    let platform = if spelling == 5 { spelt(platform, 1) } else { platform.into() };
    Creator { name: spelt(name, spelling).into_owned(), platform: platform.into_owned() }
}

/// A chatter.
pub fn chatter(number: usize, spelling: u8) -> Cow<'static, str> {
    spelt(CHATTERS[number % CHATTERS.len()], spelling)
}

/// A fan's username.
pub fn fan(number: usize, spelling: u8) -> Cow<'static, str> {
    spelt(&format!("u17{number}"), spelling)
}

/// A fan's nickname.
pub fn nickname(number: u8) -> Cow<'static, str> {
    NICKNAMES[usize::from(number) % NICKNAMES.len()].into()
}
