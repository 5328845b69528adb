//! Who may do what in the database: an account for each part, each with the fewest rights.
//!
//! The owner of the schemas migrates and needs no other right; every part may sign in as an account of its own. Rights are given after each migration by
//! the table below: a table that it does not name, such as a new one, is nobody's but the owner's. Accounts that are not there are passed over, so where
//! all parts sign in as the owner nothing changes.

use std::fmt::Write;

use tokio_postgres::Client;

/// An account of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: &'static str,
    /// The command of the part that signs in with it.
    pub part: &'static str,
    /// The setting of its password.
    pub variable: &'static str,
}

/// The accounts, in the order of the table's columns.
pub const ACCOUNTS: [Account; 4] = [
    Account { name: "fandom_connectors", part: "connect", variable: "FANDOM_CONNECTORS_DATABASE_PASSWORD" },
    Account { name: "fandom_dataflow", part: "dataflow", variable: "FANDOM_DATAFLOW_DATABASE_PASSWORD" },
    Account { name: "fandom_archive", part: "archive", variable: "FANDOM_ARCHIVE_DATABASE_PASSWORD" },
    Account { name: "fandom_api", part: "api", variable: "FANDOM_API_DATABASE_PASSWORD" },
];

const NONE: &str = "";
const READ: &str = "select";
const ADD: &str = "select, insert";
const KEEP: &str = "select, insert, update";
const ALL: &str = "select, insert, update, delete";

/// Of each table, what each account may do with it; of `views`, of every table and view.
const RIGHTS: &[(&str, [&str; 4])] = &[
    // Table                     connectors  dataflow  archive  api
    ("views.*", [NONE, ALL, NONE, READ]),
    // Files.
    ("app.uploads", [KEEP, NONE, NONE, READ]),
    ("app.rejects", ["select, insert, delete", NONE, NONE, READ]),
    ("app.received", ["select (file, trace)", NONE, NONE, KEEP]),
    ("app.ingest_requests", ["select, update, delete", NONE, NONE, "select, insert, delete"]),
    ("app.mappings", [READ, NONE, NONE, ALL]),
    ("app.mappings_generation", [READ, NONE, NONE, "select, update"]),
    ("app.folder_settings", [READ, NONE, NONE, ALL]),
    ("app.folders", [KEEP, NONE, NONE, NONE]),
    ("app.sources", [KEEP, NONE, NONE, READ]),
    ("app.drive_listings", [ALL, NONE, NONE, NONE]),
    ("app.drive_feeds", [ALL, NONE, NONE, NONE]),
    ("app.drive_items", [ALL, NONE, NONE, NONE]),
    ("app.tasks", [KEEP, KEEP, KEEP, READ]),
    // The message archive.
    ("app.archive_progress", [NONE, NONE, ALL, NONE]),
    ("app.archive_files", [NONE, NONE, ALL, READ]),
    ("app.archive_waiting", [NONE, NONE, ALL, NONE]),
    ("app.archive_others", [NONE, NONE, ALL, NONE]),
    ("app.archive_messages", [NONE, NONE, ALL, READ]),
    ("app.archive_texts", [NONE, NONE, ALL, READ]),
    ("app.archive_keys", [NONE, NONE, ALL, NONE]),
    // Settings.
    ("app.settings", [NONE, NONE, NONE, ALL]),
    // Accounts.
    ("app.users", [NONE, NONE, NONE, KEEP]),
    ("app.sessions", [NONE, NONE, NONE, KEEP]),
    ("app.refresh_tokens", [NONE, NONE, NONE, KEEP]),
    ("app.password_tokens", [NONE, NONE, NONE, "select, insert, delete"]),
    ("app.second_factors", [NONE, NONE, NONE, ALL]),
    ("app.recovery_codes", [NONE, NONE, NONE, "select, insert, delete"]),
    ("app.api_keys", [NONE, NONE, NONE, KEEP]),
    ("app.signing_keys", [NONE, NONE, NONE, ADD]),
    ("app.sign_in_failures", [NONE, NONE, NONE, ALL]),
    ("app.audit", [NONE, NONE, NONE, ADD]),
];

