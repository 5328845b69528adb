//! The connector alone, over real Kafka and Postgres: what a reader of the log finds when files come, change, move and
//! go, and when the connector, the broker or the database is killed in between.

#![expect(clippy::disallowed_methods, reason = "the test ends what it starts")]

mod lost;
mod reader;

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use fandom_tests::suite::{Part, Suite};
use fandom_tests::topic::each_record;
use reader::{expect_sound, read_log};

const PATIENCE: Duration = Duration::from_secs(120);

/// A message dashboard of that many rows. `text` makes its content differ from that of others.
fn dashboard(rows: usize, text: &str) -> String {
    let mut csv = String::from("Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to\n");
    for row in 0..rows {
        let (minute, second) = (row / 60 % 60, row % 60);
        writeln!(csv, "Mila,Tania (OF),{text} {row},10:{minute:02}:{second:02},2026-10-21,$5.00,no,Chat,Fan (u{row})")
            .expect("a string can be written to");
    }
    csv
}

/// Moves a complete file into the inbox, as a download does.
fn place(suite: &Suite, name: &str, content: &str) {
    let part = suite.inbox.join(format!(".{name}.part"));
    std::fs::write(&part, content).expect("the file can be written");
    std::fs::rename(part, suite.inbox.join(name)).expect("the file can be moved");
}

fn remove(suite: &Suite, name: &str) {
    std::fs::remove_file(suite.inbox.join(name)).expect("the file is there");
}

/// What `app.uploads` says of a file: state, rows that count, error.
type Standing = (String, Option<i64>, Option<String>);

async fn standing(suite: &Suite, name: &str) -> Option<Standing> {
    let client = suite.client().await.ok()?;
    let sql = "select state, live_rows, error from app.uploads where file = $1";
    let row = client.query_opt(sql, &[&format!("inbox:{name}")]).await.ok()??;
    Some((row.get(0), row.get(1), row.get(2)))
}

