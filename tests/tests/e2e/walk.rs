//! An operator's walk: what alerts name is broken, one thing after the other; the alert fires in a real Prometheus; what its runbook
//! says is done; it clears. The rules are those that the suite ships, with minutes made seconds. Run by `make walk`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fandom_schemas::topics::ROWS;
use fandom_tests::agency::Agency;
use fandom_tests::api::Api;
use fandom_tests::expected::differences_at;
use fandom_tests::prometheus::Prometheus;
use fandom_tests::suite::{Part, Suite, free_addresses};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

const PATIENCE: Duration = Duration::from_secs(120);
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What of the rules takes minutes, and what stands for it.
const QUICKER: [(&str, &str); 9] = [
    ("[1h]", "[30s]"),
    ("[15m]", "[15s]"),
    ("[5m]", "[15s]"),
    ("[2m]", "[10s]"),
    (") > 900", ") > 8"),
    ("kafka_clients[1m]", "kafka_clients[10s]"),
    ("epoch_distance_seconds) > 30", "epoch_distance_seconds) > 5"),
    ("heartbeat_timestamp_seconds > 60", "heartbeat_timestamp_seconds > 8"),
    // Restarts are part of the walk.
    ("[15s]) > 2", "[15s]) > 30"),
];

fn quicker(mut rules: String) -> String {
    for (slow, quick) in QUICKER {
        assert!(rules.contains(slow), "no rule has {slow} any more");
        rules = rules.replace(slow, quick);
    }
    let line = |line: &str| match line.trim_start().starts_with("for: ") {
        true => format!("{}for: 2s\n", &line[..line.len() - line.trim_start().len()]),
        false => format!("{line}\n"),
    };
    rules.lines().map(line).collect()
}

/// Where the walk goes.
struct Walk {
    prometheus: Prometheus,
    walked: BTreeSet<&'static str>,
}

