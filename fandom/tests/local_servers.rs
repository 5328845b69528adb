//! The local servers: they keep their data and ports when they are killed, and leave no process behind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fandom::local::{Jars, Kafka, LocalError, Postgres};
use fandom_services::kafka::{KafkaSettings, ensure_topics};
use fandom_services::postgres::PostgresSettings;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tempfile::TempDir;

/// A directory that other users may pass, since PostgreSQL runs as another user when root starts it.
fn passable_dir() -> TempDir {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()
        .expect("a temporary directory can be made")
}

async fn jars() -> Jars {
    let jars = Jars::found_from_here(Path::new("jars"));
    jars.fetch(|_| {}).await.expect("the jars of Kafka are there, or Maven fetches them");
    jars
}

fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

/// Processes whose working directory lies in `dir`.
fn processes_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("these tests need Linux");
    let of_dir = |process: &Path| std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir));
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| of_dir(path))
        .map(|path| path.display().to_string())
        .collect()
}

async fn wait_until_gone(dir: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_in(dir).is_empty() {
        assert!(Instant::now() < deadline, "processes are left: {:?}", processes_in(dir));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn settings_of(kafka: &Kafka) -> KafkaSettings {
    let bootstrap_servers = kafka.bootstrap_servers.clone();
    KafkaSettings { bootstrap_servers, properties: Vec::new(), partitions: 2, replication: 1 }
}

fn records(settings: &KafkaSettings, topic: &str) -> i64 {
    let admin: AdminClient<DefaultClientContext> = settings.client().create().expect("a client");
    let watermarks = |partition| admin.inner().fetch_watermarks(topic, partition, Duration::from_secs(20));
    (0..2).map(|partition| watermarks(partition).expect("the broker answers").1).sum()
}

#[tokio::test]
async fn kafka_keeps_records_and_port_through_a_kill() {
    let dir = passable_dir();
    let home = dir.path().join("kafka");
    let mut kafka = Kafka::start(&home, &jars().await).await.expect("Kafka starts");
    let settings = settings_of(&kafka);
    let made = ensure_topics(&settings, &[]).await.expect("topics are made");
    assert!(made.contains(&"fandom.rows".to_owned()), "{made:?}");
    assert_eq!(ensure_topics(&settings, &[]).await.expect("topics are there"), Vec::<String>::new());

    let producer: FutureProducer = settings.client().set("acks", "all").create().expect("a producer");
    for number in 0..20 {
        let (key, value) = (format!("key {number}"), format!("value {number}"));
        let record = FutureRecord::to("fandom.rows").key(&key).payload(&value).partition(number % 2);
        producer.send(record, Duration::from_secs(20)).await.expect("the broker takes a record");
    }
    let (before, address) = (kafka.pid(), kafka.bootstrap_servers.clone());
    kafka.kill().await;
    assert!(!runs(before));
    // What a killed broker leaves is in its own directory, and goes with the next start.
    let left = home.join("tmp/left-behind");
    std::fs::write(&left, "").expect("the broker has a directory for temporary files");
    kafka.start_again().await.expect("Kafka starts again");
    assert_eq!(kafka.bootstrap_servers, address);
    assert_eq!(records(&settings, "fandom.rows"), 20);
    assert!(!left.exists());

    // A client of before goes on by itself.
    let record = FutureRecord::to("fandom.rows").key("late").payload("late").partition(0);
    producer.send(record, Duration::from_secs(30)).await.expect("the producer finds the broker again");
    producer.flush(Duration::from_secs(5)).expect("nothing is left to send");

    let begun = Instant::now();
    kafka.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "stopping took {:?}", begun.elapsed());
    drop(kafka);
    assert_eq!(processes_in(dir.path()), Vec::<String>::new());

    let kafka = Kafka::start(&home, &jars().await).await.expect("Kafka starts on data of an earlier run");
    assert_eq!(kafka.bootstrap_servers, address);
    assert_eq!(records(&settings_of(&kafka), "fandom.rows"), 21);
    drop(kafka);
    wait_until_gone(dir.path()).await;
}

#[tokio::test]
async fn postgres_keeps_what_was_committed_through_a_kill() {
    let dir = passable_dir();
    let home = dir.path().join("postgres");
    let mut postgres = Postgres::start(&home).await.expect("Postgres starts");
    assert_eq!(postgres.elsewhere(), None);
    let url = postgres.database_url.clone();
    let settings = PostgresSettings::parse(&url).expect("a connection string");
    let client = settings.connect().await.expect("the database is there");
    client.batch_execute("create table t (n int); insert into t values (7)").await.expect("the user may make tables");
    // A server process that is busy does not notice at once that its parent was killed: the next start sees to it.
    let busy = tokio::spawn(async move { client.execute("select pg_sleep(600)", &[]).await });
    tokio::time::sleep(Duration::from_millis(200)).await;

    postgres.kill().await;
    postgres.start_again().await.expect("Postgres starts again");
    assert_eq!(postgres.database_url, url);
    assert!(busy.await.expect("the task ends").is_err());
    let client = settings.connect().await.expect("the database is there");
    let row = client.query_one("select n, current_setting('fsync') from t", &[]).await.expect("the table is there");
    assert_eq!((row.get::<_, i32>(0), row.get::<_, &str>(1)), (7, "on"));

    postgres.stop().await;
    drop(postgres);
    assert_eq!(processes_in(dir.path()), Vec::<String>::new());

    // A pid file whose number belongs to another process by now must not keep the server from starting.
    let data = home.join("data");
    std::fs::write(data.join("postmaster.pid"), format!("{}\n{}\n", std::process::id(), data.display()))
        .expect("a file");
    let postgres = Postgres::start(&home).await.expect("Postgres starts beside a pid file that is out of date");
    assert_eq!(postgres.database_url, url);
    drop(postgres);
    wait_until_gone(dir.path()).await;
}

#[tokio::test]
async fn only_who_knows_the_password_enters_over_the_network() {
    let dir = passable_dir();
    let postgres = Postgres::start(&dir.path().join("postgres")).await.expect("Postgres starts");
    let password = postgres.database_url.split([':', '@']).nth(2).expect("a password");
    let wrong =
        PostgresSettings::parse(&postgres.database_url.replace(password, "guess")).expect("a connection string");
    let error = wrong.connect().await.expect_err("a wrong password is refused");
    assert_eq!(error.code().map(|code| code.code()), Some("28P01"));
    for name in ["data", "socket"] {
        let mode = std::fs::metadata(dir.path().join("postgres").join(name)).expect("a directory").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} is open to others: {mode:o}");
    }
}

#[tokio::test]
async fn a_directory_has_one_server() {
    let dir = passable_dir();
    let home = dir.path().join("postgres");
    let first = Postgres::start(&home).await.expect("Postgres starts");
    let error = Postgres::start(&home).await.expect_err("the directory is taken");
    assert!(matches!(error, LocalError::InUse { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    let settings = PostgresSettings::parse(&first.database_url).expect("a connection string");
    settings.connect().await.expect("the first server is none the worse for it");
}

#[tokio::test]
async fn what_was_left_half_made_is_made_anew() {
    let dir = passable_dir();
    let (kafka, postgres) = (dir.path().join("kafka"), dir.path().join("postgres"));
    for half in [kafka.join("log.new/__cluster_metadata-0"), postgres.join("data.new/base")] {
        std::fs::create_dir_all(&half).expect("a directory");
        std::fs::write(half.join("part"), "part").expect("a file");
    }
    Postgres::start(&postgres).await.expect("Postgres starts");
    Kafka::start(&kafka, &jars().await).await.expect("Kafka starts");
    assert!(!kafka.join("log.new").exists() && !postgres.join("data.new").exists());
}
