//! A batch into the tables, within one transaction.

use std::collections::{HashMap, HashSet};

use fandom_schemas::manifest::{FileState, Manifest};
use tokio_postgres::{Client, Statement, Transaction};

use crate::batch::{Batch, Step};
use crate::decode::{Facts, RecordId, Row};
use crate::release::{self, Release};

type SqlError = tokio_postgres::Error;

/// The statements, prepared once a session.
pub(crate) struct Store {
    put_messages: Statement,
    put_others: Statement,
    take_messages: Statement,
    take_others: Statement,
    put_texts: Statement,
    take_texts: Statement,
    progress: Statement,
    release: Release,
    /// Versions whose manifest waits for rows.
    waiting: HashSet<(i64, i64)>,
}

/// Rows of a version that counts, or counted, are not taken in again.
const PUT_MESSAGES: &str = "
    insert into app.archive_messages
        (file_id, version, ordinal, sheet, checksum, natural_key, creator_id, chatter_id, fan_id, sent_at, price_cents,
         purchased, source, status, reply_seconds, characters)
    select r.file_id, r.version, r.ordinal, sheet, checksum, natural_key, creator_id, chatter_id, fan_id,
           to_timestamp(sent_at), price_cents, purchased, source, status, reply_seconds, characters
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::integer[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[],
                $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[], $13::text[], $14::text[], $15::bigint[],
                $16::bigint[])
        as r(file_id, version, ordinal, sheet, checksum, natural_key, creator_id, chatter_id, fan_id, sent_at, price_cents,
             purchased, source, status, reply_seconds, characters)
    left join app.archive_files f on f.file_id = r.file_id
    where f.settled is null or f.settled < r.version
    on conflict (file_id, version, ordinal) do update set
        sheet = excluded.sheet, checksum = excluded.checksum, natural_key = excluded.natural_key,
        creator_id = excluded.creator_id, chatter_id = excluded.chatter_id, fan_id = excluded.fan_id,
        sent_at = excluded.sent_at, price_cents = excluded.price_cents, purchased = excluded.purchased,
        source = excluded.source, status = excluded.status, reply_seconds = excluded.reply_seconds,
        characters = excluded.characters";

const PUT_OTHERS: &str = "
    insert into app.archive_others (file_id, version, ordinal, checksum)
    select r.file_id, r.version, r.ordinal, r.checksum
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) as r(file_id, version, ordinal, checksum)
    left join app.archive_files f on f.file_id = r.file_id
    where f.settled is null or f.settled < r.version
    on conflict (file_id, version, ordinal) do update set checksum = excluded.checksum";

/// A tombstone of a row that counts says nothing: the manifest does.
const TAKE: &str = "
    delete from app.archive_TABLE t
    using unnest($1::bigint[], $2::bigint[], $3::bigint[]) as r(file_id, version, ordinal)
    where t.file_id = r.file_id and t.version = r.version and t.ordinal = r.ordinal
      and not exists (select from app.archive_files f where f.file_id = r.file_id and f.settled >= r.version)";

/// The topics are read each at its own pace: a text may come before its row, and after its row counts no more.
const PUT_TEXTS: &str = "
    insert into app.archive_texts (file_id, version, ordinal, key_id, sealed)
    select r.file_id, r.version, r.ordinal, r.key_id, r.sealed
    from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])
        as r(file_id, version, ordinal, key_id, sealed)
    left join app.archive_files f on f.file_id = r.file_id
    where f.settled is null or f.settled < r.version or f.live_version = r.version
    on conflict (file_id, version, ordinal) do update set key_id = excluded.key_id, sealed = excluded.sealed";

const TAKE_TEXTS: &str = "
    delete from app.archive_texts t
    using unnest($1::bigint[], $2::bigint[], $3::bigint[]) as r(file_id, version, ordinal)
    where t.file_id = r.file_id and t.version = r.version and t.ordinal = r.ordinal";

const PROGRESS: &str = "
    insert into app.archive_progress (topic, partition, next_offset)
    select * from unnest($1::text[], $2::integer[], $3::bigint[])
    on conflict (topic, partition) do update set next_offset = excluded.next_offset";

impl Store {
    /// Prepares the statements.
    pub(crate) async fn prepare(client: &Client) -> Result<Store, SqlError> {
        let take = |table| TAKE.replace("TABLE", table);
        let waiting = client.query("select file_id, version from app.archive_waiting", &[]).await?;
        Ok(Store {
            put_messages: client.prepare(PUT_MESSAGES).await?,
            put_others: client.prepare(PUT_OTHERS).await?,
            take_messages: client.prepare(&take("messages")).await?,
            take_others: client.prepare(&take("others")).await?,
            put_texts: client.prepare(PUT_TEXTS).await?,
            take_texts: client.prepare(TAKE_TEXTS).await?,
            progress: client.prepare(PROGRESS).await?,
            release: Release::prepare(client).await?,
            waiting: waiting.iter().map(|row| (row.get(0), row.get(1))).collect(),
        })
    }

