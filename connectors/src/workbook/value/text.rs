//! Message texts: HTML to plain text, its length and its hash.
//!
//! Tags are taken out with nothing put in their place, entities are decoded once. A `<` that opens no tag (`I <3 you`,
//! `10 < 20`) stays. Line ends are `\n`, however the file writes them, so that the same message has the same hash from every
//! format.

use std::borrow::Cow;

/// The plain text of a message.
pub(crate) fn plain(markup: &str) -> Cow<'_, str> {
    let special = |byte: &u8| matches!(byte, b'<' | b'&' | b'\r');
    let Some(first) = markup.bytes().position(|byte| special(&byte)) else {
        return Cow::Borrowed(markup);
    };
    let mut out = String::with_capacity(markup.len());
    out.push_str(&markup[..first]);
    let mut rest = &markup[first..];
    // Where no end follows, none is looked for: a text may have as many beginnings as it has characters.
    let last_end = markup.rfind('>').map_or(0, |at| at + 1);
    let mut last_comment_end = None;
    let mut open_quotes = 0;
    while let Some(&byte) = rest.as_bytes().first() {
        let taken = match byte {
            b'<' => {
                let passed = markup.len() - rest.len();
                let mut comments_end = || {
                    let end = || markup.rfind("-->").map_or(0, |at| at + 3);
                    passed + 4 < *last_comment_end.get_or_insert_with(end)
                };
                let comments_end = rest.starts_with("<!--") && comments_end();
                if passed < last_end { tag(rest, comments_end, &mut open_quotes) } else { None }
            }
            b'&' => entity(rest, &mut out),
            b'\r' => {
                if rest.as_bytes().get(1) != Some(&b'\n') {
                    out.push('\n');
                }
                Some(1)
            }
            _ => None,
        };
        rest = match taken {
            Some(length) => &rest[length..],
            None => {
                let next = rest.bytes().skip(1).position(|byte| special(&byte)).map_or(rest.len(), |at| at + 1);
                out.push_str(&rest[..next]);
                &rest[next..]
            }
        };
    }
    Cow::Owned(out)
}

/// In how many tags of a text quotes that are never closed are looked for to its end. In the tags after them quotes are nothing
/// special, so that a text made of such tags takes no time that grows with the square of its length.
const MOST_OPEN_QUOTES: u32 = 16;

/// The length of the tag or comment with which the text begins; `None` if its `<` opens none. `comments_end` says whether the end of
/// a comment follows, `open_quotes` counts tags in which a quote is never closed.
fn tag(text: &str, comments_end: bool, open_quotes: &mut u32) -> Option<usize> {
    if let Some(comment) = text.strip_prefix("<!--") {
        let end = if comments_end { comment.find("-->").map(|end| 4 + end + 3) } else { None };
        return end.or_else(|| text.find('>').map(|end| end + 1));
    }
    let bytes = text.as_bytes();
    let opens = match bytes.get(1)? {
        b'/' => bytes.get(2)?.is_ascii_alphabetic(),
        b'!' | b'?' => true,
        first => first.is_ascii_alphabetic(),
    };
    if !opens {
        return None;
    }
    let first_end = text.find('>')?;
    if *open_quotes >= MOST_OPEN_QUOTES {
        return Some(first_end + 1);
    }
    // A `>` inside a quoted value does not end the tag. A quote that is never closed is no quote.
    let mut quoted_by = None;
    let mut after_equals = false;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        match (quoted_by, byte) {
            (Some(quote), _) if byte == quote => quoted_by = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if after_equals => quoted_by = Some(byte),
            (None, b'>') => return Some(at + 1),
            (None, _) => {}
        }
        after_equals = byte == b'=' || after_equals && byte == b' ';
    }
    *open_quotes += 1;
    Some(first_end + 1)
}

/// Decodes the entity with which the text begins; its length, or `None` if it is none.
fn entity(text: &str, out: &mut String) -> Option<usize> {
    const LONGEST: usize = 34;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = &text[1..end];
    if let Some(digits) = name.strip_prefix('#') {
        out.push(numeric(digits)?);
    } else {
        out.push_str(quick_xml::escape::resolve_html5_entity(name)?);
    }
    Some(end + 1)
}

