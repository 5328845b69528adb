//! The accounts of the database that the parts sign in with.
//!
//! `fandom migrate` makes them, as the owner. Where no password is set there are none, and every part uses what `DATABASE_URL` names.

use fandom_schemas::rights::{ACCOUNTS, Account};
use fandom_services::env::Env;

/// The fewest characters of a password.
const SHORTEST: usize = 16;

/// Accounts and their passwords.
///
/// - `FANDOM_CONNECTORS_DATABASE_PASSWORD`, `FANDOM_DATAFLOW_DATABASE_PASSWORD`, `FANDOM_ARCHIVE_DATABASE_PASSWORD` and
///   `FANDOM_API_DATABASE_PASSWORD`: with `migrate`, the password of each account, of 16 characters or more.
#[derive(Clone, Default)]
pub struct DatabaseAccounts(Vec<(Account, String)>);

impl DatabaseAccounts {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> DatabaseAccounts {
        let mut accounts = Vec::new();
        for account in ACCOUNTS {
            match env.text(account.variable) {
                Some(password) if password.chars().count() < SHORTEST => {
                    env.problem(account.variable, format!("is a password of fewer than {SHORTEST} characters"));
                }
                Some(password) => accounts.push((account, password)),
                None => {}
            }
        }
        DatabaseAccounts(accounts)
    }

    /// All of them, with new passwords.
    pub fn with_new_passwords() -> DatabaseAccounts {
        let password = || format!("{:032x}", rand::random::<u128>());
        DatabaseAccounts(ACCOUNTS.into_iter().map(|account| (account, password())).collect())
    }

    /// Each with its password.
    pub fn passwords(&self) -> &[(Account, String)] {
        &self.0
    }

    /// The connection string of a part, by its command; the owner's where the part has no account or the string is not a URL.
    pub fn url(&self, owner: &str, part: &str) -> String {
        let account = self.0.iter().find(|(account, _)| account.part == part);
        let url = account.and_then(|(account, password)| {
            let (scheme, rest) = owner.split_once("://")?;
            let (_, place) = rest.rsplit_once('@')?;
            Some(format!("{scheme}://{}:{password}@{place}", account.name))
        });
        url.unwrap_or_else(|| owner.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_a_connection_string_of_its_own() {
        let accounts = DatabaseAccounts::with_new_passwords();
        let owner = "postgresql://fandom:p@w@127.0.0.1:5432/fandom?sslmode=disable";
        let urls: Vec<String> = ["api", "connect", "dataflow", "archive"].map(|part| accounts.url(owner, part)).into();
        for (url, name) in urls.iter().zip(["api", "connectors", "dataflow", "archive"]) {
            assert!(url.starts_with(&format!("postgresql://fandom_{name}:")), "{url}");
            assert!(url.ends_with("@127.0.0.1:5432/fandom?sslmode=disable") && !url.contains("p@w"), "{url}");
        }
        assert_eq!(accounts.url(owner, "migrate"), owner);
        assert_eq!(DatabaseAccounts::default().url(owner, "api"), owner);
    }

    #[test]
    fn a_short_password_is_a_problem_that_is_told_without_it() {
        let mut env = Env::from_pairs(vec![("FANDOM_API_DATABASE_PASSWORD".into(), "letmein".into())]);
        let accounts = DatabaseAccounts::from_env(&mut env);
        let problems = env.finish(()).expect_err("it is short").to_string();
        assert!(accounts.passwords().is_empty() && !problems.contains("letmein"), "{problems}");
    }
}
