//! What the people of the sample are called, and what they say.

use super::dice::Dice;

pub(super) const AGENCY: &str = "Bluebird";
pub(super) const CREATORS: &[&str] =
    &["Aurora", "Bianca", "Celeste", "Daria", "Estelle", "Freya", "Giulia", "Hana", "Inès", "Jade", "Kaia", "Livia"];
pub(super) const CHATTERS: &[&str] = &[
    "Ana",
    "Bojan",
    "Carmen",
    "Dejan",
    "Ema",
    "Filip",
    "Gorana",
    "Hugo",
    "Ivan Petrov",
    "Jelena",
    "Katya",
    "Lazar",
    "Maja",
    "Nikola",
    "Olga",
    "Željko",
];
pub(super) const TEAMS: [&str; 3] = ["Night team", "Day team", "Evening team"];

const NICK_FIRST: &[&str] = &[
    "Captain", "Doctor", "Velvet", "Golden", "Midnight", "Lonely", "Sunny", "Cosmic", "Iron", "Gentle", "Rapid",
    "Crimson", "Nordic", "Hidden", "Lazy",
];
const NICK_LAST: &[&str] = &[
    "Bear", "Pilot", "Raven", "Coder", "Trucker", "Poet", "Falcon", "Gardener", "Wizard", "Otter", "Drummer", "Fisher",
    "Chef", "Nomad", "Hawk",
];
const NICK_ODD: &[&str] = &[
    "Stefan (blue tick)",
    "Дмитрий",
    "山田さん",
    "🔥 Rico 🔥",
    "José María",
    "O'Hara & Co",
    "Big Ben :)",
    "(((Leo)))",
    "محمد",
    "Zoë <3",
    "Łukasz 🍀",
    "no name",
    "Mr. \"T\"",
    "Κώστας",
];

const OPENINGS: &[&str] = &[
    "hey",
    "hi",
    "hello there",
    "good evening",
    "good morning",
    "oh wow",
    "mmm",
    "guess who is back",
    "okay",
    "between us",
    "sooo",
    "to be honest",
    "you know what",
    "aww",
    "haha",
    "listen",
    "wait",
    "finally",
    "psst",
    "well",
];
const PET_NAMES: &[&str] = &["", " love", " darling", " handsome", " you", " sweetheart", " dear", " stranger"];
const THOUGHTS: &[&str] = &[
    "how has your week been so far?",
    "I just came back from the gym 💪",
    "what did you have for dinner?",
    "I was hoping that you would write",
    "your last message made me laugh out loud 😂",
    "do you prefer mountains or the sea?",
    "it's raining here & I can't leave the bed",
    "tell me something that nobody knows about you",
    "I have been dreaming about a long holiday",
    "you're the first one I talk to today",
    "what would you do if you were here right now?",
    "my day was so long, I need someone to cheer me up",
    "did you see what I posted yesterday?",
    "I bought a new dress and I don't know if I like it",
    "that's so kind of you ❤️",
    "5 > 4, and you & me > everything",
    "are you always this charming?",
    "I'm a little shy about it, but I trust you",
    "what\u{a0}time is it where you live?",
    "I'd love to hear about your work",
    "you have such good taste in music",
    "promise that you won't tell anyone 🤫",
    "we should do this more often",
    "I could talk to you for hours",
    "weekends are better when you're around",
    "coffee or tea? choose wisely ☕",
];
const OFFERS: &[&str] = &[
    "I made something just for you, want to see?",
    "the new set is ready 📸",
    "this video is my favourite one so far",
    "open it when you are alone",
    "only for the ones who really care",
    "I saved the best part for you",
    "unlock it and tell me what you think",
];
const FAN_TEXTS: &[&str] = &[
    "hey",
    "just got home from work",
    "how are you today?",
    "you look amazing",
    "haha you're funny",
    "maybe later",
    "too expensive for me right now",
    "can't wait!",
    "tell me more",
    "what are you doing tonight?",
    "miss you & your voice",
    "ok",
    "👀",
    "that was great, thank you",
    "do you have anything new?",
    "hvala",
    "bonne nuit",
    "I'm on my break",
    "sorry, was asleep",
    "lol",
    "good morning ☀️",
    "you never answer <3",
];

/// How a text stands in its cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dress {
    Bare,
    Paragraph,
    Paragraphs,
    LineBreak,
    Emphasis,
}

/// A creator's message, as places in the lists of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    opening: u8,
    pet_name: u8,
    thought: u8,
    second: Option<u8>,
    offer: Option<u8>,
    dress: Dress,
}

