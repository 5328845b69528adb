//! Prometheus on a running suite, with the rules that the suite ships.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use fandom::local::process::{Process, Spec, find_program, open_log};
use serde_json::Value;

use crate::suite::{free_addresses, repository};

/// A server of its own, killed when it is dropped.
pub struct Prometheus {
    http: reqwest::Client,
    base: String,
    _process: Process,
}

impl Prometheus {
    /// Starts it with the configuration that the suite ships, but for where the parts are and how often they are asked.
    ///
    /// # Errors
    /// When it is not installed (scripts/setup --test installs it) or does not start.
    pub async fn start(dir: &Path, targets: &[(&str, &str)]) -> anyhow::Result<Prometheus> {
        Prometheus::start_with(dir, targets, |rules| rules).await
    }

    /// The same with other rules, made of those that the suite ships.
    ///
    /// # Errors
    /// Those of [`Prometheus::start`].
    pub async fn start_with(
        dir: &Path,
        targets: &[(&str, &str)],
        rules: impl FnOnce(String) -> String,
    ) -> anyhow::Result<Prometheus> {
        let program = find_program("prometheus").context("prometheus is not installed: run scripts/setup --test")?;
        let shipped = repository().join("grafana/prometheus");
        let mut config = std::fs::read_to_string(shipped.join("prometheus.yml"))?.replace("15s", "1s");
        for (part, address) in targets {
            let there = format!("\"{part}:9464\"");
            ensure!(config.contains(&there), "prometheus.yml does not scrape {there}");
            config = config.replace(&there, &format!("\"{address}\""));
        }
        std::fs::create_dir_all(dir.join("rules"))?;
        std::fs::write(dir.join("prometheus.yml"), config)?;
        let shipped_rules = std::fs::read_to_string(shipped.join("rules/fandom.yml"))?;
        std::fs::write(dir.join("rules/fandom.yml"), rules(shipped_rules))?;
        let address = free_addresses(1).remove(0);
        let spec = Spec {
            program,
            args: vec![
                format!("--config.file={}", dir.join("prometheus.yml").display()),
                format!("--storage.tsdb.path={}", dir.join("data").display()),
                format!("--web.listen-address={address}"),
            ],
            env: Vec::new(),
            dir: None,
            user: None,
            on_parent_death: "KILL",
        };
        let mut command = spec.command();
        let log = open_log(&dir.join("prometheus.log"))?;
        command.stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn(command)?;
        let base = format!("http://{address}/api/v1");
        Ok(Prometheus { http: reqwest::Client::new(), base, _process: process })
    }

    /// Asks for a path with parameters; the data of the answer.
    ///
    /// # Errors
    /// What it complains about.
    pub async fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = reqwest::Url::parse(&format!("{}/{path}", self.base))?;
        url.query_pairs_mut().extend_pairs(parameters);
        let answer = self.http.get(url).timeout(Duration::from_secs(10)).send().await?;
        let mut body: Value = serde_json::from_str(&answer.text().await?)?;
        ensure!(body["status"] == "success", "{}: {}", body["errorType"], body["error"]);
        Ok(body["data"].take())
    }

    /// How many series an expression has now.
    ///
    /// # Errors
    /// When the expression is refused.
    pub async fn series(&self, expression: &str) -> anyhow::Result<usize> {
        let data = self.ask("query", &[("query", expression)]).await?;
        match &data["result"] {
            _ if data["resultType"] == "scalar" => Ok(1),
            Value::Array(series) => Ok(series.len()),
            other => anyhow::bail!("no result: {other}"),
        }
    }

    /// Every alert as it was loaded: name, expression, annotations, and what went wrong when it was evaluated.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn alerts(&self) -> anyhow::Result<Vec<Value>> {
        let data = self.ask("rules", &[]).await?;
        let groups = data["groups"].as_array().context("groups")?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    /// The names of the alerts that fire.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn firing(&self) -> anyhow::Result<BTreeSet<String>> {
        let data = self.ask("alerts", &[]).await?;
        let firing = data["alerts"].as_array().context("alerts")?.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_owned)).collect())
    }
}

/// The metrics that an expression names.
pub fn metrics_of(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
    let is_metric = |word: &&str| word.starts_with("fandom_") || word.starts_with("process_") || *word == "up";
    words.filter(is_metric).map(str::to_owned).collect()
}

/// The dashboards that the suite ships, by the name of their file.
///
/// # Panics
/// When one is not JSON.
pub fn dashboards() -> Vec<(String, Value)> {
    let files = std::fs::read_dir(repository().join("grafana/dashboards")).expect("there are dashboards");
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a dashboard can be read");
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let dashboard = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (name, dashboard)
    };
    paths.into_iter().map(read).collect()
}
