//! What an update makes of a database that an earlier release filled: rows survive, and who signed in there still can.

use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::people::{self, PASSWORD, administration, bearer, post, read, send, sign_in, tokens};
use crate::service::Service;

/// The schema of the previous release.
const PREVIOUS: i32 = 40;

/// Tables whose rows are written by the API itself, here as well as there.
const OF_ACCOUNTS: [&str; 5] = ["users", "sessions", "refresh_tokens", "api_keys", "audit"];

/// What connectors, dataflow and archive had written.
const OTHERS: &str = r#"
insert into app.uploads (file, source, name, partition, state, version, live_version, live_rows, rows_read, accepted, rejected)
values ('uploads:crm/u1/a.csv', 'uploads', 'a.csv', 3, 'live', 7, 7, 2, 3, 2, 1), ('inbox:b.xlsx', 'inbox', 'b.xlsx', 1, 'gone', 2, null, null, 1, 1, 0);
insert into app.received (id, file, name, folder, size_bytes, stored_at) values ('u1', 'uploads:crm/u1/a.csv', 'a.csv', 'crm', 12, now());
insert into app.rejects values ('uploads:crm/u1/a.csv', 7, 0, 'S', 3, 'Price', 'unreadable price', array['?']);
insert into app.sources (source, state) values ('inbox', 'ok'), ('uploads', 'ok');
insert into app.folders values ('inbox', '64768:12');
insert into app.ingest_requests (source, what, state, done_at) values ('inbox', 'sync', 'done', now());
insert into app.mappings (name, source, folder, kind, definition) values ('hours', 'uploads', 'hr', 'chatter_day',
    '{"name": "hours", "source": "uploads", "folder": "hr", "kind": "chatter_day", "columns": {"chatter": "who", "day": "when", "messages_sent": "n"}}');
insert into app.tasks (task, kind, state) values ('source inbox', 'source', 'ok');
insert into app.archive_keys values ('k1');
insert into app.archive_files values (5, 'inbox:b.xlsx', 7, 7, 1792569600, 1792569600);
insert into app.archive_messages (file_id, version, ordinal, sheet, checksum, natural_key, creator_id, chatter_id, fan_id, sent_at, price_cents,
    purchased, source, characters) values (5, 7, 0, 0, 1, '\x01', 1, 2, 3, '2026-10-21 05:00Z', 500, true, 'text', 5);
insert into app.archive_texts values (5, 7, 0, 'k1', '\x0102');
insert into app.sign_in_failures values ('\x07', 2, now());
insert into views.creators values (1, 'Tania (OF)', 'Tania', 'OF');
insert into views.sales_day values (1, 2, '2026-10-21', 'Tips', 'Tania (OF)', 'Iva', 1000, 800, 1, 0, 0);
insert into views.fan_measures (creator_id, fan_id, messages_received, ppvs_received, ppvs_unlocked, messages_replied, ppv_spend_cents,
    sales_net_cents, tips_net_cents, purchase_days, spend_cents, spend_class, first_seen, last_seen)
    values (1, 3, 1, 1, 1, 0, 500, 0, 0, 1, 500, 'spender', now(), now());
update views.progress set epoch = 1000;
"#;