/// Makes accounts that are missing, and lets each sign in with its password alone.
///
/// # Errors
/// When the database does not answer, or the owner may not make accounts.
pub async fn make_accounts(client: &Client, passwords: &[(Account, String)]) -> Result<(), tokio_postgres::Error> {
    for (Account { name, .. }, password) in passwords {
        // A new role is no superuser, and only a superuser may say so again: the owner of a managed database is none.
        // Of what is sent, the server's log may keep all: so it is not the password.
        let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
        let sql = format!(
            "do $$ begin create role {name}; exception when duplicate_object or unique_violation then null; end $$;
             alter role {name} login nocreatedb nocreaterole inherit password '{verifier}'"
        );
        client.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Gives each account that is there the rights of the table, and takes all others of these schemas. Whoever is signed in meanwhile notices
/// nothing where rights stay as they are.
///
/// # Errors
/// When the database does not answer, or does not belong to whoever asks.
pub(crate) async fn grant(client: &Client) -> Result<(), tokio_postgres::Error> {
    let names: Vec<&str> = ACCOUNTS.iter().map(|account| account.name).collect();
    let rows = client.query("select rolname::text from pg_roles where rolname = any($1)", &[&names]).await?;
    let there: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let here = (0..).zip(ACCOUNTS).filter(|(_, account)| there.iter().any(|name| name == account.name));
    let mut sql = String::from("begin;\n");
    for (column, Account { name, .. }) in here {
        sql.push_str(&statements(column, name));
    }
    sql.push_str("commit");
    if there.is_empty() { Ok(()) } else { client.batch_execute(&sql).await }
}

/// What gives an account, of that column of the table, its rights.
fn statements(column: usize, name: &str) -> String {
    let mut sql = format!(
        "do $$ begin execute format('grant connect, temporary on database %I to {name}', current_database()); end $$;
         revoke all on schema app, views from {name};
         revoke all on all tables in schema app, views from {name};
         grant usage on schema app, views to {name};\n"
    );
    for (table, may) in RIGHTS {
        let may = may[column];
        if may.is_empty() {
            continue;
        }
        let table =
            table.strip_suffix(".*").map_or((*table).to_owned(), |schema| format!("all tables in schema {schema}"));
        let _ = writeln!(sql, "grant {may} on {table} to {name};");
    }
    sql
}

/// The table for people, in Markdown.
pub fn page() -> String {
    let mut page = String::from("| Table |");
    for Account { name, .. } in ACCOUNTS {
        let _ = write!(page, " `{name}` |");
    }
    page.push_str("\n|---|---|---|---|---|\n");
    for (table, may) in RIGHTS {
        let _ = write!(page, "| `{table}` |");
        for may in may {
            let _ = write!(page, " {} |", if may.is_empty() { "–" } else { may });
        }
        page.push('\n');
    }
    page
}

/// Whether the table names this one.
pub fn names(table: &str) -> bool {
    RIGHTS
        .iter()
        .any(|(named, _)| *named == table || named.strip_suffix('*').is_some_and(|schema| table.starts_with(schema)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_page_says_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/security.md");
        let text = std::fs::read_to_string(&path).expect("the page");
        let (before, rest) = text.split_once("<!-- rights -->\n").expect("where the table begins");
        let (_, after) = rest.split_once("<!-- end of rights -->").expect("where it ends");
        let fresh = format!("{before}<!-- rights -->\n{}<!-- end of rights -->{after}", page());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, fresh).expect("the page can be written");
            return;
        }
        assert!(text == fresh, "docs/security.md is not what the table says; UPDATE_DOCS=1 writes it anew");
    }

    #[test]
    fn a_table_is_named_once() {
        for (number, (table, _)) in RIGHTS.iter().enumerate() {
            assert!(!RIGHTS[..number].iter().any(|(other, _)| other == table), "{table}");
        }
    }
}
