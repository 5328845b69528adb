//! What the API asks of the connector that serves a source: the table `app.ingest_requests`, and for whom a file was uploaded.

use fandom_schemas::folders::{self, FolderSettings};
use fandom_schemas::mappings::{self, Mapping};
use serde_json::Value;
use tokio_postgres::types::Json;

use super::{COLUMNS, StoreError, Upload, Uploads, storable, timely, upload};

/// What may be new.
#[derive(Debug)]
pub(crate) struct News {
    /// Moves on with every change of the mappings and of folders' settings.
    pub generation: i64,
    /// What was asked and not answered.
    pub requests: Vec<Request>,
}

/// Something that was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub id: i64,
    pub what: What,
}

/// See `app.ingest_requests`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// To look at the source now.
    Sync,
    /// To read a file again.
    Reprocess(String),
    /// To suggest a mapping for a file.
    Suggest(String),
    /// To tell what a mapping would make of a file.
    Preview(String, Box<Mapping>),
    /// Something that this program does not understand, and why.
    Unknown(String),
}

impl Uploads {
    /// The trace of the request that brought a file, where it was uploaded and the request had one.
    pub async fn trace(&self, file: &str) -> Result<Option<String>, StoreError> {
        if &*self.source != mappings::UPLOADS {
            return Ok(None);
        }
        let sql = "select trace from app.received where file = $1";
        Ok(timely(self.client.query_opt(sql, &[&file])).await?.and_then(|row| row.get(0)))
    }

    /// What may be new: asked of this source, or about how files are read. An answer also tells that the session lives.
    pub(crate) async fn news(&self) -> Result<News, StoreError> {
        let sql = "select g.generation, r.id, r.what, r.file, r.mapping from app.mappings_generation g \
                   left join app.ingest_requests r on r.source = $1 and r.state = 'waiting' order by r.id limit 100";
        let mut news = News { generation: 0, requests: Vec::new() };
        for row in timely(self.client.query(sql, &[&&*self.source])).await? {
            news.generation = row.get(0);
            let Some(id) = row.get::<_, Option<i64>>(1) else { continue };
            let mapping = || {
                let json: Option<Value> = row.get(4);
                serde_json::from_value::<Mapping>(json.unwrap_or_default()).map_err(|error| error.to_string())
            };
            let what = match (row.get::<_, String>(2).as_str(), row.get::<_, Option<String>>(3)) {
                ("sync", _) => What::Sync,
                ("reprocess", Some(file)) => What::Reprocess(file),
                ("suggest", Some(file)) => What::Suggest(file),
                ("preview", Some(file)) => match mapping() {
                    Ok(mapping) => What::Preview(file, Box::new(mapping)),
                    Err(reason) => What::Unknown(format!("the mapping cannot be read: {reason}")),
                },
                (other, _) => What::Unknown(format!("`{other}` is not known to this connector")),
            };
            news.requests.push(Request { id, what });
        }
        Ok(news)
    }

    /// Answers a request, and forgets old ones.
    pub(crate) async fn answer(&self, id: i64, answer: Result<Option<Value>, String>) -> Result<(), StoreError> {
        let (state, answer, error) = match answer {
            Ok(answer) => ("done", answer.map(without_nul), None),
            Err(reason) => ("failed", None, Some(storable(&reason))),
        };
        let sql = "with old as (delete from app.ingest_requests where made_at < now() - interval '1 hour' and id <> $1) \
                   update app.ingest_requests set state = $2, answer = $3, error = $4, done_at = now() where id = $1";
        timely(self.client.execute(sql, &[&id, &state, &answer.map(Json), &error])).await.map(drop)
    }

    /// The mappings, and the settings of the source's folders.
    pub(crate) async fn stored_readings(&self) -> Result<(mappings::Stored, Vec<FolderSettings>), StoreError> {
        let mappings = timely(mappings::all(&*self.client)).await?;
        Ok((mappings, timely(folders::of_source(&*self.client, &self.source)).await?))
    }

    /// Makes a file one that has to be read again, whatever is known of it. `None` where nothing is known.
    pub(crate) async fn reread(&self, file: &str) -> Result<Option<Upload>, StoreError> {
        let sql = format!(
            "update app.uploads set reading = null, sha256 = null, updated_at = now() \
             where file = $1 and source = $2 and state <> 'gone' returning {COLUMNS}"
        );
        Ok(timely(self.client.query_opt(&sql, &[&file, &&*self.source])).await?.as_ref().map(upload))
    }
}

/// JSON as Postgres can hold it: without the character NUL.
fn without_nul(mut json: Value) -> Value {
    match &mut json {
        Value::String(text) => *text = storable(text),
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_nul(item.take())),
        Value::Object(members) => members.values_mut().for_each(|member| *member = without_nul(member.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    json
}
