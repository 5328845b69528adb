//! The API of a suite, asked over HTTP as any program asks it.

use std::time::{Duration, Instant};

use reqwest::Url;
use serde_json::Value;

use crate::suite::{KEY, Part, Suite};

const PATIENCE: Duration = Duration::from_secs(120);

/// The API.
pub struct Api {
    http: reqwest::Client,
    base: Url,
}

/// What asks the API of a suite: it brings the key.
///
/// # Panics
/// When the system refuses.
pub fn client() -> reqwest::Client {
    let bearer = format!("Bearer {KEY}").parse().expect("a header");
    let headers = std::iter::once((reqwest::header::AUTHORIZATION, bearer)).collect();
    reqwest::Client::builder().default_headers(headers).build().expect("a client")
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The entity tag.
    pub etag: Option<String>,
    /// The body; null where there is none.
    pub body: Value,
}

impl Api {
    /// Starts the API of a suite on a free port, and waits until it listens.
    ///
    /// # Panics
    /// When it does not within half a minute.
    pub async fn start(suite: &mut Suite) -> Api {
        suite.run_with(Part::Api, &[("FANDOM_PORT", "0"), ("FANDOM_LOG_FORMAT", "json")]);
        let begun = Instant::now();
        let address = loop {
            let log = std::fs::read_to_string(suite.log(Part::Api)).unwrap_or_default();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let address = lines.filter_map(|line| line["address"].as_str().map(str::to_owned)).next_back();
            match address {
                Some(address) => break address,
                None => assert!(begun.elapsed() < PATIENCE, "the API does not listen\n{}", suite.logs()),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let base = Url::parse(&format!("http://{address}/api/v1/")).expect("an address makes a URL");
        Api { http: client(), base }
    }

    /// Asks for a path below `/api/v1/` with parameters, which are escaped.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn ask(&self, path: &str, parameters: &[(&str, &str)], if_none_match: Option<&str>) -> Answer {
        let mut url = self.base.join(path).expect("a path");
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let mut request = self.http.get(url).timeout(PATIENCE);
        if let Some(tag) = if_none_match {
            request = request.header("if-none-match", tag);
        }
        let response = request.send().await.expect("an answer");
        let etag = response.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let text = response.text().await.expect("a body");
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
        Answer { status, etag, body }
    }

    /// Every page of a list, of so many items each.
    ///
    /// # Panics
    /// When a page is refused, or the list does not end.
    pub async fn pages(&self, path: &str, parameters: &[(&str, &str)], limit: usize) -> Vec<Answer> {
        let limit = limit.to_string();
        let mut pages: Vec<Answer> = Vec::new();
        loop {
            let cursor = pages.last().map(|page| page.body["next_cursor"].as_str().map(str::to_owned));
            if cursor == Some(None) {
                return pages;
            }
            assert!(pages.len() < 10_000, "{path} {parameters:?} does not end");
            let mut all = parameters.to_vec();
            all.push(("limit", &limit));
            all.extend(cursor.as_ref().and_then(Option::as_deref).map(|cursor| ("cursor", cursor)));
            let page = self.ask(path, &all, None).await;
            assert_eq!(page.status, 200, "{path} {all:?}: {}", page.body);
            pages.push(page);
        }
    }

    /// The address of a path below `/api/v1/`.
    ///
    /// # Panics
    /// When it is no path.
    pub fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("a path")
    }

    /// Opens the live stream.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn live(&self) -> Live {
        let response = self.http.get(self.base.join("live").expect("a path")).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let mut live = Live { response, text: String::new() };
        // What is committed after the greeting is told.
        live.block().await;
        live
    }
}

/// The live stream.
pub struct Live {
    response: reqwest::Response,
    text: String,
}

impl Live {
    /// The next event: its name, its id and its data. Comments are passed over.
    ///
    /// # Panics
    /// When none comes within half a minute.
    pub async fn event(&mut self) -> (String, String, Value) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "no event");
            let block = self.block().await;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if let (Some(name), Some(id), Some(data)) = (field("event:"), field("id:"), field("data:")) {
                return (name.to_owned(), id.to_owned(), serde_json::from_str(data).expect("JSON"));
            }
        }
    }

    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let block = block.to_owned();
                self.text = rest.to_owned();
                return block;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something in time");
            let chunk = chunk.expect("the stream lives").expect("the stream does not end");
            self.text.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
