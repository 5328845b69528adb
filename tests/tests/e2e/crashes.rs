//! Every part is killed, at random moments and just before and after each commit, while files come and go: in the end the
//! tables are right, and so are the topics that tell their changes, and on the way no view is ever empty again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fandom_tests::agency::Agency;
use fandom_tests::changelogs;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};

const PATIENCE: Duration = Duration::from_secs(120);

/// Where a part aborts by itself, with the part that passes there.
const FAIL_POINTS: [(Part, &str); 10] = [
    (Part::Connect, "connector.before_begin=1"),
    (Part::Connect, "connector.before_manifest=2"),
    (Part::Connect, "connector.after_manifest=1"),
    (Part::Connect, "connector.before_live=2"),
    (Part::Dataflow, "sink.before_commit=1"),
    (Part::Dataflow, "sink.after_commit=1"),
    (Part::Dataflow, "sink.before_commit=3"),
    (Part::Dataflow, "sink.after_commit=2"),
    (Part::Dataflow, "changelog.before_write=2"),
    (Part::Dataflow, "changelog.after_write=1"),
];

/// What is killed at a random moment.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Part(Part),
    Broker,
    Database,
}

const VICTIMS: [Victim; 12] = [
    Victim::Part(Part::Connect),
    Victim::Part(Part::Dataflow),
    Victim::Broker,
    Victim::Part(Part::Connect),
    Victim::Database,
    Victim::Part(Part::Dataflow),
    Victim::Database,
    Victim::Broker,
    Victim::Part(Part::Dataflow),
    Victim::Part(Part::Connect),
    Victim::Database,
    Victim::Broker,
];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_and_double_nothing() {
    let agency = &Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.push(("FANDOM_WORKERS", "2"));
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    let watch = Watch::start(&suite.postgres.database_url);
    let mut moments = Moments(0x5eed);
    let mut stages = ["c", "d", "b"].into_iter().cycle();
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    // Most files stay through all stages, so that there is always something to show.
    agency.place(&suite.inbox, &agency.files("b"));
    suite
        .eventually("before the first kill", PATIENCE, |client| async move {
            differences_at(&client, &agency.expected, "b").await
        })
        .await;
    watch.expect_rows();

    let mut kills = 0;
    for victim in VICTIMS {
        agency.place(&suite.inbox, &agency.files(stages.next().expect("a cycle has no end")));
        tokio::time::sleep(moments.up_to(Duration::from_millis(900))).await;
        match victim {
            Victim::Part(part) => {
                suite.kill(part);
                suite.run(part);
            }
            Victim::Broker => {
                suite.kafka.kill().await;
                suite.kafka.start_again().await.expect("the broker starts again");
            }
            Victim::Database => {
                suite.postgres.kill().await;
                suite.postgres.start_again().await.expect("the database starts again");
            }
        }
        kills += 1;
    }
    for (part, point) in FAIL_POINTS {
        suite.kill(part);
        suite.run_with(part, &[("FANDOM_FAILPOINTS", point)]);
        // Something to commit, then something else, until the part has passed there.
        let begun = Instant::now();
        while suite.ended(part).is_none() {
            assert!(begun.elapsed() < PATIENCE, "{part:?} never passed {point}\n{}", suite.logs());
            agency.place(&suite.inbox, &agency.files(stages.next().expect("a cycle has no end")));
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        suite.kill(part);
        suite.run(part);
        kills += 1;
    }
    assert!(kills >= 20, "{kills} kills");

    for stage in ["d", "b"] {
        agency.place(&suite.inbox, &agency.files(stage));
        let what = format!("stage {stage} after {kills} kills");
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
    }
    // The topics follow the tables.
    let begun = Instant::now();
    loop {
        let client = suite.client().await.expect("the database answers");
        let differences = changelogs::differences(&suite, &client).await.expect("the database answers");
        if differences.is_empty() {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{}\n{}", differences.join("\n"), suite.logs());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let looks = watch.finish();
    assert!(looks > 100, "the tables were looked at {looks} times");
    eprintln!("{kills} kills; the tables were looked at {looks} times and were never empty");
}

/// Looks at the tables all the time, whenever the database answers.
struct Watch {
    ending: Arc<AtomicBool>,
    expecting: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
    empty: Arc<AtomicU64>,
}

impl Watch {
    fn start(url: &str) -> Watch {
        let ending: Arc<AtomicBool> = Arc::default();
        let expecting: Arc<AtomicBool> = Arc::default();
        let (looks, empty) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let task = {
            let (url, ending, expecting) = (url.to_owned(), Arc::clone(&ending), Arc::clone(&expecting));
            let (looks, empty) = (Arc::clone(&looks), Arc::clone(&empty));
            tokio::spawn(async move {
                while !ending.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
                        continue;
                    };
                    tokio::spawn(connection);
                    let counts = "select (select count(*) from views.chatter_day), (select count(*) from views.fans), \
                                  (select count(*) from views.files)";
                    let expected = expecting.load(Ordering::SeqCst);
                    let Ok(row) = client.query_one(counts, &[]).await else { continue };
                    looks.fetch_add(1, Ordering::SeqCst);
                    if expected && (0..3).any(|column| row.get::<_, i64>(column) == 0) {
                        empty.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        Watch { ending, expecting, looks, task, empty }
    }

    /// From now on no table may be empty.
    fn expect_rows(&self) {
        self.expecting.store(true, Ordering::SeqCst);
    }

    /// How often it looked; fails if a table was empty.
    fn finish(self) -> u64 {
        self.ending.store(true, Ordering::SeqCst);
        self.task.abort();
        assert_eq!(self.empty.load(Ordering::SeqCst), 0, "looks that found an empty table");
        self.looks.load(Ordering::SeqCst)
    }
}

/// Random moments, the same in each run.
struct Moments(u64);

impl Moments {
    fn up_to(&mut self, longest: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        longest.mul_f64((self.0 >> 33) as f64 / (1u64 << 31) as f64)
    }
}
