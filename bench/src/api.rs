//! A page of fans, of this API or of the same endpoint written otherwise (`bench/peers/api`), over the same database.
//!
//! ```text
//!  closed loop, 64 connections ──▶ the peak ──half of it──▶ open loop ──▶ quantiles, each from when a request was to be sent
//! ```
//!
//! The client takes its share of the two cores from each server alike. Before anything is measured both must answer the same items.

use std::fmt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use fandom_tests::api::Api;
use fandom_tests::suite::{KEY, free_addresses};
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::load::Load;
use crate::{History, Job, sight};

/// What is measured.
#[derive(Args, Debug)]
pub struct Options {
    #[command(flatten)]
    history: History,
    /// The program that serves the same endpoint, its arguments separated by blanks, `{port}` for the port that it is to take.
    #[arg(long)]
    peer: Option<String>,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// How long each loop takes.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// The head of the table.
pub const HEADER: &str =
    "  server  If-None-Match  peak, requests/s   open loop, requests/s   p50 ms   p90 ms   p99 ms  p99.9 ms";

/// A row of the table.
#[derive(Debug, Serialize)]
pub struct Result {
    server: &'static str,
    if_none_match: bool,
    peak_per_second: f64,
    open_per_second: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
}

impl fmt::Display for Result {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "  {:<6}  {:<13}  {:>16.0}   {:>21.0}   {:>6.1}   {:>6.1}   {:>6.1}   {:>7.1}",
            self.server,
            if self.if_none_match { "yes" } else { "no" },
            self.peak_per_second,
            self.open_per_second,
            self.p50_ms,
            self.p90_ms,
            self.p99_ms,
            self.p999_ms,
        )
    }
}

const PATH: &str = "/api/v1/fans?limit=100";
/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it; hands over each result.
pub async fn run(
    options: &Options,
    job: &Job,
    mut found: impl FnMut(&Result) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let History { rows, fans } = options.history;
    let mut suite = job.suite().await?;
    Load::new(&suite, fans)?.history(rows)?;
    sight::start_dataflow(&mut suite, 2).await?;
    let api = Api::start(&mut suite).await;
    let ours = Server::new("ours", api.url("").authority().to_owned(), &[("authorization", &format!("Bearer {KEY}"))])?;
    let items = ours.items().await?;
    measure(&ours, options, &mut found).await?;
    if let Some(command) = &options.peer {
        let address = free_addresses(1).remove(0);
        let _running = Running::start(command, &address, &suite.postgres.database_url)?;
        let peer = Server::new("peer", address, &[])?;
        let begun = Instant::now();
        let theirs = loop {
            match peer.items().await {
                Ok(items) => break items,
                Err(error) if begun.elapsed() > PATIENCE => return Err(error.context("the peer does not answer")),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        };
        ensure!(items == theirs, "the two answer different items");
        measure(&peer, options, &mut found).await?;
    }
    job.keep_log(&suite)
}

async fn measure(
    server: &Server,
    options: &Options,
    found: &mut impl FnMut(&Result) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let tag = server.get(&server.asks).await?.1.get(header::ETAG).context("an entity tag")?.clone();
    for if_none_match in [false, true] {
        let mut asks = server.asks.clone();
        let mut expected = StatusCode::OK;
        if if_none_match {
            asks.insert(header::IF_NONE_MATCH, tag.clone());
            expected = StatusCode::NOT_MODIFIED;
        }
        let asked = Arc::new(Asked { address: server.address.clone(), headers: asks, expected });
        let length = Duration::from_secs(options.seconds);
        // What is made or opened once is made before.
        load(&asked, options.connections, Duration::from_secs(2), None).await?;
        let peak = load(&asked, options.connections, length, None).await?;
        let per_second = peak.len() as f64 / length.as_secs_f64();
        let open = load(&asked, options.connections, length, Some(per_second / 2.0)).await?;
        let quantile = |q: f64| open.value_at_quantile(q) as f64 / 1000.0;
        found(&Result {
            server: server.name,
            if_none_match,
            peak_per_second: per_second,
            open_per_second: per_second / 2.0,
            p50_ms: quantile(0.5),
            p90_ms: quantile(0.9),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
        })?;
    }
    Ok(())
}

/// A server, and what every request to it brings.
struct Server {
    name: &'static str,
    address: String,
    asks: HeaderMap,
}

impl Server {
    fn new(name: &'static str, address: String, headers: &[(&'static str, &str)]) -> anyhow::Result<Server> {
        let mut asks = HeaderMap::new();
        asks.insert(header::HOST, address.parse()?);
        for (name, value) in headers {
            asks.insert(*name, value.parse()?);
        }
        Ok(Server { name, address, asks })
    }

    async fn get(&self, headers: &HeaderMap) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        get(&mut connect(&self.address).await?, headers).await
    }

    async fn items(&self) -> anyhow::Result<Value> {
        let (status, _, body) = self.get(&self.asks).await?;
        ensure!(status == StatusCode::OK, "{} answered {status}", self.name);
        Ok(serde_json::from_slice::<Value>(&body)?["items"].take())
    }
}

