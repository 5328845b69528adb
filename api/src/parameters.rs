//! What a query string says. Every wrong parameter is reported at once, an unknown one too.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use axum::http::header;
use axum::http::request::Parts;
use jiff::tz::TimeZone;

use crate::export::Format;
use crate::problem::{Kind, ParameterError, Problem};

/// The parameters of a request, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    errors: Vec<ParameterError>,
    accepted: Format,
}

/// Longer values are refused unread.
const LONGEST: usize = 2_000;

/// Parameters that may differ from one page to the next.
const PLACE: [&str; 4] = ["cursor", "limit", "fields", "format"];

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters, Problem> {
        let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| Problem::new(Kind::BadRequest, "the query string cannot be read as name=value&name=value"))?;
        let accept = parts.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepted = Format::accepted(accept);
        Ok(Parameters { accepted, ..Parameters::new(given) })
    }
}

impl Parameters {
    /// These parameters.
    pub fn new(given: Vec<(String, String)>) -> Parameters {
        Parameters { given, ..Parameters::default() }
    }

    /// The value of a parameter; blank counts as not given.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        let mut values = self.given.iter().filter(|(given, _)| given == name).map(|(_, value)| value.trim().to_owned());
        let value = values.next()?;
        let message = if values.next().is_some() {
            "is given more than once"
        } else if value.len() > LONGEST {
            "is longer than 2000 bytes"
        } else if value.chars().any(char::is_control) {
            "has control characters"
        } else {
            return Some(value).filter(|value| !value.is_empty());
        };
        self.wrong(name, message);
        None
    }

    /// The value of a parameter, parsed. `expected` says what would be right, such as `a number of cents`.
    pub fn checked<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(name)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.wrong(name, format!("`{value}` is not {expected}"));
        }
        parsed
    }

    /// Like [`Parameters::checked`], with the type's own parser.
    pub fn parsed<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        self.checked(name, expected, |value| value.parse().ok())
    }

    /// One of these words; the first when it is not given.
    pub fn word(&mut self, name: &'static str, words: &[&'static str]) -> &'static str {
        let expected = format!("one of {}", words.join(", "));
        self.checked(name, &expected, |value| words.iter().copied().find(|word| *word == value)).unwrap_or(words[0])
    }

    /// Some of these words, in any case, separated by commas; as they are written here.
    pub fn words(&mut self, name: &'static str, words: &[&'static str]) -> Option<Vec<&'static str>> {
        let expected = format!("one or several (separated by commas) of {}", words.join(", "));
        let known = |given: &str| words.iter().copied().find(|word| word.eq_ignore_ascii_case(given.trim()));
        self.checked(name, &expected, |value| value.split(',').map(known).collect())
    }

    /// The form in which a list is asked for: `format`, or else what the header `Accept` likes best.
    pub fn format(&mut self) -> Format {
        let expected = format!("one of {}", Format::NAMES.join(", "));
        self.checked("format", &expected, Format::named).unwrap_or(self.accepted)
    }

    /// The IANA zone in which instants are shown and read; without one, that of the reports.
    pub fn zone(&mut self, reporting: &TimeZone) -> TimeZone {
        let expected = "an IANA time zone such as Europe/Belgrade";
        self.checked("zone", expected, |text| TimeZone::get(text).ok()).unwrap_or_else(|| reporting.clone())
    }

    /// Notes what is wrong with a parameter.
    pub fn wrong(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(ParameterError { parameter: name.to_owned(), message: message.into() });
    }

    /// A fingerprint of what is asked for, the place in the list and the form of the answer aside.
    pub fn fingerprint(&self) -> u64 {
        let mut asked: Vec<_> = self.given.iter().filter(|(name, _)| !PLACE.contains(&name.as_str())).collect();
        asked.sort();
        xxhash_rust::xxh3::xxh3_64(format!("{asked:?}").as_bytes())
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// When a parameter was wrong or unknown: all of them.
    pub fn finish(mut self) -> Result<(), Problem> {
        let mut unknown: Vec<&String> =
            self.given.iter().map(|(name, _)| name).filter(|name| !self.known.contains(&name.as_str())).collect();
        unknown.sort();
        unknown.dedup();
        self.known.sort_unstable();
        self.known.dedup();
        let message = match self.known.as_slice() {
            [] => "is not known; this resource takes no parameters".to_owned(),
            known => format!("is not known; known are {}", known.join(", ")),
        };
        let unknown = unknown.into_iter().map(|name| ParameterError {
            parameter: name.chars().filter(|c| !c.is_control()).take(100).collect(),
            message: message.clone(),
        });
        let errors: Vec<_> = self.errors.into_iter().chain(unknown).collect();
        if errors.is_empty() { Ok(()) } else { Err(Problem::parameters(errors)) }
    }
}
