//! The message archive: texts are read through the API and stand nowhere in plain, they come and go with their files, and a
//! process that is killed neither loses nor doubles one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use fandom_tests::agency::Agency;
use fandom_tests::api::{Api, client};
use fandom_tests::suite::{Part, Suite};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEW: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";
const WRONG: &str = "WldYWVpbXF1eX2BhYmNkZWZnaGlqa2xtbm9wcXJzdHU=";

/// Chatter, fan, time, text, what the fan wrote, whether it was bought.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, &'a str);

const FIRST: [Row<'_>; 5] = [
    ("Iva", "u900001", "10:00:00", "violet morning", "hello <b>you</b>", "no"),
    ("Iva", "u900001", "10:00:05", "twice the same", "", "no"),
    ("Iva", "u900001", "10:00:05", "twice the same", "", "no"),
    ("Jovan", "u900002", "11:30:00", "paid picture", "", "no"),
    ("-", "u900002", "12:00:00", "nobody wrote this", "", "no"),
];
/// A later export of some of it, with what changed since.
const SECOND: [Row<'_>; 2] = [
    ("Jovan", "u900002", "11:30:00", "paid picture", "", "yes"),
    ("Iva", "u900001", "13:00:00", "the last one", "", "no"),
];

fn csv(rows: &[Row<'_>]) -> String {
    let mut text =
        "Sender,Creator,Fans Message,Creator Message,Sent time,Sent date,Replay time,Price,Purchased,Source,Status,\
                    Sent to\n"
            .to_owned();
    for (chatter, fan, time, message, reply, bought) in rows {
        writeln!(
            text,
            "{chatter},Archie (OF),<p>{reply}</p>,<p>{message}</p>,{time},2026-10-20,5s,$4.00,{bought},Chat,sent,Nick ({fan})"
        )
        .expect("a string takes all");
    }
    text
}

fn place(suite: &Suite, name: &str, content: &str) {
    let fresh = suite.inbox.with_file_name("fresh.csv");
    std::fs::write(&fresh, content).expect("it can be written");
    std::fs::rename(&fresh, suite.inbox.join(name)).expect("it can be moved");
}

/// What the API shows of the creator's messages, the last first: time, chatter, text, what the fan wrote, whether it was bought.
async fn shown(api: &Api, parameters: &[(&str, &str)], limit: usize) -> Vec<[String; 5]> {
    let all = [&[("creator", "Archie")], parameters].concat();
    let pages = api.pages("messages", &all, limit).await;
    let items = pages.iter().flat_map(|page| page.body["items"].as_array().expect("items").clone());
    let field = |item: &Value, name: &str| item[name].as_str().map_or_else(|| item[name].to_string(), str::to_owned);
    items
        .map(|item| {
            let at = field(&item, "sent_at");
            let at = at.split('T').nth(1).expect("an instant").trim_end_matches('Z').to_owned();
            [at, field(&item, "chatter"), field(&item, "text"), field(&item, "fan_message"), field(&item, "purchased")]
        })
        .collect()
}

fn expected(rows: &[Row<'_>]) -> Vec<[String; 5]> {
    let mut rows: Vec<[String; 5]> = rows
        .iter()
        .map(|(chatter, _, time, text, reply, bought)| {
            let chatter = if *chatter == "-" { "null" } else { chatter };
            let reply = if reply.is_empty() { "null".to_owned() } else { reply.replace("<b>", "").replace("</b>", "") };
            [(*time).to_owned(), chatter.to_owned(), (*text).to_owned(), reply, (*bought == "yes").to_string()]
        })
        .collect();
    rows.sort_by(|one, other| other[0].cmp(&one[0]));
    rows
}

async fn until_shown(suite: &Suite, api: &Api, rows: &[Row<'_>]) {
    let (begun, wanted) = (Instant::now(), expected(rows));
    loop {
        let found = shown(api, &[], 2).await;
        if found == wanted {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{found:#?}\ninstead of\n{wanted:#?}\n{}", suite.logs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the archive holds what the views are made of: as many messages and unlocked PPVs of each chatter and creator, and
/// a text for each row, and no other.
async fn until_like_the_views(suite: &Suite, what: &str, least: i64) {
    let sql = "
        with archived as (
            select creator_id, chatter_id, count(*) as messages,
                   count(*) filter (where price_cents > 0 and purchased and source !~* 'mass|welcome|automat') as unlocked
            from app.archive_messages join app.archive_files using (file_id)
            where version = live_version and not shadowed group by 1, 2
        ), viewed as (
            select creator_id, chatter_id, messages_sent + mass_messages as messages, ppvs_unlocked as unlocked
            from views.chatter_all where messages_sent + mass_messages > 0
        )
        select (select count(*) from archived full join viewed using (creator_id, chatter_id)
                where (archived.messages, archived.unlocked) is distinct from (viewed.messages, viewed.unlocked)),
               (select count(*) from app.archive_messages), (select count(*) from app.archive_texts),
               (select count(*) from app.archive_messages join app.archive_texts using (file_id, version, ordinal)),
               (select coalesce(sum(messages), 0)::bigint from viewed)";
    suite
        .eventually(what, PATIENCE, |client| async move {
            let row = client.query_one(sql, &[]).await?;
            let [differences, rows, texts, pairs, messages] = [0, 1, 2, 3, 4].map(|column| row.get::<_, i64>(column));
            let right = differences == 0 && rows == texts && rows == pairs && messages >= least;
            let told =
                format!("{differences} groups differ; {rows} rows, {texts} texts, {pairs} pairs, {messages} messages");
            Ok(if right { Vec::new() } else { vec![told] })
        })
        .await;
}

/// Every byte that the archive's tables hold, as psql shows it.
async fn dump(suite: &Suite) -> String {
    let client = suite.client().await.expect("the database answers");
    let mut text = String::new();
    for table in ["progress", "keys", "files", "waiting", "others", "messages", "texts"] {
        for row in client.query(&format!("select t::text from app.archive_{table} t"), &[]).await.expect("a table") {
            text.push_str(row.get(0));
        }
    }
    text
}

async fn keys_in_use(suite: &Suite) -> BTreeMap<String, i64> {
    let client = suite.client().await.expect("the database answers");
    let rows = client.query("select key_id, count(*) from app.archive_texts group by 1", &[]).await.expect("counts");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

fn with_keys(suite: &mut Suite, keys: &str) {
    suite.settings.retain(|(name, _)| name != "FANDOM_ARCHIVE_KEY");
    suite.settings.push(("FANDOM_ARCHIVE_KEY".to_owned(), keys.to_owned()));
}

async fn api_again(suite: &mut Suite) -> Api {
    suite.kill(Part::Api);
    let _ = std::fs::remove_file(suite.log(Part::Api));
    Api::start(suite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_kept_as_long_as_their_files_and_read_with_the_key_alone() {
    let agency = &Agency::checked_in("northlight");
    let mut settings = agency.settings();
    settings.retain(|(name, _)| *name != "FANDOM_SOURCE_TZ" && *name != "FANDOM_REPORTING_TZ");
    let mut suite = Suite::start(&settings).await.expect("the servers start");

    // Without a key nothing starts.
    let refused = suite.command("archive").output().expect("the program runs");
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && told.contains("FANDOM_ARCHIVE_KEY: is not set"), "{told}");

    with_keys(&mut suite, OLD);
    for part in [Part::Dataflow, Part::Connect, Part::Archive] {
        suite.run(part);
    }
    let api = Api::start(&mut suite).await;

    // Shown through the API, each message once, with what the later export says.
    place(&suite, "chats_20261020140000.csv", &csv(&FIRST));
    until_shown(&suite, &api, &FIRST).await;
    place(&suite, "chats_20261020150000.csv", &csv(&SECOND));
    let mut both = FIRST.to_vec();
    both[3].5 = "yes";
    both.push(SECOND[1]);
    until_shown(&suite, &api, &both).await;
    for (parameters, found) in [
        (&[("chatter", "jovan")][..], 1),
        (&[("chatter", "0")], 1),
        (&[("fan", "u900001")], 4),
        (&[("from", "2026-10-20T10:00:05Z"), ("to", "2026-10-20T11:30:00Z")], 3),
        (&[("from", "2026-10-21")], 0),
        (&[("fan", "u900001"), ("chatter", "Jovan")], 0),
    ] {
        assert_eq!(shown(&api, parameters, 100).await.len(), found, "{parameters:?}");
    }
    assert_eq!(api.ask("messages", &[("sender", "Iva")], None).await.status, 422);
    let mut export = api.url("messages");
    export.set_query(Some("creator=Archie&format=jsonl"));
    let export = client().get(export).send().await.expect("an answer").text().await.expect("a whole body");
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let page = api.ask("messages", &[("creator", "Archie"), ("limit", "100")], None).await;
    assert_eq!(json!(lines), page.body["items"], "an export opens the texts, too");

    // Nowhere in plain.
    let held = dump(&suite).await;
    for secret in ["violet", "twice the same", "hello you"] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!held.contains(secret) && !held.contains(&hex), "{secret} stands in the database");
    }
    assert!(held.len() > 1000, "the tables hold something");

    // Replaced: the older export's value is back. Deleted: only what the other file holds stays.
    place(&suite, "chats_20261020150000.csv", &csv(&SECOND[1..]));
    both[3].5 = "no";
    until_shown(&suite, &api, &both).await;
    std::fs::remove_file(suite.inbox.join("chats_20261020140000.csv")).expect("it is there");
    until_shown(&suite, &api, &SECOND[1..]).await;
    until_like_the_views(&suite, "after a deletion", 1).await;

    // Killed just before and after it commits, while an agency's exports come and go.
    for (stage, point) in
        [("a", "archive.before_commit=1"), ("c", "archive.after_commit=1"), ("b", "archive.before_commit=1")]
    {
        suite.kill(Part::Archive);
        suite.run_with(Part::Archive, &[("FANDOM_FAILPOINTS", point)]);
        let mut files = agency.files(stage);
        files.push("chats_20261020150000.csv".to_owned());
        agency.place(&suite.inbox, &files);
        let begun = Instant::now();
        while suite.ended(Part::Archive).is_none() {
            assert!(begun.elapsed() < PATIENCE, "it never passed {point}\n{}", suite.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        suite.kill(Part::Archive);
        suite.run(Part::Archive);
        until_like_the_views(&suite, &format!("stage {stage}"), 100).await;
    }

    // Another key in front: both are read, new texts are sealed with it, then all.
    let keys = keys_in_use(&suite).await;
    let (1, Some(old_id)) = (keys.len(), keys.into_keys().next()) else { panic!("one key") };
    suite.stop(Part::Archive).await;
    with_keys(&mut suite, &format!("{NEW},{OLD}"));
    suite.run(Part::Archive);
    let api = api_again(&mut suite).await;
    place(&suite, "chats_20261020140000.csv", &csv(&FIRST));
    let mut both = FIRST.to_vec();
    both.push(SECOND[1]);
    until_shown(&suite, &api, &both).await;
    let keys = keys_in_use(&suite).await;
    assert!(keys.len() == 2 && keys.contains_key(&old_id), "{keys:?}");
    let rotated = suite.command("archive").arg("rotate").output().expect("the program runs");
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let keys = keys_in_use(&suite).await;
    assert!(keys.len() == 1 && !keys.contains_key(&old_id), "{keys:?}");
    until_like_the_views(&suite, "with the new key", 100).await;

    // The old key is of no use any more, and neither is a wrong one.
    suite.stop(Part::Archive).await;
    with_keys(&mut suite, NEW);
    suite.run(Part::Archive);
    let api = api_again(&mut suite).await;
    until_shown(&suite, &api, &both).await;
    suite.stop(Part::Archive).await;
    for keys in [OLD, WRONG] {
        with_keys(&mut suite, keys);
        let refused = suite.command("archive").output().expect("the program runs");
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && told.contains("which is not in FANDOM_ARCHIVE_KEY"), "{told}");
    }
    let api = api_again(&mut suite).await;
    let answer = api.ask("messages", &[("creator", "Archie")], None).await;
    assert!(
        answer.status == 503 && answer.body["detail"].to_string().contains("FANDOM_ARCHIVE_KEY"),
        "{}",
        answer.body
    );
}
