//! Records on the log that no connector of the suite wrote: what cannot be believed never counts, what follows the schemas does, and
//! the dataflow goes on.

use std::time::Duration;

use fandom_schemas::keys::{partition, row_key};
use fandom_schemas::manifest::{Checksum, FileState, MANIFEST_KIND, Manifest, Sheet};
use fandom_schemas::rows::Kind;
use fandom_schemas::topics::{DEFAULT_PARTITIONS, ROWS, header};
use fandom_tests::agency::Agency;
use fandom_tests::expected::differences_at;
use fandom_tests::suite::{Part, Suite};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

/// Puts records on the log as another program would.
struct Stranger(FutureProducer);

impl Stranger {
    async fn send(&self, partition: u32, kind: &str, key: &str, value: &[u8]) {
        let headers = OwnedHeaders::new().insert(Header { key: header::KIND, value: Some(kind) });
        let record = FutureRecord::to(ROWS).partition(partition.cast_signed()).key(key).payload(value).headers(headers);
        self.0.send(record, PATIENCE).await.expect("the broker takes the record");
    }

    /// A version of a file, with a manifest that agrees with its rows.
    async fn publish(&self, file: &str, rows: &[(u64, Value)], change: impl FnOnce(&mut Manifest)) {
        let place = partition(file, DEFAULT_PARTITIONS);
        let mut checksum = Checksum::default();
        for (ordinal, row) in rows {
            let (key, value) = (row_key(file, 1, *ordinal), row.to_string());
            checksum.add(key.as_bytes(), value.as_bytes());
            self.send(place, row["kind"].as_str().expect("a kind"), &key, value.as_bytes()).await;
        }
        let mut manifest = manifest(file, rows.len() as u64, checksum);
        change(&mut manifest);
        let manifest = serde_json::to_vec(&manifest).expect("a manifest is JSON");
        self.send(place, MANIFEST_KIND, file, &manifest).await;
    }
}

fn manifest(file: &str, rows: u64, checksum: Checksum) -> Manifest {
    let sheet = Sheet {
        position: 0,
        name: Some("Messages".to_owned()),
        kind: Some(Kind::Message),
        rows_read: rows,
        accepted: rows,
        rejected: 0,
        rejects: Vec::new(),
        doubtful_times: 0,
        warnings: [].into(),
    };
    Manifest {
        file: file.to_owned(),
        version: 1,
        state: FileState::Live,
        name: file.to_owned(),
        zone: "UTC".to_owned(),
        exported_at: 1_780_000_000,
        modified_at: 1_780_000_000,
        rows,
        checksum: checksum.to_hex(),
        sheets: vec![sheet],
    }
}

fn message(sent_at: i64, price_cents: i64, text: &str) -> Value {
    json!({
        "kind": "message", "sheet": 0, "row": 2, "creator": "Strange", "platform": "OF", "chatter": "Stranger",
        "fan": "stranger", "nickname": null, "sent_at": sent_at, "price_cents": price_cents, "purchased": false,
        "source": "Chat", "reply_seconds": null, "fan_replied": false, "characters": 1, "text_hash": text,
    })
}

fn period(row: u32, first_day: &str, messages_sent: i64) -> Value {
    json!({
        "kind": "employee_period", "sheet": 0, "row": row, "granularity": "by_employee", "chatter": "Stranger",
        "creators": [{ "name": "Strange", "platform": "OF" }], "first_day": first_day, "last_day": first_day,
        "start_at": 1_780_000_000 + i64::from(first_day.ends_with('2')), "end_at": 1_780_000_100, "start": "a", "end": "b",
        "figures": { "messages_sent": messages_sent },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_strangers_do_not_stop_the_dataflow() {
    let agency = &Agency::checked_in("northlight");
    let mut suite = Suite::start(&agency.settings()).await.expect("the servers start");
    suite.run(Part::Connect);
    suite.run(Part::Dataflow);
    agency.place(&suite.inbox, &agency.files("a"));
    let at = async |suite: &Suite, stage: &'static str, what: &str| {
        suite
            .eventually(what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, stage).await })
            .await;
    };
    at(&suite, "a", "stage a").await;

    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &suite.kafka.bootstrap_servers);
    let stranger = Stranger(config.create().expect("a producer"));
    let same = |_: &mut Manifest| {};
    let now = 1_780_000_000;
    stranger.publish("x:year", &[(0, message(i64::MAX, 0, "a"))], same).await;
    stranger.publish("x:before", &[(0, message(-62_000_000_000, 0, "a"))], same).await;
    stranger.publish("x:price", &[(0, message(now, i64::MAX, "a"))], same).await;
    stranger.publish("x:debt", &[(0, message(now, i64::MIN, "a"))], same).await;
    stranger.publish("x:day", &[(0, period(2, "9999-12-30", 1))], same).await;
    stranger.publish("x:count", &[(0, period(2, "2026-05-01", i64::MAX))], same).await;
    stranger.publish("x:exported", &[(0, message(now, 0, "a"))], |it| it.exported_at = i64::MAX).await;
    stranger.publish("x:version", &[(0, message(now, 0, "a"))], |it| it.version = u64::MAX).await;
    stranger.publish("x:sheets", &[(0, message(now, 0, "a"))], |it| it.sheets = vec![it.sheets[0].clone(); 2]).await;
    stranger.send(0, "manifest", "x:json", b"\xff\xfe not JSON").await;
    stranger.send(1, "message", "x:json/1/0", br#"{"kind":"message","sheet":-1}"#).await;
    // These follow the schemas, however oddly.
    let far =
        [(u64::MAX - 1, message(now, 1, "far")), (0, message(now, 2, "near")), (9_000_000, message(now, 4, "between"))];
    stranger.publish("x:ordinals", &far, same).await;
    let twice = [(0, period(7, "2026-05-01", 5)), (1, period(7, "2026-05-02", 6))];
    stranger.publish("x:twice", &twice, same).await;

    suite
        .eventually("what the strangers may say", PATIENCE, |client| async move {
            let told = "select (select coalesce(sum(messages_sent), 0)::text || ' messages' from views.chatter_all
                                 where chatter = 'Stranger') || ', ' ||
                               (select count(*)::text || ' reported' from views.reconciliation where employee = 'Stranger') || ', ' ||
                               (select string_agg(file, ' ' order by file) from views.files where file like 'x:%')";
            let row = client.query_one(told, &[]).await?;
            let found: Option<String> = row.get(0);
            let wanted = "3 messages, 1 reported, x:ordinals x:twice";
            Ok(if found.as_deref() == Some(wanted) { Vec::new() } else { vec![format!("{found:?}, not {wanted}")] })
        })
        .await;
    for file in ["x:ordinals", "x:twice"] {
        let mut gone = manifest(file, 0, Checksum::default());
        (gone.version, gone.state, gone.sheets) = (2, FileState::Gone, Vec::new());
        let gone = serde_json::to_vec(&gone).expect("a manifest is JSON");
        stranger.send(partition(file, DEFAULT_PARTITIONS), MANIFEST_KIND, file, &gone).await;
    }

    agency.place(&suite.inbox, &agency.files("b"));
    at(&suite, "b", "stage b").await;
    assert!(suite.ended(Part::Dataflow).is_none(), "the dataflow has ended\n{}", suite.logs());
    suite.kill(Part::Dataflow);
    suite.run(Part::Dataflow);
    agency.place(&suite.inbox, &agency.files("c"));
    at(&suite, "c", "stage c, with what strangers wrote read again").await;
}
