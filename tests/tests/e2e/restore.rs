//! What `docs/deployment.md` says of restoring, done word by word: the schema of the views is dropped and filled from the log; the database is
//! lost and made again from a dump of `app`. All figures are right afterwards, and no file is published again.

use std::collections::BTreeMap;
use std::time::Duration;

use fandom_schemas::topics::ROWS;
use fandom_tests::agency::Agency;
use fandom_tests::api::Api;
use fandom_tests::expected::differences_at;
use fandom_tests::psql;
use fandom_tests::suite::{Part, Suite};
use fandom_tests::topic::each_record;
use serde_json::json;
use tokio_postgres::Client;

const PATIENCE: Duration = Duration::from_secs(120);

async fn settled(suite: &Suite, agency: &Agency, what: &str) {
    suite
        .eventually(what, PATIENCE, |client| async move { differences_at(&client, &agency.expected, "b").await })
        .await;
}

/// The address of another database of the suite's server.
fn beside(suite: &Suite, database: &str) -> String {
    let (server, _) = suite.postgres.database_url.rsplit_once('/').expect("an address of a database");
    format!("{server}/{database}")
}

/// The rows of every table of `app`, in words.
async fn app(client: &Client) -> BTreeMap<String, Vec<String>> {
    let tables = "select table_name::text from information_schema.tables where table_schema = 'app' and table_type = 'BASE TABLE'";
    let mut found = BTreeMap::new();
    for row in client.query(tables, &[]).await.expect("the tables") {
        let table: String = row.get(0);
        let rows = client.query(&format!("select t::text from app.{table} t order by 1"), &[]).await.expect("the rows");
        found.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    found
}

fn records(suite: &Suite) -> usize {
    let mut count = 0;
    each_record(suite, ROWS, |_, _, _| count += 1);
    count
}

fn migrate(suite: &Suite, database: &str) {
    let output = suite.migration().env("DATABASE_URL", database).output().expect("it runs");
    assert!(output.status.success(), "fandom migrate: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_come_back_from_the_log_and_accounts_from_a_dump() {
    let agency = &Agency::checked_in("northlight");
    let mut suite = Suite::start(&agency.settings()).await.expect("the servers start");
    let password = suite.command("user").args(["add", "--email", "ada@example.com", "--role", "admin"]).output();
    let password = String::from_utf8(password.expect("it runs").stdout).expect("a password").trim().to_owned();
    suite.run(Part::Dataflow);
    suite.run(Part::Connect);
    agency.place(&suite.inbox, &agency.files("b"));
    settled(&suite, agency, "at first").await;
    let published = records(&suite);
    let url = suite.postgres.database_url.clone();

    // The views, in place.
    suite.stop(Part::Dataflow).await;
    let empty = beside(&suite, "fandom_empty");
    psql::run("createdb", &["--maintenance-db", &url, "fandom_empty"], b"");
    migrate(&suite, &empty);
    psql::run("psql", &[&url, "-c", "drop schema views cascade"], b"");
    let views = psql::run("pg_dump", &[&empty, "--schema=views"], b"");
    psql::run("psql", &["--quiet", "--set", "ON_ERROR_STOP=1", &url], &views);
    psql::run("dropdb", &["--maintenance-db", &url, "fandom_empty"], b"");
    migrate(&suite, &url);
    suite.run(Part::Dataflow);
    settled(&suite, agency, "with views from the log").await;

    // The database, from a dump.
    suite.stop(Part::Connect).await;
    suite.stop(Part::Dataflow).await;
    let before = app(&suite.client().await.expect("the database answers")).await;
    let dump = psql::run("pg_dump", &[&url, "--schema=app", "--data-only", "--format=custom"], b"");
    let server = beside(&suite, "postgres");
    psql::run("psql", &[&server, "-c", "drop database fandom with (force)"], b"");
    psql::run("createdb", &["--maintenance-db", &server, "fandom"], b"");
    migrate(&suite, &url);
    psql::run("psql", &[&url, "-c", "truncate app.mappings_generation"], b"");
    let restored = ["--dbname", &url, "--data-only", "--disable-triggers", "--single-transaction"];
    psql::run("pg_restore", &restored, &dump);
    let after = app(&suite.client().await.expect("the database answers")).await;
    assert!(before.values().map(Vec::len).sum::<usize>() > 10, "{before:?}");
    assert_eq!(before, after);
    suite.run(Part::Connect);
    suite.run(Part::Dataflow);
    settled(&suite, agency, "in a new database").await;
    assert_eq!(records(&suite), published, "no file was published again");

    let api = Api::start(&mut suite).await;
    let login = reqwest::Client::new().post(api.url("auth/login"));
    let login = login.json(&json!({ "email": "ada@example.com", "password": password })).send().await;
    assert_eq!(login.expect("an answer").status(), 200, "accounts are those of before");
}
