//! Settings from environment variables. Every problem is collected, so that a user sees all of them at once.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
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

/// Settings whose names do not begin as those of all others.
const BESIDE: [&str; 3] = ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// The address of this machine that is listened on.
///
/// - `FANDOM_LISTEN`: the address (127.0.0.1); in a container 0.0.0.0.
pub fn listen_address(env: &mut Env) -> IpAddr {
    env.parsed("FANDOM_LISTEN", IpAddr::V4(Ipv4Addr::LOCALHOST), "an IP address of this machine, or 0.0.0.0 for all")
}

impl Env {
    /// The environment of this process. Instead of a setting, `<NAME>_FILE` may name a file that holds it, such as a secret that is
    /// mounted; what stands in the file is the setting, without the end of its last line.
    pub fn of_process() -> Env {
        let all: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        Env::from_pairs(all).with_files()
    }

    /// An environment of these variables alone.
    pub fn from_pairs(all: Vec<(String, String)>) -> Env {
        Env { all, problems: Vec::new() }
    }

    /// Puts what stands in files in the place of the variables that name them.
    fn with_files(mut self) -> Env {
        let is_setting = |name: &str| name.starts_with("FANDOM_") || BESIDE.contains(&name);
        let named: Vec<(String, String, String)> = self
            .all
            .iter()
            .filter_map(|(variable, path)| {
                let name = variable.strip_suffix("_FILE").filter(|name| is_setting(name))?;
                Some((variable.clone(), name.to_owned(), path.clone()))
            })
            .collect();
        for (variable, name, path) in named {
            self.all.retain(|(other, _)| *other != variable);
            if path.trim().is_empty() {
                continue;
            }
            if self.text(&name).is_some() {
                self.problem(&variable, format!("is set and {name} too; set one of them"));
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(value) => {
                    self.all.retain(|(other, _)| *other != name);
                    self.all.push((name, value.trim_end_matches(['\r', '\n']).to_owned()));
                }
                Err(error) => self.problem(&variable, format!("names {path}, which cannot be read: {error}")),
            }
        }
        self
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

    #[test]
    fn a_setting_may_stand_in_a_file() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let path = std::env::temp_dir().join(format!("fandom-env-{}", std::process::id()));
        std::fs::write(&path, "postgresql://u:p@h/d\n").expect("a file can be written");
        let file = path.display().to_string();
        let env = Env::from_pairs(vec![pair("DATABASE_URL_FILE", &file), pair("SSL_CERT_FILE", &file)]).with_files();
        assert_eq!(env.text("DATABASE_URL").as_deref(), Some("postgresql://u:p@h/d"));
        assert_eq!(env.text("SSL_CERT"), None, "only what is a setting of the suite");
        assert!(env.with_prefix("DATABASE_URL_FILE").is_empty(), "it is no setting that is not known");
        std::fs::remove_file(&path).expect("it is there");

        let wrong = vec![pair("FANDOM_ARCHIVE_KEY_FILE", &file), pair("FANDOM_LOG_FILE", "x"), pair("FANDOM_LOG", "y")];
        let problems = Env::from_pairs(wrong).with_files().finish(()).expect_err("one is missing, one is set twice").0;
        let named: Vec<&str> = problems.iter().map(|problem| problem.variable.as_str()).collect();
        assert_eq!(named, ["FANDOM_ARCHIVE_KEY_FILE", "FANDOM_LOG_FILE"]);
    }
}
