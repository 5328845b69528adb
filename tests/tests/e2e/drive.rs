//! The Drive source, over real Kafka and Postgres and the simulated Drive: files come, change, move and go, Drive fails, the
//! connector is killed; in the end the tables are right.

mod dashboards;
mod stage;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use dashboards::{Dashboard, settle};
use fandom_drive_sim::Faults;
use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::Part;
use stage::{PATIENCE, Stage};

/// A moment before all files of the tests, in milliseconds since the Unix epoch.
const START: i64 = 1_793_000_000_000;

/// How a file leaves the folder.
const WAYS: [&str; 4] = ["trash", "move out", "unshare", "delete"];

/// Every file of an agency that a stage does not have leaves in one of four ways, and comes back by its contrary.
async fn agency_in_drive(agency: &Agency, native: bool, between: impl Fn(&mut Stage)) {
    let mut stage = Stage::running(&agency.settings()).await;
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut away: HashMap<String, &str> = HashMap::new();
    let mut folders: HashMap<String, String> = HashMap::new();
    for (round, name) in ["a", "b", "c", "d", "b"].into_iter().enumerate() {
        let files = agency.files(name);
        let drive = stage.simulator.drive();
        let gone: Vec<String> =
            ids.keys().filter(|file| !files.contains(file) && !away.contains_key(*file)).cloned().collect();
        for (at, file) in gone.into_iter().enumerate() {
            let (id, way) = (ids[&file].clone(), WAYS[(at + round) % WAYS.len()]);
            match way {
                "trash" => drive.trash(&id),
                "move out" => drive.move_to(&id, &stage.elsewhere),
                "unshare" => drive.unshare(&id),
                _ => {
                    drive.delete(&id);
                    ids.remove(&file);
                    continue;
                }
            }
            away.insert(file, way);
        }
        for file in &files {
            let (folder, base) = file.rsplit_once('/').unwrap_or(("", file));
            let parent = match folder {
                "" => stage.folder.clone(),
                name => {
                    folders.entry(name.to_owned()).or_insert_with(|| drive.folder(Some(&stage.folder), name)).clone()
                }
            };
            match (ids.get(file), away.remove(file)) {
                (Some(id), Some("trash")) => drive.untrash(id),
                (Some(id), Some("move out")) => drive.move_to(id, &parent),
                (Some(id), Some("unshare")) => drive.share(id),
                (Some(_), _) => {}
                (None, _) => {
                    let (bytes, modified_ms) = agency.content(file);
                    let id = match native && base.starts_with('(') && base.ends_with(".xlsx") {
                        true => drive.sheet(&parent, base, &bytes, modified_ms),
                        false => drive.file(&parent, base, &bytes, modified_ms),
                    };
                    ids.insert(file.clone(), id);
                }
            }
        }
        let what = format!("{} in Drive, stage {name}, round {round}", agency.name);
        stage
            .suite
            .eventually(&what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, name).await })
            .await;
        between(&mut stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_whose_exports_land_in_drive() {
    agency_in_drive(&Agency::checked_in("northlight"), false, |_| ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_native_sheets_while_everything_fails_and_is_killed() {
    agency_in_drive(&Agency::checked_in("southlight"), true, |stage| {
        stage.suite.kill(Part::Connect);
        stage.simulator.set_faults(Faults {
            quota: 12,
            server_errors: 5,
            refused_tokens: 1,
            truncated: 4,
            wrong_checksums: 2,
            expired_page_tokens: 1,
            page_size: 2,
            ..Faults::default()
        });
        stage.suite.run(Part::Connect);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_files_and_what_becomes_of_them() {
    let stage = Stage::start(&[]).await;
    let drive = stage.simulator.drive();
    let mut live: BTreeMap<String, Dashboard> = BTreeMap::new();
    let put = |parent: &str, at: u32| {
        let file = Dashboard::of(format!("Chatter {}", at % 12), at * 40..at * 40 + 50);
        let id = drive.file(parent, &format!("export {at}.csv"), &file.csv(), START + i64::from(at) * 1000);
        (id, file)
    };
    let months: Vec<String> = (0..5).map(|at| drive.folder(Some(&stage.folder), &format!("month {at}"))).collect();
    let weeks: Vec<String> = (0..5).map(|at| drive.folder(Some(&months[at]), "week")).collect();
    for at in 0..200 {
        let parent = [&stage.folder, &months[at as usize % 5], &weeks[at as usize % 5]][at as usize % 3];
        live.extend([put(parent, at)]);
    }
    drive.file(&stage.folder, "notes.txt", b"not a workbook", START);
    stage.simulator.set_faults(Faults { page_size: 7, ..Faults::default() });
    let mut stage = stage;
    stage.suite.run(Part::Dataflow);
    stage.suite.run(Part::Connect);
    settle(&stage, "first sync of 200 files", &live).await;
    assert_eq!(stage.source_is("ok").await, "[]");

    let drive = stage.simulator.drive();
    let ids: Vec<String> = live.keys().cloned().collect();
    let changed = Dashboard::of("Chatter 1", 5..500);
    drive.replace(&ids[0], &changed.csv(), START + 900_000);
    live.insert(ids[0].clone(), changed);
    settle(&stage, "a changed file", &live).await;

    // The same time of change and the same size: only the checksum tells.
    let bytes = live[&ids[1]].csv();
    let chatter = live[&ids[1]].chatter.clone();
    let of_same_length = Dashboard { chatter: chatter.replace("Chatter", "Replied"), ..live[&ids[1]].clone() };
    assert_eq!(of_same_length.csv().len(), bytes.len());
    let modified: i64 = {
        let client = stage.suite.client().await.expect("the database answers");
        let sql = "select (extract(epoch from modified_at) * 1000)::int8 from app.uploads where file = $1";
        client.query_one(sql, &[&format!("drive:{}", ids[1])]).await.expect("the file is known").get(0)
    };
    drive.replace(&ids[1], &of_same_length.csv(), modified);
    live.insert(ids[1].clone(), of_same_length);
    settle(&stage, "content that differs only in its checksum", &live).await;

    drive.trash(&ids[2]);
    let trashed = live.remove(&ids[2]).expect("it was there");
    settle(&stage, "a trashed file", &live).await;
    drive.untrash(&ids[2]);
    live.insert(ids[2].clone(), trashed);
    settle(&stage, "a file that came back from the trash", &live).await;

    drive.move_to(&ids[3], &stage.elsewhere);
    let moved = live.remove(&ids[3]).expect("it was there");
    settle(&stage, "a file that was moved out", &live).await;
    drive.shortcut(&stage.folder, "to the file that was moved out", &ids[3]);
    drive.shortcut(&weeks[0], "back to the top", &stage.folder);
    live.insert(ids[3].clone(), moved);
    settle(&stage, "a shortcut", &live).await;

    // A renamed or moved file stays the same file.
    drive.rename(&ids[4], "renamed.csv");
    drive.move_to(&ids[4], &weeks[3]);
    stage
        .suite
        .eventually("a renamed file", PATIENCE, |client| async move {
            let sql = "select count(*) from views.files where file = 'month 3/week/renamed.csv'";
            let shown: i64 = client.query_one(sql, &[]).await?.get(0);
            Ok(if shown == 1 { Vec::new() } else { vec![format!("{shown} files of the new name")] })
        })
        .await;
    settle(&stage, "a renamed file keeps its figures", &live).await;

    let sheet = Dashboard::of("Sheet", 0..60);
    let native = drive.sheet(&stage.folder, "Native", &sheet.xlsx(), START);
    live.insert(native.clone(), sheet.clone());
    settle(&stage, "a native Sheet", &live).await;
    // A new version number without new rows publishes nothing.
    let version = version_of(&stage, &native).await;
    let exports = stage.simulator.calls();
    drive.touch_version(&native);
    while stage.simulator.calls() < exports + 20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(version_of(&stage, &native).await, version, "the rows are the same");

    // Two files with the same content: deleting one keeps the figures.
    let twin = drive.file(&stage.folder, "twin.csv", &live[&ids[5]].csv(), START);
    live.insert(twin.clone(), live[&ids[5]].clone());
    settle(&stage, "two files with the same content", &live).await;
    drive.delete(&ids[5]);
    live.remove(&ids[5]);
    settle(&stage, "one of two files with the same content", &live).await;

    // A whole folder goes and comes back, while the connector is away.
    stage.suite.kill(Part::Connect);
    drive_trash_below(&stage, &weeks[1], &mut live, true).await;
    stage.suite.run(Part::Connect);
    settle(&stage, "a folder that was trashed", &live).await;
    drive_trash_below(&stage, &weeks[1], &mut live, false).await;
    settle(&stage, "a folder that came back", &live).await;
}

/// Trashes a folder, or takes it back; the files below it follow.
async fn drive_trash_below(stage: &Stage, folder: &str, live: &mut BTreeMap<String, Dashboard>, trash: bool) {
    let drive = stage.simulator.drive();
    if trash {
        drive.trash(folder);
    } else {
        drive.untrash(folder);
    }
    // Every file in `week` of month 1 was made with a number that leaves 1 when divided by 5 and 2 when divided by 3.
    for at in (0..200u32).filter(|at| at % 3 == 2 && at % 5 == 1) {
        let file = Dashboard::of(format!("Chatter {}", at % 12), at * 40..at * 40 + 50);
        let client = stage.suite.client().await.expect("the database answers");
        let sql = "select file from app.uploads where name = $1";
        let name = format!("month 1/week/export {at}.csv");
        if let Some(row) = client.query_opt(sql, &[&name]).await.expect("the database answers") {
            let id = row.get::<_, String>(0).trim_start_matches("drive:").to_owned();
            if trash {
                live.remove(&id);
            } else {
                live.insert(id, file);
            }
        }
    }
}

async fn version_of(stage: &Stage, id: &str) -> i64 {
    let client = stage.suite.client().await.expect("the database answers");
    let sql = "select live_version from app.uploads where file = $1";
    client.query_one(sql, &[&format!("drive:{id}")]).await.expect("the file is known").get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_killed_at_any_step_ends_right() {
    let mut stage = Stage::start(&[]).await;
    stage.suite.run(Part::Dataflow);
    let mut live: BTreeMap<String, Dashboard> = BTreeMap::new();
    for at in 0..6u32 {
        let file = Dashboard::of(format!("Chatter {at}"), at * 100..at * 100 + 3000);
        let id = stage.simulator.drive().file(&stage.folder, &format!("{at}.csv"), &file.csv(), START);
        live.insert(id, file);
    }
    // At first the whole listing is in question, then changes.
    for (round, point) in [
        "drive.listed=1",
        "drive.before_promote=1",
        "drive.after_promote=1",
        "drive.download=3",
        "drive.downloaded=1",
        "connector.before_begin=1",
        "connector.rows=2",
        "connector.before_manifest=1",
        "connector.after_manifest=1",
        "connector.before_live=1",
        "drive.changes=1",
        "drive.before_promote=1",
        "drive.after_promote=1",
        "drive.download=1",
        "drive.downloaded=1",
    ]
    .into_iter()
    .enumerate()
    {
        let drive = stage.simulator.drive();
        let number = u32::try_from(round).expect("small");
        // Something new, something changed, something that goes.
        let new = Dashboard::of("New", number * 50..number * 50 + 60);
        let added = drive.file(&stage.folder, &format!("new {round}.csv"), &new.csv(), START + i64::from(number));
        live.insert(added, new);
        let first = live.keys().next().cloned().expect("there are files");
        let changed = Dashboard::of("Changed", number..number + 700);
        drive.replace(&first, &changed.csv(), START + 1000 + i64::from(number));
        live.insert(first, changed);
        let last = live.keys().next_back().cloned().expect("there are files");
        if round % 2 == 0 {
            drive.trash(&last);
            live.remove(&last);
        }
        stage.suite.run_with(Part::Connect, &[("FANDOM_FAILPOINTS", point)]);
        let begun = Instant::now();
        while stage.suite.ended(Part::Connect).is_none() {
            assert!(begun.elapsed() < PATIENCE, "it never passed {point}\n{}", stage.suite.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stage.suite.kill(Part::Connect);
        stage.suite.run(Part::Connect);
        settle(&stage, &format!("killed at {point}"), &live).await;
        stage.suite.kill(Part::Connect);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_storm_is_waited_for_and_shown() {
    let mut stage = Stage::running(&[]).await;
    let drive = stage.simulator.drive();
    let mut live: BTreeMap<String, Dashboard> = BTreeMap::new();
    let put = |name: &str, from: u32| {
        let file = Dashboard::of("Mila", from..from + 100);
        (drive.file(&stage.folder, name, &file.csv(), START), file)
    };
    live.extend([put("a.csv", 0)]);
    settle(&stage, "before the storm", &live).await;
    stage.simulator.set_faults(Faults { quota: 1_000_000, ..Faults::default() });
    live.extend((0..20).map(|at| put(&format!("{at}.csv"), at * 150)));
    let troubles = stage.source_is("partly").await;
    assert!(troubles.contains("quota") && troubles.contains("\"permanent\": false"), "{troubles}");
    let before = stage.simulator.calls();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = stage.simulator.calls() - before;
    assert!(asked < 60, "{asked} calls in two seconds of a storm");
    stage.simulator.set_faults(Faults { quota: 25, ..Faults::default() });
    settle(&stage, "after the storm", &live).await;
    stage.source_is("ok").await;
    let _ = &mut stage;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_wrong_is_shown_with_what_to_do() {
    let mut stage = Stage::running(&[]).await;
    let mut live: BTreeMap<String, Dashboard> = BTreeMap::new();
    let (good, bad) = (Dashboard::of("Mila", 0..100), Dashboard::of("Jo", 0..100));
    let drive = stage.simulator.drive();
    let readable = drive.file(&stage.folder, "good.csv", &good.csv(), START);
    live.insert(readable.clone(), good);
    settle(&stage, "a file that may be read", &live).await;

    // One that may be listed, but not read.
    let reserved = Dashboard::of("Jo", 0..100);
    stage.simulator.set_faults(Faults { page_size: 3, ..Faults::default() });
    let forbidden = drive.file(&stage.elsewhere, "bad.csv", &reserved.csv(), START);
    stage.simulator.set_faults(Faults { forbidden: [forbidden.clone()].into(), ..Faults::default() });
    drive.move_to(&forbidden, &stage.folder);
    let begun = Instant::now();
    let error = loop {
        match stage.upload(&forbidden).await {
            Some((state, None, Some(error))) if state == "failed" => break error,
            found => assert!(begun.elapsed() < PATIENCE, "{found:?}\n{}", stage.suite.logs()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(error.contains("insufficientFilePermissions") && error.contains("share it with reader@"), "{error}");
    settle(&stage, "beside a file that may not be read", &live).await;
    stage.simulator.set_faults(Faults::default());
    drive.replace(&forbidden, &bad.csv(), START + 5000);
    live.insert(forbidden.clone(), bad);
    settle(&stage, "a file that may be read now", &live).await;

    // The folder itself is unshared: nothing is taken back, but the trouble is shown.
    drive.unshare(&stage.folder);
    let troubles = stage.source_is("partly").await;
    assert!(troubles.contains("share it with reader@") && troubles.contains("\"permanent\": true"), "{troubles}");
    stage.suite.kill(Part::Connect);
    stage.suite.run(Part::Connect);
    stage.source_is("partly").await;
    settle(&stage, "a folder that is not shared any more", &live).await;
    drive.share(&stage.folder);
    stage.source_is("ok").await;
    drive.trash(&readable);
    live.remove(&readable);
    settle(&stage, "a folder that is shared again", &live).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_have_settings_of_their_own_and_shared_drives_are_followed() {
    let mut stage = Stage::start(&[]).await;
    let drive = stage.simulator.drive();
    let shared = drive.shared_drive("Agency");
    let below = drive.folder(Some(&shared), "Fansly exports");
    let csv = |creator: &str| {
        format!(
            "Sender,Creator,Creator Message,Sent time,Sent date,Price,Purchased,Source,Sent to\nMila,{creator},hi,01:30:00,2026-10-21,$5.00,yes,Chat,Fan (u1)\n"
        )
    };
    drive.file(&stage.folder, "a.csv", csv("Tania").as_bytes(), START);
    let second = drive.file(&below, "b.csv", csv("Leya").as_bytes(), START);
    let folders = format!("{}, {shared};zone=America/New_York;platform=Fansly;interval_ms=50", stage.folder);
    stage.suite.settings.push(("FANDOM_DRIVE_FOLDERS".into(), folders));
    stage.suite.run(Part::Dataflow);
    stage.suite.run(Part::Connect);
    let hours = |expected: Vec<(&'static str, &'static str)>| {
        move |client: tokio_postgres::Client| {
            let expected = expected.clone();
            async move {
                let sql = "select creator, to_char(hour at time zone 'UTC', 'YYYY-MM-DD HH24') from views.chatter_hour order by 1";
                let rows = client.query(sql, &[]).await?;
                let found: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
                let right = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).eq(expected.iter().copied());
                Ok(if right { Vec::new() } else { vec![format!("{found:?} in place of {expected:?}")] })
            }
        }
    };
    // Half past one in New York is half past five in UTC.
    let both = vec![("Leya (Fansly)", "2026-10-21 05"), ("Tania (OF)", "2026-10-21 01")];
    stage.suite.eventually("two folders", PATIENCE, hours(both)).await;
    // Moved from the one folder to the other it is the same file, read in another way.
    stage.simulator.drive().move_to(&second, &stage.folder);
    let moved = vec![("Leya (OF)", "2026-10-21 01"), ("Tania (OF)", "2026-10-21 01")];
    stage.suite.eventually("moved between folders", PATIENCE, hours(moved)).await;
    assert_eq!(stage.upload(&second).await.map(|(state, rows, _)| (state, rows)), Some(("live".into(), Some(1))));
}
