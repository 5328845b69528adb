//! Settings from environment variables. Every problem is collected, so that a user sees all of them at once.

use std::fmt;
use std::str::FromStr;

/// The environment, and the problems found while reading settings from it.
pub struct Env {
    all: Vec<(String, String)>,
    problems: Vec<Problem>,
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

/// Settings that cannot be used: all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} setting{} cannot be used:", self.0.len(), if self.0.len() == 1 { "" } else { "s" })?;
        for Problem { variable, message } in &self.0 {
            write!(f, "\n  {variable}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Env {
    /// The environment of this process.
    pub fn of_process() -> Env {
        let all: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Env::from_pairs(all)
    }

    /// An environment of these variables alone.
    pub fn from_pairs(all: Vec<(String, String)>) -> Env {
        Env { all, problems: Vec::new() }
    }

    /// The same with another value of a variable, where one is given.
    pub fn with(mut self, variable: &str, value: Option<String>) -> Env {
        if let Some(value) = value {
            self.all.retain(|(name, _)| name != variable);
            self.all.push((variable.to_owned(), value));
        }
        self
    }

    /// The value of a variable; set but blank counts as not set.
    pub fn text(&self, variable: &str) -> Option<String> {
        let set = self.all.iter().find(|(name, _)| name == variable);
        set.map(|(_, value)| value.clone()).filter(|value| !value.trim().is_empty())
    }

    /// Every variable with this prefix, and its value.
    pub fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        self.all.iter().filter(|(name, _)| name.starts_with(prefix)).cloned().collect()
    }

    /// The value of a variable, parsed; `default` when it is not set, or (with a problem noted) cannot be parsed.
    /// `expected` says what would be right, such as `a number of milliseconds`.
    pub fn parsed<T: FromStr>(&mut self, variable: &str, default: T, expected: &str) -> T {
        self.checked(variable, default, expected, |value| value.parse().ok())
    }

    /// Like [`Env::parsed`], with a parser that may refuse.
    pub fn checked<T>(&mut self, variable: &str, default: T, expected: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        match self.text(variable) {
            None => default,
            Some(value) => parse(value.trim()).unwrap_or_else(|| {
                self.problem(variable, format!("`{value}` is not {expected}"));
                default
            }),
        }
    }

    /// Whether this is a system that people rely on: what makes itself at home on a machine, such as a key, has to be given there.
    ///
    /// - `FANDOM_ENV`: `development` or `production` (`development`).
    pub fn is_production(&mut self) -> bool {
        self.checked("FANDOM_ENV", false, "development or production", |text| match text {
            "production" => Some(true),
            "development" => Some(false),
            _ => None,
        })
    }

    /// Notes a problem.
    pub fn problem(&mut self, variable: &str, message: impl Into<String>) {
        self.problems.push(Problem { variable: variable.to_owned(), message: message.into() });
    }

    /// `settings`, if no problem was noted.
    ///
    /// # Errors
    /// Every problem that was noted.
    pub fn finish<T>(self, settings: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(settings) } else { Err(Problems(self.problems)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut env =
            Env::from_pairs(vec![("A".into(), "x".into()), ("B".into(), "7".into()), ("C".into(), " ".into())]);
        let values =
            (env.parsed("A", 1u32, "a number"), env.parsed("B", 2u32, "a number"), env.parsed("C", 3u32, "a number"));
        assert_eq!(values, (1, 7, 3));
        env.problem("D", "is needed");
        let message = env.finish(()).expect_err("two problems").to_string();
        assert_eq!(message, "2 settings cannot be used:\n  A: `x` is not a number\n  D: is needed");
    }
}
