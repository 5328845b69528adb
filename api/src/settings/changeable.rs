//! Settings that administrators change while the API runs: what `app.settings` holds counts instead of what the environment says.
//!
//! A value is written there as it would stand in the environment and is read by the same code, so both are checked alike. The process that changes
//! one obeys at once; every other one looks every few seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fandom_services::env::{Env, Problems};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::accounts::second_factor::Demand;
use crate::accounts::sessions::Lasting;
use crate::accounts::store::Store;
use crate::database::refused;
use crate::problem::Problem;

/// What can be changed.
///
/// - `FANDOM_API_RATE`: requests a second by one account, key or address, 0 for any number (200). Five times as many may come at once.
/// - `FANDOM_API_ORIGINS`: origins of pages elsewhere that may read answers, such as `https://board.example`, separated by commas.
/// - `FANDOM_SESSION_HOURS`: how long a session lasts (720, which is 30 days).
/// - `FANDOM_SESSION_IDLE_HOURS`: how long a session lasts without being used (168, which is 7 days).
/// - `FANDOM_SECOND_FACTOR`: who must have a second factor: `administrators`, `everyone`, or nobody (`optional`).
/// - `FANDOM_TEAM_RANKS`: whether a chatter is told their rank among all chatters, `yes` or `no` (`no`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changeable {
    /// Requests a second by one asker; 0 for any number.
    pub rate: u32,
    /// Origins of pages elsewhere that may read answers.
    pub origins: Vec<String>,
    /// How long sessions last.
    pub sessions: Lasting,
    /// Who must have a second factor.
    pub second_factor: Demand,
    /// Whether chatters are told their rank among all.
    pub team_ranks: bool,
}

impl Changeable {
    /// The variables.
    pub const VARIABLES: [&'static str; 6] = [
        "FANDOM_API_ORIGINS",
        "FANDOM_API_RATE",
        "FANDOM_SECOND_FACTOR",
        "FANDOM_SESSION_HOURS",
        "FANDOM_SESSION_IDLE_HOURS",
        "FANDOM_TEAM_RANKS",
    ];

    /// Reads them; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> Changeable {
        Changeable {
            rate: env.parsed("FANDOM_API_RATE", 200, "a number of requests a second"),
            origins: env.checked("FANDOM_API_ORIGINS", Vec::new(), "origins such as https://board.example", |text| {
                let origin = |text: &str| {
                    let text = text.trim();
                    (text.contains("://") && !text.ends_with('/')).then(|| text.to_owned())
                };
                text.split(',').map(origin).collect()
            }),
            sessions: sessions(env),
            second_factor: Demand::from_env(env),
            team_ranks: env.checked("FANDOM_TEAM_RANKS", false, "yes or no", |text| match text {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            }),
        }
    }

    /// What is set, by variable.
    pub fn shown(&self) -> [(&'static str, Value); 6] {
        [
            ("FANDOM_API_ORIGINS", json!(self.origins)),
            ("FANDOM_API_RATE", self.rate.into()),
            ("FANDOM_SECOND_FACTOR", self.second_factor.name().into()),
            ("FANDOM_SESSION_HOURS", self.sessions.hours.into()),
            ("FANDOM_SESSION_IDLE_HOURS", self.sessions.idle_hours.into()),
            ("FANDOM_TEAM_RANKS", self.team_ranks.into()),
        ]
    }
}

fn sessions(env: &mut Env) -> Lasting {
    let mut hours = |variable, default| {
        env.checked(variable, default, "a number of hours from 1 to 8760", |text| {
            text.parse().ok().filter(|hours| (1..=8760).contains(hours))
        })
    };
    Lasting { hours: hours("FANDOM_SESSION_HOURS", 720), idle_hours: hours("FANDOM_SESSION_IDLE_HOURS", 168) }
}

/// How often another process's change is looked for.
const LOOK: Duration = Duration::from_secs(5);
/// How often, as long as nothing could be read.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// What is stored, by variable, as it would stand in the environment.
pub type Stored = BTreeMap<String, String>;

