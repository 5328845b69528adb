//! What is known of Drive, kept in Postgres: page tokens and items, always of one moment.
//!
//! A change is one transaction. It moves the generation on, and is refused where another connector did so meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;

use fandom_services::failpoints;
use fandom_services::postgres::PostgresSettings;
use tokio::sync::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::Json;

use super::tree::{Node, Tree};

/// What is known of Drive at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub tree: Tree,
    /// Where each feed goes on, by shared drive; `""` is the user's own.
    pub tokens: BTreeMap<String, String>,
    /// How often it was changed.
    pub generation: i64,
    /// Seconds since the last full listing, when it was loaded.
    pub listed_seconds_ago: f64,
}

/// Why it could not be loaded or kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeepError {
    #[error("what is known of Drive could not be read or kept in Postgres")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("another connector has changed what is known of Drive; it is loaded again")]
    Overtaken,
}

/// The tables `app.drive_…` of one source.
pub(super) struct Store {
    postgres: PostgresSettings,
    source: String,
    client: Mutex<Option<Client>>,
}

impl Store {
    pub fn new(postgres: PostgresSettings, source: &str) -> Store {
        Store { postgres, source: source.to_owned(), client: Mutex::default() }
    }

    /// What was kept of these folders; `None` if nothing was, or of others.
    pub async fn load(&self, folders: &str) -> Result<Option<Known>, KeepError> {
        let mut guard = self.client.lock().await;
        let client = self.connected(&mut guard).await?;
        let transaction = client.build_transaction().read_only(true).start().await?;
        let sql = "select generation, extract(epoch from now() - listed_at)::float8 from app.drive_listings \
                   where source = $1 and folders = $2";
        let Some(row) = transaction.query_opt(sql, &[&self.source, &folders]).await? else { return Ok(None) };
        let mut known = Known { generation: row.get(0), listed_seconds_ago: row.get(1), ..Known::default() };
        let sql = "select drive, page_token from app.drive_feeds where source = $1";
        for row in transaction.query(sql, &[&self.source]).await? {
            known.tokens.insert(row.get(0), row.get(1));
        }
        let sql = "select item, node from app.drive_items where source = $1";
        for row in transaction.query(sql, &[&self.source]).await? {
            known.tree.nodes.insert(row.get(0), Arc::new(row.get::<_, Json<Node>>(1).0));
        }
        Ok(Some(known))
    }

    /// Keeps a new full listing in the place of whatever was kept before; returns its generation.
    pub async fn replace(&self, folders: &str, new: &Known) -> Result<i64, KeepError> {
        failpoints::pass("drive.before_promote");
        let mut guard = self.client.lock().await;
        let transaction = self.connected(&mut guard).await?.transaction().await?;
        let sql = "insert into app.drive_listings as l (source, generation, folders, listed_at) values ($1, 1, $2, now()) \
                   on conflict (source) do update set generation = l.generation + 1, folders = excluded.folders, \
                   listed_at = now() returning generation";
        let generation = transaction.query_one(sql, &[&self.source, &folders]).await?.get(0);
        for table in ["feeds", "items"] {
            transaction.execute(&format!("delete from app.drive_{table} where source = $1"), &[&self.source]).await?;
        }
        self.put_tokens(&transaction, &new.tokens).await?;
        self.put_nodes(&transaction, new.tree.nodes.iter()).await?;
        transaction.commit().await?;
        failpoints::pass("drive.after_promote");
        Ok(generation)
    }

    /// Keeps what changed from `old` to `new`; returns the new generation.
    pub async fn promote(&self, old: &Known, new: &Known) -> Result<i64, KeepError> {
        failpoints::pass("drive.before_promote");
        let mut guard = self.client.lock().await;
        let transaction = self.connected(&mut guard).await?.transaction().await?;
        let sql = "update app.drive_listings set generation = generation + 1 where source = $1 and generation = $2 \
                   returning generation";
        let row = transaction.query_opt(sql, &[&self.source, &old.generation]).await?;
        let generation = row.ok_or(KeepError::Overtaken)?.get(0);
        self.put_tokens(&transaction, &new.tokens).await?;
        let is_new = |(id, node): &(&String, &Arc<Node>)| old.tree.nodes.get(*id).is_none_or(|before| before != *node);
        self.put_nodes(&transaction, new.tree.nodes.iter().filter(is_new)).await?;
        let gone: Vec<&String> = old.tree.nodes.keys().filter(|id| !new.tree.nodes.contains_key(*id)).collect();
        if !gone.is_empty() {
            let sql = "delete from app.drive_items where source = $1 and item = any($2)";
            transaction.execute(sql, &[&self.source, &gone]).await?;
        }
        transaction.commit().await?;
        failpoints::pass("drive.after_promote");
        Ok(generation)
    }

    async fn put_tokens(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        tokens: &BTreeMap<String, String>,
    ) -> Result<(), KeepError> {
        for (drive, token) in tokens {
            let sql = "insert into app.drive_feeds (source, drive, page_token) values ($1, $2, $3) \
                       on conflict (source, drive) do update set page_token = excluded.page_token";
            transaction.execute(sql, &[&self.source, drive, token]).await?;
        }
        Ok(())
    }

    async fn put_nodes<'a>(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        nodes: impl Iterator<Item = (&'a String, &'a Arc<Node>)>,
    ) -> Result<(), KeepError> {
        let nodes: Vec<(&String, &Arc<Node>)> = nodes.collect();
        for nodes in nodes.chunks(1000) {
            let (items, nodes): (Vec<&String>, Vec<Json<&Node>>) =
                nodes.iter().map(|(id, node)| (*id, Json(&***node))).unzip();
            let sql = "insert into app.drive_items (source, item, node) select $1, i, n from unnest($2::text[], $3::jsonb[]) \
                       as t(i, n) on conflict (source, item) do update set node = excluded.node";
            transaction.execute(sql, &[&self.source, &items, &nodes]).await?;
        }
        Ok(())
    }

    /// The connection, made anew if it was lost.
    async fn connected<'a>(&self, kept: &'a mut Option<Client>) -> Result<&'a mut Client, KeepError> {
        let client = match kept.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.postgres.connect().await?,
        };
        Ok(kept.insert(client))
    }
}

/// Tells one list of folders from another, as it is kept beside a listing.
pub(super) fn folders_key(folders: &[String], account: &str, subject: Option<&str>) -> String {
    format!("{} for {account} {}", folders.join(","), subject.unwrap_or_default())
}