/// Waits until `app.uploads` says of a file that it is in that state, with that many rows that count.
async fn stands(suite: &Suite, name: &str, state: &str, rows: Option<i64>) -> Option<String> {
    let begun = Instant::now();
    loop {
        let now = standing(suite, name).await;
        match now {
            Some((found, live, error)) if found == state && live == rows => return error,
            now => assert!(
                begun.elapsed() < PATIENCE,
                "{name}: {now:?} in place of {state} with {rows:?} rows\n{}",
                suite.logs()
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn touch(path: &Path, second: u64) {
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let file = std::fs::File::options().write(true).open(path).expect("the file is there");
    file.set_modified(time).expect("its time can be set");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_changes_moves_and_goes() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    suite.run(Part::Connect);

    place(&suite, "a.csv", &dashboard(5000, "first"));
    assert_eq!(stands(&suite, "a.csv", "live", Some(5000)).await, None);
    let first = expect_sound(&suite, "new");
    assert_eq!(first.rows("a.csv"), Some(5000));

    place(&suite, "a.csv", &dashboard(300, "second"));
    stands(&suite, "a.csv", "live", Some(300)).await;
    let second = expect_sound(&suite, "replaced");
    assert!(second.version("a.csv") > first.version("a.csv"));

    // The order of files depends on the time of change, so a touched file is a new version of the same rows.
    touch(&suite.inbox.join("a.csv"), 1_700_000_000);
    let begun = Instant::now();
    while read_log(&suite).version("a.csv") == second.version("a.csv") {
        assert!(begun.elapsed() < PATIENCE, "no new version\n{}", suite.logs());
    }
    stands(&suite, "a.csv", "live", Some(300)).await;
    assert_eq!(expect_sound(&suite, "touched").rows("a.csv"), Some(300));

    place(&suite, "a.csv", "not,a\ndashboard,at all\n");
    let notice = stands(&suite, "a.csv", "live", Some(0)).await;
    assert!(notice.is_some_and(|notice| notice.contains("no sheet was recognised")));
    place(&suite, "a.csv", &dashboard(700, "third"));
    stands(&suite, "a.csv", "live", Some(700)).await;

    std::fs::rename(suite.inbox.join("a.csv"), suite.inbox.join("b.csv")).expect("it can be moved");
    stands(&suite, "b.csv", "live", Some(700)).await;
    stands(&suite, "a.csv", "gone", None).await;
    let moved = expect_sound(&suite, "moved");
    assert_eq!((moved.rows("a.csv"), moved.rows("b.csv")), (None, Some(700)));

    remove(&suite, "b.csv");
    stands(&suite, "b.csv", "gone", None).await;
    assert_eq!(expect_sound(&suite, "removed").rows("b.csv"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_cannot_be_read_leaves_the_version_before() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    suite.run(Part::Connect);
    place(&suite, "a.csv", &dashboard(40, "good"));
    stands(&suite, "a.csv", "live", Some(40)).await;
    let before = read_log(&suite).version("a.csv");
    place(&suite, "a.csv", "");
    let error = stands(&suite, "a.csv", "failed", Some(40)).await.expect("a reason");
    assert!(error.contains("0 bytes") && error.contains("40 rows of the version before still count"), "{error}");
    let found = expect_sound(&suite, "unreadable");
    assert_eq!((found.rows("a.csv"), found.version("a.csv")), (Some(40), before));
    let mut letters = Vec::new();
    each_record(&suite, "fandom.rejects", |_, _, value| letters.extend(value.map(<[u8]>::to_vec)));
    let reject: serde_json::Value = serde_json::from_slice(&letters[0]).expect("a reject");
    assert_eq!((letters.len(), &reject["file"], &reject["row"]), (1, &"inbox:a.csv".into(), &serde_json::Value::Null));

    // One that never counted, beside one that goes on.
    place(&suite, "c.xlsx", "not a zip");
    place(&suite, "d.csv", &dashboard(10, "other"));
    stands(&suite, "c.xlsx", "failed", None).await;
    stands(&suite, "d.csv", "live", Some(10)).await;
    place(&suite, "a.csv", &dashboard(41, "good again"));
    stands(&suite, "a.csv", "live", Some(41)).await;
    remove(&suite, "c.xlsx");
    stands(&suite, "c.xlsx", "gone", None).await;
    assert_eq!(expect_sound(&suite, "good again").rows("c.xlsx"), None);
}

/// What becomes of the file while the connector is down.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meanwhile {
    Nothing,
    Replaced,
    Unreadable,
    Removed,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_as_it_begins_leaves_nothing_half_done() {
    killed_at_each(["before_begin=1", "rows=1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_before_the_end_of_a_file_leaves_nothing_half_done() {
    killed_at_each(["rows=10", "before_manifest=1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_after_a_file_leaves_nothing_half_done() {
    killed_at_each(["after_manifest=1", "before_live=1"]).await;
}

async fn killed_at_each(points: [&str; 2]) {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    let mut number = 0;
    for point in points {
        for meanwhile in [Meanwhile::Nothing, Meanwhile::Replaced, Meanwhile::Unreadable, Meanwhile::Removed] {
            number += 1;
            // Every other file has a version before.
            let (name, what) = (format!("{number}.csv"), format!("killed at {point}, then {meanwhile:?}"));
            let before = (number % 2 == 0).then_some(200);
            if before.is_some() {
                suite.run(Part::Connect);
                place(&suite, &name, &dashboard(200, "old"));
                stands(&suite, &name, "live", before).await;
                suite.kill(Part::Connect);
            }
            place(&suite, &name, &dashboard(10_000, "new"));
            killed_at(&mut suite, point, &what).await;
            let counts = match meanwhile {
                Meanwhile::Nothing => Some(10_000),
                Meanwhile::Replaced => {
                    place(&suite, &name, &dashboard(50, "newer"));
                    Some(50)
                }
                Meanwhile::Unreadable => {
                    place(&suite, &name, "");
                    None
                }
                Meanwhile::Removed => {
                    remove(&suite, &name);
                    None
                }
            };
            suite.run(Part::Connect);
            match meanwhile {
                Meanwhile::Nothing | Meanwhile::Replaced => {
                    stands(&suite, &name, "live", counts).await;
                }
                Meanwhile::Unreadable => {
                    stands(&suite, &name, "failed", before).await;
                    // Whichever version was the last to have a manifest still counts, whole.
                    let had_manifest = matches!(point, "after_manifest=1" | "before_live=1");
                    let rows = if had_manifest { Some(10_000) } else { before };
                    assert_eq!(read_log(&suite).rows(&name), rows.map(|rows| rows.cast_unsigned()), "{what}");
                    place(&suite, &name, &dashboard(60, "good again"));
                    stands(&suite, &name, "live", Some(60)).await;
                }
                Meanwhile::Removed => {
                    // Where nothing of it was ever kept in mind, nothing is to be said of it.
                    if before.is_some() || point != "before_begin=1" {
                        stands(&suite, &name, "gone", None).await;
                    }
                }
            }
            suite.kill(Part::Connect);
            let found = expect_sound(&suite, &what);
            let rows = if meanwhile == Meanwhile::Unreadable { Some(60) } else { counts };
            assert_eq!(found.rows(&name), rows.map(|rows| rows.cast_unsigned()), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_while_it_takes_a_file_back() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    for (number, point) in
        ["before_begin=1", "before_manifest=1", "after_manifest=1", "before_live=1"].iter().enumerate()
    {
        for comes_back in [false, true] {
            let (name, what) = (format!("{number}{comes_back}.csv"), format!("{point}, comes back: {comes_back}"));
            suite.run(Part::Connect);
            place(&suite, &name, &dashboard(500, "text"));
            stands(&suite, &name, "live", Some(500)).await;
            suite.kill(Part::Connect);
            // It comes back with the same content, size and time, as if it had never been away.
            let away = suite.inbox.join(format!(".{name}"));
            std::fs::rename(suite.inbox.join(&name), &away).expect("it can be moved");
            killed_at(&mut suite, point, &what).await;
            if comes_back {
                std::fs::rename(&away, suite.inbox.join(&name)).expect("it can be moved");
            }
            suite.run(Part::Connect);
            match comes_back {
                true => stands(&suite, &name, "live", Some(500)).await,
                false => stands(&suite, &name, "gone", None).await,
            };
            suite.kill(Part::Connect);
            assert_eq!(expect_sound(&suite, &what).rows(&name), comes_back.then_some(500), "{what}");
        }
    }
}

/// Runs the connector until it dies at that fail point.
async fn killed_at(suite: &mut Suite, point: &str, what: &str) {
    suite.run_with(Part::Connect, &[("FANDOM_FAILPOINTS", &format!("connector.{point}"))]);
    let begun = Instant::now();
    while suite.ended(Part::Connect).is_none() {
        assert!(begun.elapsed() < PATIENCE, "{what}: it does not die\n{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    suite.kill(Part::Connect);
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_and_database_killed_while_a_file_is_published() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "100")]).await.expect("the servers start");
    suite.run(Part::Connect);
    for round in 0..3u64 {
        let name = format!("{round}.csv");
        place(&suite, &name, &dashboard(150_000, &format!("round {round}")));
        tokio::time::sleep(Duration::from_millis(300 + 150 * round)).await;
        suite.kafka.kill().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        suite.kafka.start_again().await.expect("the broker starts again");
        suite.postgres.kill().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        suite.postgres.start_again().await.expect("the database starts again");
        stands(&suite, &name, "live", Some(150_000)).await;
        assert_eq!(expect_sound(&suite, &name).rows(&name), Some(150_000));
    }
    assert!(suite.ended(Part::Connect).is_none(), "the connector waits for what is away\n{}", suite.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_away_takes_nothing_back() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "50")]).await.expect("the servers start");
    suite.run(Part::Connect);
    place(&suite, "a.csv", &dashboard(10, "text"));
    stands(&suite, "a.csv", "live", Some(10)).await;
    let away = suite.inbox.with_extension("away");
    std::fs::rename(&suite.inbox, &away).expect("it can be moved");
    tokio::time::sleep(Duration::from_millis(800)).await;
    let log = std::fs::read_to_string(suite.log(Part::Connect)).expect("a log");
    assert_eq!(log.matches("source cannot be looked at").count(), 1, "said once:\n{log}");
    assert_eq!(standing(&suite, "a.csv").await.map(|(state, rows, _)| (state, rows)), Some(("live".into(), Some(10))));
    std::fs::rename(&away, &suite.inbox).expect("it can be moved");
    place(&suite, "b.csv", &dashboard(20, "text"));
    stands(&suite, "b.csv", "live", Some(20)).await;
    assert_eq!(expect_sound(&suite, "back").rows("a.csv"), Some(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_connector_waits_until_the_first_ends() {
    let mut suite = Suite::start(&[("FANDOM_POLL_MS", "50")]).await.expect("the servers start");
    suite.run(Part::Connect);
    place(&suite, "a.csv", &dashboard(10, "text"));
    stands(&suite, "a.csv", "live", Some(10)).await;
    let log = suite.inbox.with_extension("second.log");
    let stderr = std::fs::File::create(&log).expect("a log can be made");
    let mut second = suite.command("connect").stderr(stderr).spawn().expect("it can be started");
    let said = |text: &str| std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
    let begun = Instant::now();
    while !said("another connector serves this source") {
        assert!(begun.elapsed() < PATIENCE, "{:?}", std::fs::read_to_string(&log));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!said("source is served"));
    suite.kill(Part::Connect);
    place(&suite, "b.csv", &dashboard(20, "text"));
    stands(&suite, "b.csv", "live", Some(20)).await;
    let _ = second.kill();
    let _ = second.wait();
    assert!(said("source is served"));
    assert_eq!(expect_sound(&suite, "second").rows("b.csv"), Some(20));
}
