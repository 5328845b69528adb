//! Ten minutes of files that come, change and go while every part is killed at random: at ten moments, and in the end, the
//! tables are right, and no reader ever sees views of two epochs at once. Run by `make soak`; `FANDOM_SOAK_MINUTES` sets how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fandom_tests::agency::Agency;
use fandom_tests::changelogs;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};

const PATIENCE: Duration = Duration::from_secs(120);
/// At so many moments the tables are compared with the truth.
const MOMENTS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: `make soak`"]
async fn nothing_is_lost_while_everything_dies() {
    let minutes: f64 = std::env::var("FANDOM_SOAK_MINUTES").map_or(10.0, |text| text.parse().expect("minutes"));
    let length = Duration::from_secs_f64(minutes * 60.0);
    let agency = &Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.push(("FANDOM_WORKERS", "2"));
    let mut suite = Suite::start(&settings).await.expect("the servers start");
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    let readers = Readers::start(&suite.postgres.database_url);
    let mut chance = Chance(std::process::id().into());
    eprintln!("seed {}", chance.0);

    let begun = Instant::now();
    let (mut kills, mut changes) = (0, 0);
    for moment in 1..=MOMENTS {
        while begun.elapsed() < length * moment / MOMENTS {
            agency.place(&suite.inbox, &agency.files(["a", "b", "c", "d"][chance.below(4)]));
            changes += 1;
            tokio::time::sleep(Duration::from_millis(100 + chance.below(1_900) as u64)).await;
            match chance.below(6) {
                0 | 1 => {
                    suite.kill(Part::Dataflow);
                    suite.run(Part::Dataflow);
                }
                2 | 3 => {
                    suite.kill(Part::Connect);
                    suite.run(Part::Connect);
                }
                4 => {
                    suite.kafka.kill().await;
                    suite.kafka.start_again().await.expect("the broker starts again");
                }
                _ => {
                    suite.postgres.kill().await;
                    suite.postgres.start_again().await.expect("the database starts again");
                }
            }
            kills += 1;
        }
        let stage = ["a", "b", "c", "d"][chance.below(4)];
        agency.place(&suite.inbox, &agency.files(stage));
        let what = format!("moment {moment} of {MOMENTS}, stage {stage}, after {kills} kills");
        suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
        eprintln!("{what}: 0 differences");
    }
    let suite = &suite;
    suite
        .eventually("the changelogs", PATIENCE, |client| async move { changelogs::differences(suite, &client).await })
        .await;
    let client = suite.client().await.expect("the database answers");
    let records = "select sum(value::bigint)::bigint from views.progress, jsonb_each_text(bindings)";
    let records: i64 = client.query_one(records, &[]).await.expect("a row").get(0);
    let (looks, epochs) = readers.finish();
    eprintln!(
        "{kills} kills, {changes} changes of the folder, {records} records of the log, {looks} reads of all views in one \
         statement, at {epochs} commits or more, 0 differences"
    );
}

/// What all views must agree on, whatever the epoch: messages by chatter and day, month and all time, by creator and by fan.
const AGREED: &str = "select sum, epoch from views.progress, (
    select coalesce(sum(messages_sent), 0)::bigint as sum from views.chatter_hour
    union select coalesce(sum(messages_sent), 0)::bigint from views.chatter_day
    union select coalesce(sum(messages_sent), 0)::bigint from views.chatter_month
    union select coalesce(sum(messages_sent), 0)::bigint from views.chatter_all
    union select coalesce(sum(messages), 0)::bigint from views.creator_day
    union select coalesce(sum(messages_received), 0)::bigint from views.fan_measures) sums";

/// Reads all views in one statement, all the time.
struct Readers {
    ending: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    /// How many epochs were seen.
    epochs: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Readers {
    fn start(url: &str) -> Readers {
        let (ending, looks, epochs) = (Arc::<AtomicBool>::default(), Arc::default(), Arc::default());
        let (url, stop) = (url.to_owned(), Arc::clone(&ending));
        let (looked, passed): (Arc<AtomicU64>, Arc<AtomicU64>) = (Arc::clone(&looks), Arc::clone(&epochs));
        let task = tokio::spawn(async move {
            let mut last = 0i64;
            while !stop.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
                    continue;
                };
                tokio::spawn(connection);
                while let Ok(rows) = client.query(AGREED, &[]).await {
                    let sums: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
                    assert_eq!(sums.len(), 1, "views of different epochs: {sums:?}");
                    looked.fetch_add(1, Ordering::SeqCst);
                    let epoch: i64 = rows[0].get(1);
                    assert!(epoch >= last, "epoch {epoch} after {last}");
                    passed.fetch_add(u64::from(epoch > last), Ordering::SeqCst);
                    last = epoch;
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        Readers { ending, looks, epochs, task }
    }

    /// How often they looked, and how many epochs they saw.
    fn finish(self) -> (u64, u64) {
        self.ending.store(true, Ordering::SeqCst);
        assert!(!self.task.is_finished(), "a reader saw views of different epochs");
        (self.looks.load(Ordering::SeqCst), self.epochs.load(Ordering::SeqCst))
    }
}

/// Numbers at random; the seed is printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