/// A server's process; killed when it is dropped.
struct Running(Child);

impl Running {
    #[expect(clippy::disallowed_methods, reason = "it is killed when it is dropped")]
    fn start(command: &str, address: &str, database_url: &str) -> anyhow::Result<Running> {
        let port = address.rsplit(':').next().context("a port")?;
        let words: Vec<String> = command.split_whitespace().map(|word| word.replace("{port}", port)).collect();
        let [program, arguments @ ..] = &words[..] else { bail!("--peer names no program") };
        let mut child = Command::new(program);
        child.args(arguments).env("DATABASE_URL", database_url).stdin(Stdio::null());
        Ok(Running(child.spawn().with_context(|| format!("{program} could not be started"))?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A server of several processes ends them when it is asked to.
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// What is asked again and again.
struct Asked {
    address: String,
    headers: HeaderMap,
    expected: StatusCode,
}

/// Asks over so many connections for so long: each as soon as it has its answer, or all together so often a second. How long each
/// answer took, in microseconds, from when its request was to be sent.
async fn load(
    asked: &Arc<Asked>,
    connections: u32,
    length: Duration,
    per_second: Option<f64>,
) -> anyhow::Result<Histogram<u64>> {
    let begun = Instant::now() + Duration::from_millis(100);
    let mut asking = Vec::new();
    for number in 0..connections {
        let asked = Arc::clone(asked);
        let between = per_second.map(|rate| Duration::from_secs_f64(f64::from(connections) / rate));
        let first = begun + between.map_or(Duration::ZERO, |between| between * number / connections);
        asking.push(tokio::spawn(ask(asked, first, between, begun + length)));
    }
    let mut all = Histogram::new_with_bounds(1, 600_000_000, 3)?;
    for asking in asking {
        all.add(asking.await??)?;
    }
    Ok(all)
}

async fn ask(
    asked: Arc<Asked>,
    first: Instant,
    between: Option<Duration>,
    until: Instant,
) -> anyhow::Result<Histogram<u64>> {
    let mut took = Histogram::new_with_bounds(1, 600_000_000, 3)?;
    let mut sender = connect(&asked.address).await?;
    tokio::time::sleep_until(first.into()).await;
    let mut due = first;
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        let (status, _, _) = get(&mut sender, &asked.headers).await?;
        ensure!(status == asked.expected, "{status} was answered");
        took.record(u64::try_from(due.elapsed().as_micros())?)?;
        due = between.map_or_else(Instant::now, |between| due + between);
    }
    Ok(took)
}

type Sender = SendRequest<Empty<Bytes>>;

async fn connect(address: &str) -> anyhow::Result<Sender> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn get(sender: &mut Sender, headers: &HeaderMap) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
    sender.ready().await?;
    let mut request = Request::get(PATH).body(Empty::new())?;
    *request.headers_mut() = headers.clone();
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok((head.status, head.headers, body.collect().await?.to_bytes()))
}