impl Text {
    /// A message; with an offer when it has something to sell.
    pub(super) fn new(dice: &mut Dice, offers: bool) -> Text {
        let mut place = |list: &[&str]| u8::try_from(dice.place(list.len())).expect("the lists are short");
        let (opening, pet_name, thought) = (place(OPENINGS), place(PET_NAMES), place(THOUGHTS));
        let (second, offer) = (place(THOUGHTS), place(OFFERS));
        let dress = match dice.unit() {
            x if x < 0.15 => Dress::Bare,
            x if x < 0.82 => Dress::Paragraph,
            x if x < 0.89 => Dress::Paragraphs,
            x if x < 0.96 => Dress::LineBreak,
            _ => Dress::Emphasis,
        };
        let second = matches!(dress, Dress::Paragraphs | Dress::LineBreak).then_some(second);
        Text { opening, pet_name, thought, second, offer: offers.then_some(offer), dress }
    }

    fn first(self) -> [&'static str; 5] {
        let offer = self.offer();
        let gap = if offer.is_empty() { "" } else { " " };
        let thought = THOUGHTS[usize::from(self.thought)];
        [OPENINGS[usize::from(self.opening)], PET_NAMES[usize::from(self.pet_name)], ", ", thought, gap]
    }

    fn offer(self) -> &'static str {
        self.offer.map_or("", |place| OFFERS[usize::from(place)])
    }

    fn second(self) -> &'static str {
        self.second.map_or("", |place| THOUGHTS[usize::from(place)])
    }

    /// Unicode code points of the text without its tags.
    pub(super) fn characters(self) -> u64 {
        let parts = self.first().into_iter().chain([self.offer(), self.second()]);
        parts.map(|part| part.chars().count() as u64).sum()
    }

    /// The text as the tool exports it.
    pub(super) fn markup(self) -> String {
        let mut out = String::with_capacity(160);
        let (before, between, after) = match self.dress {
            Dress::Bare => ("", "", ""),
            Dress::Paragraph => ("<p>", "", "</p>"),
            Dress::Paragraphs => ("<p>", "</p><p>", "</p>"),
            Dress::LineBreak => ("<p>", "<br />", "</p>"),
            Dress::Emphasis => ("<p><span class=\"m-editor-fs__l\">", "", "</span></p>"),
        };
        out.push_str(before);
        for part in self.first().into_iter().chain([self.offer()]) {
            self.push(&mut out, part);
        }
        out.push_str(between);
        self.push(&mut out, self.second());
        out.push_str(after);
        out
    }

    fn push(self, out: &mut String, part: &str) {
        // A bare text is exported as it was typed, unless it would be taken for markup.
        for letter in part.chars() {
            match letter {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\'' if self.dress != Dress::Bare => out.push_str("&#x27;"),
                '\u{a0}' => out.push_str("&nbsp;"),
                letter => out.push(letter),
            }
        }
    }
}

/// What a fan wrote, as its place in a list.
pub(super) fn fan_text(dice: &mut Dice) -> u8 {
    u8::try_from(dice.place(FAN_TEXTS.len())).expect("the list is short")
}

/// The words of [`fan_text`].
pub(super) fn fan_words(place: u8) -> &'static str {
    FAN_TEXTS[usize::from(place)]
}

/// A nickname; one of sixteen has letters or marks that a careless reader stumbles over.
pub(super) fn nickname(dice: &mut Dice) -> String {
    if dice.chance(1.0 / 16.0) {
        return dice.pick(NICK_ODD).to_owned();
    }
    let (first, last) = (dice.pick(NICK_FIRST), dice.pick(NICK_LAST));
    if dice.chance(0.3) { format!("{first} {last}") } else { format!("{first}{last}") }
}

/// A name that is not in the list any more gets a number.
pub(super) fn name(list: &[&str], place: usize) -> String {
    let name = list[place % list.len()];
    if place < list.len() { name.to_owned() } else { format!("{name} {}", place / list.len() + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters of the employee report must be those that a reader counts in the exported cell.
    #[test]
    fn characters_are_those_of_the_markup_without_tags_and_entities() {
        let mut dice = Dice::new(7, "texts", 0);
        for number in 0..2000 {
            let text = Text::new(&mut dice, number % 5 == 0);
            let (mut plain, mut in_tag) = (String::new(), false);
            for letter in text.markup().chars() {
                match letter {
                    '<' => in_tag = true,
                    '>' => in_tag = false,
                    letter if !in_tag => plain.push(letter),
                    _ => {}
                }
            }
            for (entity, letter) in
                [("&lt;", "<"), ("&gt;", ">"), ("&#x27;", "'"), ("&nbsp;", "\u{a0}"), ("&amp;", "&")]
            {
                plain = plain.replace(entity, letter);
            }
            assert_eq!(text.characters(), plain.chars().count() as u64, "{}", text.markup());
        }
    }
}