/// How many rows each table has.
async fn counts(client: &tokio_postgres::Client) -> Vec<(String, i64)> {
    let names = "select table_schema || '.' || table_name from information_schema.tables
                 where table_schema in ('app', 'views') and table_type = 'BASE TABLE' order by 1";
    let mut counts = Vec::new();
    for row in client.query(names, &[]).await.expect("tables") {
        let name: String = row.get(0);
        let count = client.query_one(&format!("select count(*) from {name}"), &[]).await.expect("a count").get(0);
        counts.push((name, count));
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_the_previous_release_is_taken_over() {
    // Accounts as that release wrote them: what it stored of them is what is stored now.
    let made = Service::start().await;
    let email = people::account(&made, "analyst", &[], &[]).await;
    let key = administration(&made).add_key("a board", "service", Some(vec!["figures.read".to_owned()]), 30).await;
    let (key, signed_in) = (key.expect("a key"), tokens(&made, &email).await);
    let postgres = Cluster::shared().await.empty().await;
    let mut client = postgres.connect().await.expect("a connection");
    fandom_schemas::migrations::run_up_to(&mut client, PREVIOUS).await.expect("the schema of the previous release");
    for table in OF_ACCOUNTS {
        let rows = made.select(&format!("select jsonb_agg(to_jsonb(t)) from app.{table} t")).await;
        assert!(rows.is_array(), "{table} has rows");
        let copy = format!("insert into app.{table} select * from jsonb_populate_recordset(null::app.{table}, $1)");
        client.execute(&copy, &[&rows]).await.unwrap_or_else(|error| panic!("{table}: {error:?}"));
    }
    let hash = bcrypt::hash(PASSWORD, 4).expect("a hash as an earlier system has it");
    let earlier = "insert into app.users (id, email, role, password) values ('old', 'Old@example.com', 'admin', $1)";
    client.execute(earlier, &[&hash]).await.expect("an account of an earlier system");
    client.batch_execute(OTHERS).await.expect("rows of the others");
    client.execute("insert into app.signing_keys (kid, private) values ('k', '\\x01')", &[]).await.expect("a key");

    let before = counts(&client).await;
    let applied = fandom_schemas::migrations::run(&mut client).await.expect("it is brought up to date");
    assert!(applied.len() > 4, "{applied:?}");
    let after = counts(&client).await;
    for (table, rows) in before {
        let now = after.iter().find(|(name, _)| *name == table).map(|(_, rows)| *rows);
        // Keys that were not sealed sign nothing any more.
        let expected = if table == "app.signing_keys" { 0 } else { rows };
        assert_eq!(now, Some(expected), "{table}");
        assert!(rows > 0 || !OF_ACCOUNTS.iter().any(|of| table == format!("app.{of}")), "{table}");
    }
    assert!(fandom_schemas::migrations::run(&mut client).await.expect("a second time").is_empty());

    let service = Service::over(postgres, &[]).await;
    for email in [email.as_str(), "old@example.com"] {
        assert_eq!(sign_in(&service, email, PASSWORD).await.status, 200, "{email}");
        assert_eq!(sign_in(&service, email, "another").await.status, 401, "{email}");
    }
    let key = format!("Bearer {key}");
    assert_eq!(people::get(&service, "/sales", &key).await.items()[0]["net_cents"], 800);
    assert_eq!(people::get(&service, "/fans", &key).await.status, 403, "the key may what it might");
    let renewed = post(&service, "/auth/refresh", &json!({ "refresh_token": signed_in["refresh_token"] })).await;
    assert_eq!(renewed.status, 200, "the session goes on: {}", renewed.text);
    let old = signed_in["access_token"].as_str().expect("a token");
    assert_eq!(
        people::get(&service, "/sales", &format!("Bearer {old}")).await.status,
        401,
        "its token has no key any more"
    );

    let admin = bearer(&service, "old@example.com").await;
    let get = |path: &'static str| {
        let (service, admin) = (&service, &admin);
        async move { people::get(service, path, admin).await }
    };
    let upload = get("/ingest/uploads/u1").await.json();
    assert_eq!(
        (&upload["state"], &upload["name"], &upload["folder"]),
        (&json!("live"), &json!("a.csv"), &json!("crm"))
    );
    assert_eq!(get("/ingest/uploads/u1/rejects").await.items()[0]["reason"], "unreadable price");
    assert_eq!(get("/ingest/mappings").await.items()[0]["readable"], true);
    assert_eq!(get("/fans/3").await.items()[0]["spend_cents"], 500);
    assert_eq!(get("/fans/3/timeline").await.items(), [] as [Value; 0], "filled at the next start of the dataflow");
    assert_eq!(get("/ops/tasks").await.items()[0]["task"], "source inbox");
    let folder = json!({"source": "inbox", "folder": "riga", "zone": "Europe/Riga"});
    let headers = [("authorization", admin.as_str())];
    let kept = read(send(&service, Method::PUT, "/settings/folders", &headers, Some(&folder)).await).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    administration(&service).verify_audit().await.expect("the trail goes on");
}