    /// Writes a batch.
    pub(crate) async fn write(&mut self, transaction: &Transaction<'_>, batch: &Batch) -> Result<(), SqlError> {
        for step in &batch.steps {
            match step {
                Step::Rows(rows) => {
                    self.rows(transaction, rows).await?;
                    self.settle_waiting(transaction, rows).await?;
                }
                Step::Manifest(manifest) => self.settle(transaction, manifest).await?,
            }
        }
        self.texts(transaction, batch).await?;
        let (mut topics, mut partitions, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for ((topic, partition), next) in &batch.progress {
            topics.push(*topic);
            partitions.push(*partition);
            offsets.push(*next);
        }
        transaction.execute(&self.progress, &[&topics, &partitions, &offsets]).await?;
        Ok(())
    }

    async fn rows(&self, transaction: &Transaction<'_>, rows: &HashMap<RecordId, Option<Row>>) -> Result<(), SqlError> {
        let (mut messages, mut others, mut gone) = (Vec::new(), Vec::new(), Ids::default());
        for (id, row) in rows {
            match row {
                Some(Row::Message(facts)) => messages.push((id, &**facts)),
                Some(Row::Other { checksum }) => others.push((id, *checksum)),
                None => gone.push(id),
            }
        }
        if !gone.0.is_empty() {
            transaction.execute(&self.take_messages, &[&gone.0, &gone.1, &gone.2]).await?;
            transaction.execute(&self.take_others, &[&gone.0, &gone.1, &gone.2]).await?;
        }
        if !others.is_empty() {
            let ids = Ids::of(others.iter().map(|(id, _)| *id));
            let checksums: Vec<i64> = others.iter().map(|(_, checksum)| *checksum).collect();
            transaction.execute(&self.put_others, &[&ids.0, &ids.1, &ids.2, &checksums]).await?;
        }
        if !messages.is_empty() {
            let ids = Ids::of(messages.iter().map(|(id, _)| *id));
            fn all<'a, T>(messages: &[(&RecordId, &'a Facts)], of: impl Fn(&'a Facts) -> T) -> Vec<T> {
                messages.iter().map(|(_, facts)| of(facts)).collect()
            }
            transaction
                .execute(
                    &self.put_messages,
                    &[
                        &ids.0,
                        &ids.1,
                        &ids.2,
                        &all(&messages, |facts| facts.sheet),
                        &all(&messages, |facts| facts.checksum),
                        &all(&messages, |facts| &facts.natural_key[..]),
                        &all(&messages, |facts| facts.creator_id),
                        &all(&messages, |facts| facts.chatter_id),
                        &all(&messages, |facts| facts.fan_id),
                        &all(&messages, |facts| facts.sent_at),
                        &all(&messages, |facts| facts.price_cents),
                        &all(&messages, |facts| facts.purchased),
                        &all(&messages, |facts| facts.source.as_str()),
                        &all(&messages, |facts| facts.status.as_deref()),
                        &all(&messages, |facts| facts.reply_seconds),
                        &all(&messages, |facts| facts.characters),
                    ],
                )
                .await?;
        }
        Ok(())
    }

    /// Tries again the manifests of versions of which rows came.
    async fn settle_waiting(
        &mut self,
        transaction: &Transaction<'_>,
        rows: &HashMap<RecordId, Option<Row>>,
    ) -> Result<(), SqlError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let touched: HashSet<(i64, i64)> = rows.keys().map(|id| (id.file, id.version)).collect();
        let mut touched: Vec<_> = touched.intersection(&self.waiting).copied().collect();
        touched.sort_unstable();
        for (file, version) in touched {
            if let Some(manifest) = release::waiting(transaction, file, version).await? {
                self.settle(transaction, &manifest).await?;
            }
        }
        Ok(())
    }

    async fn settle(&mut self, transaction: &Transaction<'_>, manifest: &Manifest) -> Result<(), SqlError> {
        let (file, version) = release::identity(manifest);
        let settled = self.release.settle(transaction, manifest).await?;
        if settled {
            self.waiting.retain(|(other, before)| *other != file || *before > version);
        } else {
            self.waiting.insert((file, version));
            tracing::warn!(file_id = file, version, "a manifest waits for rows that are not all there");
        }
        let live = manifest.state == FileState::Live;
        tracing::debug!(file_id = file, version, rows = manifest.rows, live, settled, "manifest taken in");
        Ok(())
    }

    async fn texts(&self, transaction: &Transaction<'_>, batch: &Batch) -> Result<(), SqlError> {
        let gone = Ids::of(batch.texts.iter().filter(|(_, text)| text.is_none()).map(|(id, _)| id));
        if !gone.0.is_empty() {
            transaction.execute(&self.take_texts, &[&gone.0, &gone.1, &gone.2]).await?;
        }
        let come: Vec<_> = batch.texts.iter().filter_map(|(id, text)| Some((id, text.as_ref()?))).collect();
        if !come.is_empty() {
            let ids = Ids::of(come.iter().map(|(id, _)| *id));
            let key_ids: Vec<&str> = come.iter().map(|(_, text)| text.key_id.as_str()).collect();
            let sealed: Vec<&[u8]> = come.iter().map(|(_, text)| text.bytes.as_slice()).collect();
            transaction.execute(&self.put_texts, &[&ids.0, &ids.1, &ids.2, &key_ids, &sealed]).await?;
        }
        Ok(())
    }
}

/// Ids as Postgres takes them: files, versions, ordinals.
#[derive(Default)]
struct Ids(Vec<i64>, Vec<i64>, Vec<i64>);

impl Ids {
    fn of<'a>(ids: impl Iterator<Item = &'a RecordId>) -> Ids {
        let mut all = Ids::default();
        ids.for_each(|id| all.push(id));
        all
    }

    fn push(&mut self, id: &RecordId) {
        self.0.push(id.file);
        self.1.push(id.version);
        self.2.push(id.ordinal);
    }
}
