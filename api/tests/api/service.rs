//! The API on a free port over a database of its own, and how tests ask it.

use std::net::SocketAddr;
use std::time::Duration;

use fandom_api::{ApiError, ApiSettings, Server};
use fandom_services::env::Env;
use fandom_services::postgres::PostgresSettings;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;

/// The key that the API is started with.
const KEY: &str = "a-key-of-the-tests-that-opens-nothing-else";

/// What its secrets in the database are sealed with.
pub const SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A running API.
pub struct Service {
    pub address: SocketAddr,
    pub sql: tokio_postgres::Client,
    pub postgres: PostgresSettings,
    pub http: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ApiError>>,
}

/// What was read of a table.
pub struct Reads {
    pub rows: i64,
    pub whole: i64,
    pub index: i64,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}: {self:?}")).to_str().expect("text")
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["items"].as_array().expect("a list has items").clone()
    }
}

impl Service {
    /// Over an empty database, with the reporting zone Europe/Belgrade.
    pub async fn start() -> Service {
        let postgres = Cluster::shared().await.database().await;
        Service::over(postgres, &[]).await
    }

    /// Over this database.
    pub async fn over(postgres: PostgresSettings, settings: &[(&str, &str)]) -> Service {
        let sql = postgres.connect().await.expect("a connection");
        Service::with(sql, postgres, settings).await
    }

    /// Over a database that need not answer; `sql` was connected when it did.
    pub async fn with(sql: tokio_postgres::Client, postgres: PostgresSettings, settings: &[(&str, &str)]) -> Service {
        let defaults = [
            ("FANDOM_PORT", "0"),
            ("FANDOM_REPORTING_TZ", "Europe/Belgrade"),
            ("FANDOM_API_KEY", KEY),
            ("FANDOM_API_RATE", "0"),
            ("FANDOM_SECRETS_KEY", SECRETS_KEY),
        ];
        let pairs = settings.iter().chain(&defaults).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut env = Env::from_pairs(pairs.collect());
        let settings = ApiSettings::from_env(&mut env);
        let settings = env.finish(settings).expect("sound settings");
        // As it is deployed: by an account that may do no more than it needs.
        let mut own = postgres.clone();
        own.config.user("fandom_api");
        let server = Server::bind(settings, own).await.expect("a free port");
        let address = server.address();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.serve(stop.clone()));
        let bearer = format!("Bearer {KEY}").parse().expect("a header");
        let headers = std::iter::once((reqwest::header::AUTHORIZATION, bearer)).collect();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).default_headers(headers);
        let http = http.build().expect("a client");
        Service { address, sql, postgres, http, stop, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Asks for a path under `/api/v1`.
    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(&format!("/api/v1{path}"), &[]).await
    }

    /// Asks for a path with these headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request =
            headers.iter().fold(self.http.get(self.url(path)), |request, (name, value)| request.header(*name, *value));
        let response = request.send().await.expect("an answer");
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.expect("a body"),
        }
    }

    /// Asks for a list with parameters, which are escaped.
    pub async fn list(&self, path: &str, parameters: &[(&str, &str)]) -> Answer {
        let url = reqwest::Url::parse_with_params(&self.url(&format!("/api/v1{path}")), parameters).expect("a URL");
        self.get_with(&format!("{}?{}", url.path(), url.query().unwrap_or_default()), &[]).await
    }

    /// Every item of a list, page by page.
    pub async fn walk(&self, path: &str, parameters: &[(&str, &str)], limit: usize) -> Vec<Value> {
        let limit = limit.to_string();
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let mut all = parameters.to_vec();
            all.push(("limit", &limit));
            all.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = self.list(path, &all).await;
            items.extend(answer.items());
            match answer.json()["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return items,
            }
            assert!(items.len() < 100_000, "the list does not end");
        }
    }

    /// The one JSON value that a statement selects.
    pub async fn select(&self, sql: &str) -> Value {
        let row = self.sql.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
        row.try_get::<_, Option<Value>>(0).unwrap_or_else(|error| panic!("{error:?}: {sql}")).unwrap_or(Value::Null)
    }

    pub async fn run(&self, sql: &str) {
        self.sql.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    /// What the dataflow does at the end of a transaction: a new epoch, changed views, a notification.
    pub async fn commit(&self, epoch: i64, views: &[&str]) {
        let changed: String = views
            .iter()
            .map(|view| {
                format!(
                    " || jsonb_build_object('{view}', jsonb_build_object('rows', 1, 'checksum', '0', 'epoch', {epoch}))"
                )
            })
            .collect();
        self.run(&format!(
            "begin; update views.progress set epoch = {epoch}, committed_at = now(), views = views{changed};
             notify fandom_epoch, '{epoch}'; commit"
        ))
        .await;
    }

    /// What was read of a table so far, by services that have stopped: rows, and scans of all of it or of an index.
    pub async fn reads(&self, table: &str) -> Reads {
        let sessions = "select to_jsonb(count(*)) from pg_stat_activity
                        where datname = current_database() and application_name = 'fandom-api'";
        while self.select(sessions).await != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.run("select pg_stat_force_next_flush()").await;
        self.run("select pg_stat_clear_snapshot()").await;
        let sql = "select jsonb_build_array(seq_tup_read + idx_tup_fetch, seq_scan, idx_scan) from pg_stat_user_tables
                   where relname =";
        let read = self.select(&format!("{sql} '{table}'")).await;
        let [rows, whole, index] = [0, 1, 2].map(|place| read[place].as_i64().expect("a number"));
        Reads { rows, whole, index }
    }

    /// Stops it; returns how.
    pub async fn stop(self) -> Result<(), ApiError> {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.serving).await.expect("it stops").expect("it does not panic")
    }
}

/// The same JSON with every number as a float, so that 1 and 1.0 are equal.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        other => other.clone(),
    }
}

/// Asserts that two lists of items are equal, and says which item is not.
pub fn assert_same(answered: &[Value], stored: &Value) {
    let stored = stored.as_array().map_or(&[][..], Vec::as_slice);
    for (place, (answered, stored)) in answered.iter().zip(stored).enumerate() {
        assert_eq!(plain(answered), plain(stored), "item {place}");
    }
    assert_eq!(answered.len(), stored.len(), "the number of items");
}
