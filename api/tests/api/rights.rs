//! What each account of the database may do, and is refused.

use fandom_schemas::rights;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::cluster::Cluster;

/// A connection of an account to a database.
async fn connect(account: &str) -> Client {
    let mut settings = Cluster::shared().await.database().await;
    settings.config.user(account);
    settings.connect().await.expect("the account may sign in")
}

#[tokio::test]
async fn each_account_is_refused_what_it_does_not_need() {
    let refused: [(&str, &[&str]); 4] = [
        (
            "fandom_connectors",
            &[
                "select from app.users",
                "select hash from app.api_keys",
                "select private from app.signing_keys",
                "select from app.sessions",
                "select from app.audit",
                "select name from app.received",
                "delete from app.uploads",
                "insert into app.mappings (name, definition) values ('x', '{}')",
                "select from app.archive_texts",
                "select from views.sales_day",
                "update views.progress set generation = generation + 1",
            ],
        ),
        (
            "fandom_dataflow",
            &[
                "select from app.users",
                "select from app.uploads",
                "update app.received set deleted_at = now()",
                "select from app.archive_messages",
                "truncate views.sales_day",
                "drop table views.sales_day",
                "alter table views.sales_day add column x int",
            ],
        ),
        (
            "fandom_archive",
            &[
                "select from app.users",
                "select from app.uploads",
                "select from views.fans",
                "delete from app.tasks",
                "truncate app.archive_texts",
            ],
        ),
        (
            "fandom_api",
            &[
                "update views.progress set epoch = 0",
                "delete from views.sales_day",
                "insert into views.status (state) values ('live')",
                "update app.audit set actor = 'nobody'",
                "delete from app.audit",
                "delete from app.users",
                "update app.uploads set state = 'gone'",
                "update app.archive_texts set sealed = ''",
                "select from app.archive_keys",
                "update app.tasks set state = 'ok'",
                "delete from app.signing_keys",
            ],
        ),
    ];
    for (account, statements) in refused {
        let client = connect(account).await;
        for sql in statements.iter().chain(&[
            "create table app.own ()",
            "create table views.own ()",
            "create role another",
            "set role postgres",
            "select pg_read_file('PG_VERSION')",
            "copy (select 1) to program 'true'",
        ]) {
            let answer = client.batch_execute(sql).await.expect_err(&format!("{account} may {sql}"));
            assert_eq!(answer.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{account}: {sql}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn each_account_may_do_what_it_needs() {
    let allowed: [(&str, &[&str]); 4] = [
        (
            "fandom_connectors",
            &[
                "select trace from app.received where file = 'x'",
                "update app.uploads set error = null",
                "listen fandom_ingest",
                "select pg_try_advisory_lock(7)",
                "select from app.mappings",
            ],
        ),
        (
            "fandom_dataflow",
            &[
                "create temporary table batch_x as select * from views.sales_day with no data",
                "truncate batch_x",
                "delete from views.sales_day",
                "select generation from views.progress for update",
                "select pg_notify('fandom_epoch', '1')",
            ],
        ),
        ("fandom_archive", &["delete from app.archive_texts", "select from app.archive_keys"]),
        ("fandom_api", &["select from views.reconciliation", "select from views.fans", "listen fandom_epoch"]),
    ];
    for (account, statements) in allowed {
        let client = connect(account).await;
        for sql in statements {
            client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{account}: {sql}: {error:?}"));
        }
    }
}

/// A table that is made by a migration and forgotten in the table of rights would be found out by its users alone.
#[tokio::test]
async fn every_table_has_rights() {
    let settings = Cluster::shared().await.database().await;
    let mut client = settings.connect().await.expect("a connection");
    let tables = "select format('%I.%I', n.nspname, c.relname), c.relkind in ('r', 'v') from pg_class c \
                  join pg_namespace n on n.oid = c.relnamespace \
                  where n.nspname in ('app', 'views') and c.relkind in ('r', 'v', 'm', 'p', 'f')";
    let found = client.query(tables, &[]).await.expect("tables");
    assert!(found.len() > 40, "too few to believe it: {}", found.len());
    for row in &found {
        let table: String = row.get(0);
        assert!(rights::names(&table), "{table} is not in the table of rights, schemas/src/rights.rs");
    }

    // A right that an account has beyond the table is taken with the next migration, and a table that came since is covered.
    let beyond = "grant delete on app.users to fandom_connectors; create table views.of_later (); \
                  revoke all on app.uploads from fandom_connectors";
    client.batch_execute(beyond).await.expect("the owner may");
    fandom_schemas::migrations::run(&mut client).await.expect("rights are given anew");
    for (account, table, right, has) in [
        ("fandom_connectors", "app.users", "delete", false),
        ("fandom_connectors", "app.uploads", "update", true),
        ("fandom_api", "views.of_later", "select", true),
        ("fandom_api", "views.of_later", "insert", false),
    ] {
        let asked = "select has_table_privilege($1::text, $2::text, $3::text)";
        let answer = client.query_one(asked, &[&account, &table, &right]).await.expect("an answer");
        assert_eq!(answer.get::<_, bool>(0), has, "{account}, {right} on {table}");
    }
}
