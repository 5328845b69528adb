//! Postgres goes away and comes back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fandom_services::postgres::PostgresSettings;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::net::{TcpListener, UnixStream};
use tokio_postgres::config::Host;
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::fixture;
use crate::people::{self, PASSWORD};
use crate::service::Service;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_goes_and_comes_back() {
    let cluster = Cluster::start().await;
    let service = Service::over(cluster.database().await, &[]).await;
    fixture::fill(&service).await;
    assert_eq!(service.get("/fans").await.status, 200);
    let mut live = service.http.get(service.url("/api/v1/live")).send().await.expect("a stream");

    tokio::task::block_in_place(|| cluster.tell("stop"));
    for path in ["/fans", "/chatters/performance", "/files", "/ready", "/overview", "/fans"] {
        let begun = Instant::now();
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert!(begun.elapsed() < Duration::from_secs(8), "{path} took {:?}", begun.elapsed());
    }
    assert_eq!(service.get("/health").await.status, 200, "the process lives all the same");

    tokio::task::block_in_place(|| cluster.tell("start"));
    let begun = Instant::now();
    while service.get("/fans").await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10), "the API did not come back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // The stream that was open all along tells of a commit after the outage.
    let sql = service.postgres.connect().await.expect("a connection");
    sql.batch_execute("update views.progress set epoch = 2000; notify fandom_epoch, '2000'").await.expect("a commit");
    let mut told = String::new();
    while !told.contains("id: 2000") && !told.contains("id:2000") {
        let chunk =
            tokio::time::timeout(Duration::from_secs(20), live.chunk()).await.expect("in time").expect("a chunk");
        told.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
    }
    service.stop().await.expect("a clean stop");
}

/// What somebody was answered who asked again and again: how often the figures, how often to come back, and the longest wait.
#[derive(Debug, Default)]
struct Asked {
    answered: usize,
    sent_away: usize,
    longest: Duration,
}

async fn ask_until(service: &Service, paths: &[&str], enough: &CancellationToken) -> Asked {
    let mut asked = Asked::default();
    for path in paths.iter().cycle() {
        if enough.is_cancelled() {
            break;
        }
        let begun = Instant::now();
        let answer = service.get(path).await;
        asked.longest = asked.longest.max(begun.elapsed());
        match answer.status {
            200 => asked.answered += 1,
            503 => {
                assert!(answer.headers.contains_key("retry-after"), "{}", answer.text);
                asked.sent_away += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => panic!("{path}: {other} {}", answer.text),
        }
    }
    asked
}

/// Postgres is killed and started again while many ask, most of them with a connection in the middle of a statement.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_leaves_no_request_behind() {
    let cluster = Cluster::start().await;
    let service = Service::over(cluster.database().await, &[]).await;
    fixture::fill(&service).await;
    let paths = ["/fans", "/chatters/performance?window=hour", "/files", "/overview", "/sales?limit=900"];
    let enough = CancellationToken::new();
    let asking = join_all((0..24).map(|_| ask_until(&service, &paths, &enough)));
    let restarting = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| cluster.tell("stop"));
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| cluster.tell("start"));
        tokio::time::sleep(Duration::from_secs(4)).await;
        enough.cancel();
    };
    let (asked, ()) = tokio::join!(asking, restarting);
    for one in &asked {
        assert!(one.answered > 0 && one.longest < Duration::from_secs(8), "{one:?}");
    }
    assert!(asked.iter().map(|one| one.sent_away).sum::<usize>() > 24, "{asked:?}");
    // Nothing is left of it: everybody is answered again.
    let again = join_all((0..24).map(|_| service.get("/chatters/performance?limit=7"))).await;
    assert!(again.iter().all(|answer| answer.status == 200));
    service.stop().await.expect("a clean stop");
}

