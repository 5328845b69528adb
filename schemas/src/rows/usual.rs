//! Messages in the very form in which [`Row::to_json`](super::Row::to_json) writes most of them, read without a JSON parser.
//!
//! Every start reads the whole log, and most rows are messages: reading them is what a start waits for. A row with an escaped
//! character, with columns that no rule reads, or of another writer's making is left for the parser; both read the same.

use std::borrow::Cow;

use super::{Kind, Message};

/// The message, if the bytes are one in that form.
pub(super) fn message(json: &[u8]) -> Option<Message<'_>> {
    let text = std::str::from_utf8(json).ok()?;
    let mut at = Cursor { text, at: 0 };
    at.pass(r#"{"kind":"message","sheet":"#)?;
    let sheet = u16::try_from(at.integer()?).ok()?;
    at.pass(r#","row":"#)?;
    let row = u32::try_from(at.integer()?).ok()?;
    at.pass(r#","creator":"#)?;
    let creator = at.string()?;
    at.pass(r#","platform":"#)?;
    let platform = at.string()?;
    at.pass(r#","chatter":"#)?;
    let chatter = at.or_null(Cursor::string)?;
    at.pass(r#","fan":"#)?;
    let fan = at.string()?;
    at.pass(r#","nickname":"#)?;
    let nickname = at.or_null(Cursor::string)?;
    at.pass(r#","sent_at":"#)?;
    let sent_at = at.integer()?;
    at.pass(r#","price_cents":"#)?;
    let price_cents = at.integer()?;
    at.pass(r#","purchased":"#)?;
    let purchased = at.boolean()?;
    at.pass(r#","source":"#)?;
    let source = at.string()?;
    let status = match at.pass(r#","status":"#) {
        Some(()) => Some(at.string()?),
        None => None,
    };
    at.pass(r#","reply_seconds":"#)?;
    let reply_seconds = at.or_null(|at| u32::try_from(at.integer()?).ok())?;
    at.pass(r#","fan_replied":"#)?;
    let fan_replied = at.boolean()?;
    at.pass(r#","characters":"#)?;
    let characters = u32::try_from(at.integer()?).ok()?;
    at.pass(r#","text_hash":"#)?;
    let text_hash = at.string()?;
    at.pass("}")?;
    if at.at != text.len() {
        return None;
    }
    Some(Message {
        kind: Kind::Message,
        sheet,
        row,
        creator: Cow::Borrowed(creator),
        platform: Cow::Borrowed(platform),
        chatter: chatter.map(Cow::Borrowed),
        fan: Cow::Borrowed(fan),
        nickname: nickname.map(Cow::Borrowed),
        sent_at,
        price_cents,
        purchased,
        source: Cow::Borrowed(source),
        status: status.map(Cow::Borrowed),
        reply_seconds,
        fan_replied,
        characters,
        text_hash: Cow::Borrowed(text_hash),
        extra: None,
    })
}

/// A place in the text. What is not there in the usual form is `None`.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[inline]
    fn pass(&mut self, literal: &str) -> Option<()> {
        if !self.rest().starts_with(literal.as_bytes()) {
            return None;
        }
        self.at += literal.len();
        Some(())
    }

    /// A string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        self.pass("\"")?;
        let length = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1f))?;
        let (start, end) = (self.at, self.at + length);
        self.at = end;
        self.pass("\"")?;
        self.text.get(start..end)
    }

    #[inline]
    fn or_null<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.pass("null") {
            Some(()) => Some(None),
            None => read(self).map(Some),
        }
    }

    /// An integer of at most 18 digits, which needs no check for its size.
    #[inline]
    fn integer(&mut self) -> Option<i64> {
        let negative = self.pass("-").is_some();
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        // A number does not begin with a zero; minus zero is left to the parser.
        if !(1..=18).contains(&digits) || rest[0] == b'0' && (digits > 1 || negative) {
            return None;
        }
        let value = rest[..digits].iter().fold(0i64, |value, digit| value * 10 + i64::from(digit - b'0'));
        self.at += digits;
        Some(if negative { -value } else { value })
    }

    #[inline]
    fn boolean(&mut self) -> Option<bool> {
        match self.pass("true") {
            Some(()) => Some(true),
            None => self.pass("false").map(|()| false),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::super::{Extra, Row};
    use super::*;

    prop_compose! {
        fn a_message()(
            (sheet, row, characters) in (any::<u16>(), any::<u32>(), any::<u32>()),
            (creator, platform, fan, source) in ("[A-Za-zé😊 ]{0,8}", "OF|Fansly", "[a-z0-9\"\\\\]{0,9}", "Chat|"),
            (chatter, nickname, status) in (option::of("\\PC{0,9}"), option::of("[ -~\n\t\u{1}]{0,9}"), option::of("Sent")),
            (sent_at, price_cents) in (any::<i64>(), -5_000..100_000i64),
            (purchased, fan_replied) in (any::<bool>(), any::<bool>()),
            (reply_seconds, text_hash) in (option::of(any::<u32>()), "[0-9a-f]{32}"),
            extra in option::weighted(0.1, Just(Box::new(Extra::from([("Group".to_owned(), "a".to_owned())])))),
        ) -> Message<'static> {
            Message {
                kind: Kind::Message, sheet, row, creator: creator.into(), platform: platform.into(),
                chatter: chatter.map(Cow::Owned), fan: fan.into(), nickname: nickname.map(Cow::Owned), sent_at, price_cents,
                purchased, source: source.into(), status: status.map(Cow::Owned), reply_seconds, fan_replied, characters,
                text_hash: text_hash.into(), extra,
            }
        }
    }

    /// Whether its JSON is of the usual form.
    fn is_usual(message: &Message<'_>) -> bool {
        let texts = [&message.creator, &message.platform, &message.fan, &message.source, &message.text_hash];
        let others = [&message.chatter, &message.nickname, &message.status].into_iter().flatten();
        let escaped = |text: &Cow<'_, str>| text.contains(|c: char| matches!(c, '"' | '\\' | '\0'..='\u{1f}'));
        message.extra.is_none()
            && !texts.into_iter().chain(others).any(escaped)
            && message.sent_at.unsigned_abs() < 1_000_000_000_000_000_000
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_by_the_parser(written in a_message()) {
            let json = Row::Message(written.clone()).to_json();
            let read = message(&json);
            prop_assert_eq!(read.is_some(), is_usual(&written));
            if let Some(read) = read {
                prop_assert_eq!(&read, &written);
            }
            prop_assert_eq!(Message::from_json(&json).expect("it was written here"), written);
        }

        /// Whatever became of the bytes: what is taken here, the parser takes as well, as the same.
        #[test]
        fn what_is_not_written_so_is_left_to_the_parser(
            written in a_message(), at in any::<prop::sample::Index>(), cut in 0..3usize,
            put in "[ 0-9a-z\"\\\\,:{}.eE+\n-]{0,3}",
        ) {
            let mut json = Row::Message(written).to_json();
            let place = at.index(json.len());
            json.splice(place..json.len().min(place + cut), put.bytes());
            if let Some(read) = message(&json) {
                prop_assert_eq!(Some(read), serde_json::from_slice(&json).ok(), "{}", String::from_utf8_lossy(&json));
            }
        }
    }
}