/// The character of a numeric entity, by the rules of HTML: what is no character becomes U+FFFD, and 0x80 to 0x9F are those of
/// Windows-1252.
fn numeric(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let code = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    Some(match code {
        0 => char::REPLACEMENT_CHARACTER,
        0x80..=0x9f => {
            let byte = [u8::try_from(code).unwrap_or(b'?')];
            let (decoded, _, _) = encoding_rs::WINDOWS_1252.decode(&byte);
            decoded.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        _ => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    })
}

/// Unicode code points of a text.
pub(crate) fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

/// The 32 hexadecimal digits of the 128-bit XXH3 of a text.
pub(crate) struct TextHash([u8; 32]);

impl TextHash {
    /// Hashes a text.
    pub(crate) fn of(text: &str) -> TextHash {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
        let mut digits = [b'0'; 32];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = HEX[(hash >> (124 - 4 * place) & 0xf) as usize];
        }
        TextHash(digits)
    }

    /// The digits.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits are ASCII")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_leave_nothing_and_entities_their_character() {
        for (markup, text) in [
            ("plain", "plain"),
            ("<p>hey you</p><p>so</p>", "hey youso"),
            ("a<br />b<BR>c", "abc"),
            ("I &amp; you &lt;3", "I & you <3"),
            ("it&#x27;s &#39;it&#39;", "it's 'it'"),
            ("a&nbsp;b", "a\u{a0}b"),
            ("&amp;lt;p&amp;gt;", "&lt;p&gt;"),
            ("I <3 you", "I <3 you"),
            ("10 < 20, silly", "10 < 20, silly"),
            ("1 <", "1 <"),
            ("<a href=\"x>y\">link</a>", "link"),
            ("<p class='a'>it's</p>", "it's"),
            ("<p title=\"never closed>so</p>", "so"),
            ("<!-- a > b -->c", "c"),
            ("<b never closed", "<b never closed"),
            ("fish & chips; AT&T", "fish & chips; AT&T"),
            ("&hellip;&hearts;&#128522;&#150;&#0;", "…♥😊–\u{fffd}"),
            ("&nosuch; &#; &#xZZ;", "&nosuch; &#; &#xZZ;"),
            ("&#99999999999999999999;", "\u{fffd}"),
            ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ] {
            assert_eq!(plain(markup), text, "{markup:?}");
        }
    }

    #[test]
    fn ends_that_never_come_are_not_looked_for_again_and_again() {
        let began = std::time::Instant::now();
        for (piece, before) in [("<a ", ""), ("<!--", ""), ("<!-- ", ">"), ("<a =\">\" ", ""), ("<!-->", "")] {
            let markup = format!("{before}{}", piece.repeat(4 << 20));
            assert!(plain(&markup).len() <= markup.len(), "{piece:?}");
        }
        // Some hundredths of a second; a search to the end from each `<` takes hours.
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn characters_are_code_points() {
        assert_eq!(characters(&plain("<p>José 😊&nbsp;</p>")), 7);
    }

    #[test]
    fn the_hash_is_that_of_xxh3() {
        assert_eq!(TextHash::of("").as_str(), "99aa06d3014798d86001c324468d497f");
        assert_eq!(TextHash::of("abc").as_str(), format!("{:032x}", xxhash_rust::xxh3::xxh3_128(b"abc")));
    }

    proptest! {
        #[test]
        fn plain_text_is_never_longer(markup in "(<|>|&|;|#|x|/|!|-|\"|'|=|p|amp|lt|nbsp|\r|\n| |é|😊|3|[a-z]){0,40}") {
            let text = plain(&markup);
            prop_assert!(text.chars().count() <= markup.chars().count(), "{:?} -> {:?}", markup, text);
        }

        #[test]
        fn escaped_text_comes_back(text in "[^\r]{0,60}") {
            let markup = format!("<p>{}</p>", quick_xml::escape::escape(text.as_str()));
            prop_assert_eq!(plain(&markup), text);
        }
    }
}