/// More ask than there are connections, and Postgres makes them wait: some are sent away in time, and nobody is left when it is over.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_one_is_sent_away_in_time() {
    let service = Service::over(
        Cluster::shared().await.database().await,
        &[("FANDOM_API_POOL", "2"), ("FANDOM_API_TIMEOUT_SECONDS", "4")],
    )
    .await;
    fixture::fill(&service).await;
    service.run("begin; lock table views.fan_measures in access exclusive mode").await;
    let begun = Instant::now();
    let paths: Vec<String> = (1..=12).map(|limit| format!("/fans?limit={limit}")).collect();
    let answers = async {
        let answers = join_all(paths.iter().map(|path| service.get(path))).await;
        assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
        answers
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        service.get("/health").await
    };
    let (answers, health) = tokio::join!(answers, others);
    assert_eq!(health.status, 200);
    for answer in &answers {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
    }
    let no_connection = answers.iter().filter(|answer| answer.text.contains("no connection")).count();
    assert!(no_connection >= 8, "{no_connection} were sent away for want of a connection");
    service.run("commit").await;
    let again = join_all(paths.iter().map(|path| service.get(path))).await;
    assert!(again.iter().all(|answer| answer.status == 200), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_starts_before_postgres() {
    let cluster = Cluster::start().await;
    let postgres = cluster.database().await;
    let sql = postgres.connect().await.expect("a connection");
    tokio::task::block_in_place(|| cluster.tell("stop"));
    let service = Service::with(sql, postgres, &[]).await;
    assert_eq!(service.get("/ready").await.status, 503);
    assert_eq!(service.get("/live").await.status, 503);
    tokio::task::block_in_place(|| cluster.tell("start"));
    let begun = Instant::now();
    loop {
        let answer = service.get("/creators").await;
        if answer.status == 200 {
            assert_eq!(answer.json()["items"], Value::Array(Vec::new()));
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "the API did not come back: {}", answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Stands before Postgres, and can fall silent: what comes over connections of before is taken and goes nowhere.
struct Between {
    settings: PostgresSettings,
    silence: Mutex<CancellationToken>,
}

impl Between {
    async fn start(postgres: &PostgresSettings) -> Arc<Between> {
        let Some(Host::Unix(directory)) = postgres.config.get_hosts().first().cloned() else { panic!("a socket") };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let database = postgres.config.get_dbname().expect("a database");
        let url = format!("host=127.0.0.1 port={port} user=postgres dbname={database}");
        let settings = PostgresSettings::parse(&url).expect("it is one");
        let between = Arc::new(Between { settings, silence: Mutex::default() });
        let own = between.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let silence = own.silence.lock().expect("a lock").clone();
                let socket = directory.join(".s.PGSQL.5432");
                tokio::spawn(async move {
                    let mut far = UnixStream::connect(socket).await.expect("Postgres");
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
                        () = silence.cancelled() => {}
                    }
                    drop(far);
                    tokio::time::sleep(Duration::from_secs(600)).await;
                    drop(near);
                });
            }
        });
        between
    }

    /// Nothing more comes over the connections that there are; new ones are as before.
    fn fall_silent(&self) {
        let mut silence = self.silence.lock().expect("a lock");
        std::mem::take(&mut *silence).cancel();
    }
}

/// The host of Postgres vanishes without a word, and another one takes its place.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_fell_silent_are_replaced() {
    let direct = Cluster::shared().await.database().await;
    let between = Between::start(&direct).await;
    let sql = direct.connect().await.expect("a connection");
    let service = Service::with(sql, between.settings.clone(), &[]).await;
    fixture::fill(&service).await;
    assert_eq!(service.get("/fans").await.status, 200);
    let live = service.http.get(service.url("/api/v1/live")).timeout(Duration::from_secs(60));
    let mut live = live.send().await.expect("a stream");
    between.fall_silent();
    let begun = Instant::now();
    let answer = service.get("/fans?limit=3").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());

    service.commit(2000, &["fans"]).await;
    let mut told = String::new();
    while !told.contains("id: 2000") && !told.contains("id:2000") {
        let chunk =
            tokio::time::timeout(Duration::from_secs(30), live.chunk()).await.expect("in time").expect("a chunk");
        told.push_str(&String::from_utf8_lossy(&chunk.expect("the stream goes on")));
        assert!(begun.elapsed() < Duration::from_secs(40), "the stream is told nothing more: {told}");
    }
    service.stop().await.expect("a clean stop");
}

/// More sign in than there are connections for accounts, and Postgres makes them wait.
#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_without_a_connection_are_sent_away_in_time() {
    let postgres = Cluster::shared().await.database().await;
    let service = Service::over(postgres, &[("FANDOM_API_TIMEOUT_SECONDS", "4")]).await;
    let email = people::account(&service, "analyst", &[], &[]).await;
    service.run("begin; lock table app.users in access exclusive mode").await;
    let begun = Instant::now();
    let names: Vec<String> = (0..10).map(|place| format!("somebody{place}@example.com")).collect();
    let answers = join_all(names.iter().map(|name| people::sign_in(&service, name, PASSWORD))).await;
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    for answer in &answers {
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert!(answer.headers.contains_key("retry-after"));
    }
    let no_connection = answers.iter().filter(|answer| answer.text.contains("no connection")).count();
    assert!(no_connection >= 6, "{no_connection} were sent away for want of a connection");
    assert_eq!(service.get("/fans").await.status, 200, "figures have connections of their own");
    service.run("commit").await;
    let begun = Instant::now();
    while people::sign_in(&service, &email, PASSWORD).await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(8), "nobody can sign in any more");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