/// The settings that hold at this moment.
#[derive(Clone, Debug)]
pub struct InForce {
    /// The environment's, as texts.
    environment: Arc<Vec<(String, String)>>,
    now: Arc<RwLock<Arc<Changeable>>>,
}

impl InForce {
    /// Those of the environment, until what is stored was read.
    pub fn from_env(env: &mut Env) -> InForce {
        let text = |variable: &str| Some((variable.to_owned(), env.text(variable)?));
        let environment = Changeable::VARIABLES.into_iter().filter_map(text).collect();
        let now = Changeable::from_env(env);
        InForce { environment: Arc::new(environment), now: Arc::new(RwLock::new(Arc::new(now))) }
    }

    /// What holds.
    pub fn now(&self) -> Arc<Changeable> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What would hold with these stored.
    ///
    /// # Errors
    /// Values that cannot be used.
    pub fn with(&self, stored: &Stored) -> Result<Changeable, Problems> {
        let pairs = self.environment.iter().filter(|(variable, _)| !stored.contains_key(variable)).cloned();
        let mut env = Env::from_pairs(pairs.chain(stored.clone()).collect());
        let changeable = Changeable::from_env(&mut env);
        env.finish(changeable)
    }

    /// Lets what is stored hold. What this program cannot use is said, and left to the environment.
    pub fn obey(&self, mut stored: Stored) {
        let changeable = loop {
            match self.with(&stored) {
                Ok(changeable) => break changeable,
                Err(Problems(problems)) => {
                    let before = stored.len();
                    for problem in problems {
                        let variable = problem.variable;
                        tracing::warn!(variable, "a stored setting cannot be used and does not count; set it again");
                        stored.remove(&variable);
                    }
                    if stored.len() == before {
                        return;
                    }
                }
            }
        };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if **now != changeable {
            tracing::info!(settings = stored.len(), "settings that are stored hold from now on");
            *now = Arc::new(changeable);
        }
    }

    /// Reads what is stored, and lets it hold.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn look(&self, store: &Store) -> Result<(), Problem> {
        let connection = store.connection().await?;
        let rows =
            connection.query("select variable, value from app.settings", &[]).await.map_err(|error| refused(&error))?;
        self.obey(rows.iter().map(|row| (row.get(0), row.get(1))).collect());
        Ok(())
    }

    /// Looks now and then, until the API closes.
    pub async fn follow(self, store: Store, closing: CancellationToken) {
        let following = async {
            let mut wait = FIRST_LOOK;
            loop {
                if self.look(&store).await.is_ok() {
                    wait = LOOK;
                }
                tokio::time::sleep(wait).await;
            }
        };
        tokio::select! {
            () = following => {}
            () = closing.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force() -> InForce {
        let pairs = [("FANDOM_API_RATE", "50"), ("FANDOM_API_ORIGINS", "https://a.example"), ("FANDOM_API_KEY", "x")];
        InForce::from_env(&mut Env::from_pairs(pairs.map(|(name, value)| (name.into(), value.into())).to_vec()))
    }

    fn stored(pairs: &[(&str, &str)]) -> Stored {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_stored_counts_instead_of_the_environment() {
        let settings = in_force();
        settings.obey(stored(&[("FANDOM_API_ORIGINS", ""), ("FANDOM_TEAM_RANKS", "yes")]));
        let now = settings.now();
        assert_eq!((now.rate, now.origins.len(), now.team_ranks), (50, 0, true));
        settings.obey(Stored::new());
        assert_eq!(
            (settings.now().origins.len(), settings.now().team_ranks),
            (1, false),
            "as the environment says again"
        );
    }

    #[test]
    fn what_cannot_be_used_is_left_to_the_environment() {
        let settings = in_force();
        settings.obey(stored(&[("FANDOM_API_RATE", "many"), ("FANDOM_SESSION_HOURS", "8")]));
        assert_eq!((settings.now().rate, settings.now().sessions.hours), (50, 8));
    }

    #[test]
    fn every_variable_is_shown_under_its_name() {
        assert_eq!(in_force().now().shown().map(|(variable, _)| variable), Changeable::VARIABLES);
    }
}