impl Walk {
    /// Waits until an alert fires, or is quiet.
    async fn until(&self, alert: &str, fires: bool, suite: &Suite) -> Duration {
        let begun = Instant::now();
        loop {
            let firing = self.prometheus.firing().await.unwrap_or_default();
            if firing.contains(alert) == fires {
                return begun.elapsed();
            }
            let what = if fires { "did not fire" } else { "did not clear" };
            assert!(begun.elapsed() < PATIENCE, "{alert} {what}; firing: {firing:?}\n{}", suite.logs());
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Something is broken: its alert fires.
    async fn fires(&mut self, alert: &'static str, suite: &Suite) {
        let took = self.until(alert, true, suite).await;
        eprintln!("{alert} fired after {:.0} s", took.as_secs_f64());
    }

    /// It is mended: the alert clears.
    async fn clears(&mut self, alert: &'static str, suite: &Suite) {
        let took = self.until(alert, false, suite).await;
        eprintln!("{alert} cleared after {:.0} s", took.as_secs_f64());
        self.walked.insert(alert);
    }
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().expect("a port")
}

/// Rows of messages, each with a price that is no number.
fn without_prices(rows: usize) -> String {
    let head = "Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to\n";
    let row = |row| format!("Mila,Tania (OF),{row},10:{:02}:00,2026-10-21,much,no,Chat,Fan (u{row})\n", row % 60);
    (0..rows).map(row).fold(head.to_owned(), |text, row| text + &row)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make walk`"]
async fn alerts_fire_and_clear() {
    let agency = &Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.extend([("FANDOM_POLL_MS", "200"), ("FANDOM_ARCHIVE_KEY", KEY)]);
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    let addresses = free_addresses(4);
    let jobs: Vec<(&str, &str)> =
        ["api", "connectors", "dataflow", "archive"].into_iter().zip(addresses.iter().map(String::as_str)).collect();
    let archive = [("FANDOM_METRICS_PORT", port(&addresses[3]))];
    suite.run_with(Part::Connect, &[("FANDOM_METRICS_PORT", port(&addresses[1]))]);
    suite.run_with(Part::Dataflow, &[("FANDOM_METRICS_PORT", port(&addresses[2]))]);
    suite.run_with(Part::Archive, &archive);
    suite.settings.push(("FANDOM_METRICS_PORT".to_owned(), port(&addresses[0]).to_owned()));
    let api = Api::start(&mut suite).await;
    suite.settings.pop();
    agency.place(&suite.inbox, &agency.files("b"));
    suite
        .eventually("at first", PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
    let dir = suite.inbox.with_file_name("prometheus");
    std::fs::create_dir(&dir).expect("a folder can be made");
    let prometheus = Prometheus::start_with(&dir, &jobs, quicker).await.expect("prometheus starts");
    let mut walk = Walk { prometheus, walked: BTreeSet::new() };
    // Somebody always looks at the page.
    let looking = tokio::spawn(async move {
        loop {
            let _ = tokio::time::timeout(Duration::from_secs(5), api.ask("overview", &[], None)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });

    suite.kill(Part::Archive);
    walk.fires("FandomPartDown", &suite).await;
    suite.run_with(Part::Archive, &archive);
    walk.clears("FandomPartDown", &suite).await;

    files(&mut walk, &suite).await;
    stranger(&mut walk, &suite).await;

    let away = suite.inbox.with_file_name("away");
    std::fs::rename(&suite.inbox, &away).expect("the folder can be moved");
    walk.fires("FandomSourceNotSeen", &suite).await;
    std::fs::rename(&away, &suite.inbox).expect("and back");
    walk.clears("FandomSourceNotSeen", &suite).await;

    let mut client = suite.client().await.expect("the database answers");
    let lock = client.transaction().await.expect("a transaction");
    lock.batch_execute("lock table views.progress in access exclusive mode").await.expect("the lock");
    write(&suite.inbox.join("late.csv"), &without_prices(1).replace("much", "$5.00"));
    walk.fires("FandomEpochOld", &suite).await;
    drop(lock);
    drop(client);
    walk.clears("FandomEpochOld", &suite).await;

    suite.postgres.kill().await;
    walk.fires("FandomDatabaseLost", &suite).await;
    walk.fires("FandomApiErrors", &suite).await;
    suite.postgres.start_again().await.expect("the database starts again");
    walk.clears("FandomDatabaseLost", &suite).await;
    walk.clears("FandomApiErrors", &suite).await;

    suite.kafka.kill().await;
    walk.fires("FandomKafkaLost", &suite).await;
    suite.kafka.start_again().await.expect("the broker starts again");
    walk.clears("FandomKafkaLost", &suite).await;

    looking.abort();
    assert!(walk.walked.len() >= 9, "{:?}", walk.walked);
    std::fs::remove_file(suite.inbox.join("late.csv")).expect("it is there");
    suite
        .eventually(
            "after the walk",
            PATIENCE,
            |client| async move { differences_at(&client, &agency.expected, "b").await },
        )
        .await;
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).expect("the file can be written");
}

/// A file that cannot be read, and one most of whose rows cannot.
async fn files(walk: &mut Walk, suite: &Suite) {
    let broken = suite.inbox.join("broken.xlsx");
    write(&broken, "no workbook");
    walk.fires("FandomFilesFailed", suite).await;
    std::fs::remove_file(&broken).expect("it is there");
    walk.clears("FandomFilesFailed", suite).await;

    let odd = suite.inbox.join("odd prices.csv");
    write(&odd, &without_prices(300));
    walk.fires("FandomRejectsGrow", suite).await;
    std::fs::remove_file(&odd).expect("it is there");
    walk.clears("FandomRejectsGrow", suite).await;
}

/// A program that is none of the suite's writes to the log.
async fn stranger(walk: &mut Walk, suite: &Suite) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", &suite.kafka.bootstrap_servers).create().expect("a producer");
    let record = FutureRecord::to(ROWS).partition(0).key("stranger/1/0").payload("{\"kind\":\"message\",\"odd\":1}");
    producer.send(record, PATIENCE).await.expect("the broker takes the record");
    walk.fires("FandomRecordsRefused", suite).await;
    walk.clears("FandomRecordsRefused", suite).await;
}
