//! The audit trail: who did what to whom, when, and from where. It is only ever added to, and each entry's hash covers the entry
//! and the hash before, so that a change, a gap or a swap in the middle shows. A cut at the end shows against a hash that was
//! noted elsewhere: `fandom audit verify` prints the last one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;

use crate::database::refused;
use crate::problem::Problem;
use crate::protection::client::Asker;

/// Keeps two changes that are noted from being made at once.
const LOCK: i64 = 0x0066_616e_6175_6474;

/// What an entry says.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who: an e-mail address, a key, the command.
    pub actor: &'a str,
    /// What, such as `user.invited`.
    pub action: &'a str,
    /// To whom or what; empty where that is the actor.
    pub target: &'a str,
    /// More, without secrets.
    pub detail: Value,
}

tokio::task_local! {
    static DEED: Arc<Deed>;
}

/// A request that changes something other than accounts: it is noted together with the first change that it makes in Postgres.
pub struct Deed {
    actor: String,
    action: String,
    target: String,
    asker: Asker,
    /// What its handler told of it.
    detail: Mutex<Map<String, Value>>,
    noted: AtomicBool,
}

/// Says more of what the request under way does. It stands in the request's entry, so it has to be told before the first change is made
/// to hold; without secrets, and without names of files, which can be those of fans.
pub fn tell(detail: Value) {
    let (Ok(deed), Value::Object(detail)) = (DEED.try_with(Arc::clone), detail) else { return };
    deed.detail.lock().unwrap_or_else(PoisonError::into_inner).extend(detail);
}

impl Deed {
    /// What somebody asks to be done.
    pub fn new(actor: &str, action: String, target: &str, asker: &Asker) -> Deed {
        let (actor, target) = (actor.to_owned(), target.to_owned());
        Deed { actor, action, target, asker: asker.clone(), detail: Mutex::default(), noted: AtomicBool::new(false) }
    }

    /// Does it.
    pub async fn run<F: Future>(self: Arc<Deed>, what: F) -> F::Output {
        DEED.scope(self, what).await
    }

    /// Notes it by itself, if no change in Postgres did.
    ///
    /// # Errors
    /// When Postgres does not answer.
    pub async fn finish(&self, connection: &mut Object) -> Result<(), Problem> {
        if self.is_noted() {
            return Ok(());
        }
        record(connection, &self.asker, self.entry()).await
    }

    /// Whether it stands in the trail.
    pub fn is_noted(&self) -> bool {
        self.noted.load(Ordering::Acquire)
    }

    fn entry(&self) -> Entry<'_> {
        let detail = self.detail.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Entry { actor: &self.actor, action: &self.action, target: &self.target, detail: detail.into() }
    }
}

/// Makes a change of the request that is under way hold, together with the request's entry if it has none yet.
///
/// # Errors
/// When Postgres does not answer; then neither holds.
pub async fn commit_deed(transaction: tokio_postgres::Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    let deed = DEED.try_with(Arc::clone).ok().filter(|deed| !deed.is_noted());
    if let Some(deed) = &deed {
        transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        append(&transaction, &deed.asker, &deed.entry()).await?;
    }
    transaction.commit().await?;
    if let Some(deed) = deed {
        deed.noted.store(true, Ordering::Release);
    }
    Ok(())
}

/// Begins a change that [`commit`] notes; none is made beside it, so what it looks at stays as it is.
///
/// # Errors
/// When Postgres does not answer.
pub async fn begin(connection: &mut Object) -> Result<Transaction<'_>, Problem> {
    let transaction = connection.transaction().await.map_err(|error| refused(&error))?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(|error| refused(&error))?;
    Ok(transaction)
}

/// Makes a change hold, together with its entry.
///
/// # Errors
/// When Postgres does not answer; then neither holds.
pub async fn commit(transaction: Transaction<'_>, asker: &Asker, entry: Entry<'_>) -> Result<(), Problem> {
    append(&transaction, asker, &entry).await.map_err(|error| refused(&error))?;
    transaction.commit().await.map_err(|error| refused(&error))
}

/// Adds an entry of what changed nothing here.
///
/// # Errors
/// When Postgres does not answer.
pub async fn record(connection: &mut Object, asker: &Asker, entry: Entry<'_>) -> Result<(), Problem> {
    commit(begin(connection).await?, asker, entry).await
}

async fn append(
    transaction: &tokio_postgres::Transaction<'_>,
    asker: &Asker,
    entry: &Entry<'_>,
) -> Result<(), tokio_postgres::Error> {
    let last = transaction.query_opt("select seq, hash from app.audit order by seq desc limit 1", &[]).await?;
    let (seq, previous) = last.map_or((1, Vec::new()), |row| (row.get::<_, i64>(0) + 1, row.get(1)));
    let at_micros = Timestamp::now().as_microsecond();
    let (detail, address) = (entry.detail.to_string(), asker.address.to_string());
    let texts = [entry.actor, entry.action, entry.target, &address, &asker.request_id, &detail];
    let hash = hash(seq, at_micros, texts, &previous);
    let insert =
        "insert into app.audit (seq, at_micros, actor, action, target, address, request_id, detail, previous, hash)
                  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let [actor, action, target, address, request_id, detail] = texts;
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] =
        [&seq, &at_micros, &actor, &action, &target, &address, &request_id, &detail, &previous, &hash];
    transaction.execute(insert, &values).await?;
    Ok(())
}

/// SHA-256 over the hash before and a JSON array of the entry's parts.
fn hash(seq: i64, at_micros: i64, texts: [&str; 6], previous: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(json!([seq, at_micros, texts]).to_string().as_bytes());
    hash.finalize().to_vec()
}

/// How the trail stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every entry follows from the one before: how many, and the last hash in hexadecimal digits.
    Whole(i64, String),
    /// The first entry that does not.
    Broken(i64),
}

/// Checks the whole trail.
///
/// # Errors
/// When Postgres does not answer.
pub async fn verify(client: &Client) -> Result<Verdict, tokio_postgres::Error> {
    let (mut count, mut previous) = (0_i64, Vec::<u8>::new());
    loop {
        let page = "select seq, at_micros, actor, action, target, address, request_id, detail, previous, hash
                    from app.audit where seq > $1 order by seq limit 1000";
        let rows = client.query(page, &[&count]).await?;
        if rows.is_empty() {
            let digits = previous.iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Verdict::Whole(count, digits));
        }
        for row in rows {
            let seq: i64 = row.get(0);
            let texts: [&str; 6] = std::array::from_fn(|place| row.get(place + 2));
            let (before, own): (&[u8], &[u8]) = (row.get(8), row.get(9));
            if seq != count + 1 || before != previous || own != hash(seq, row.get(1), texts, &previous) {
                return Ok(Verdict::Broken(count + 1));
            }
            (count, previous) = (seq, own.to_vec());
        }
    }
}
