//! Statements about a source, or the log, as a whole.

use std::time::SystemTime;

use super::{StoreError, Uploads, timely};

impl Uploads {
    /// The folder in which the source was last seen.
    pub async fn root(&self) -> Result<Option<String>, StoreError> {
        let sql = "select root from app.folders where source = $1";
        Ok(timely(self.client.query_opt(sql, &[&&*self.source])).await?.map(|row| row.get(0)))
    }

    /// Keeps in mind in which folder the source is seen.
    pub async fn keep_root(&self, root: &str) -> Result<(), StoreError> {
        let sql = "insert into app.folders (source, root) values ($1, $2) on conflict (source) do update set root = $2";
        timely(self.client.execute(sql, &[&&*self.source, &root])).await.map(drop)
    }

    /// The time, by the clock that `app.uploads` is kept by.
    pub async fn time(&self) -> Result<SystemTime, StoreError> {
        Ok(timely(self.client.query_one("select clock_timestamp()", &[])).await?.get(0))
    }

    /// Forgets what *every* source has published on partitions that held no record when they were looked at after that time: their log
    /// was made anew. Whichever connector sees it first says so for all, since the others may come when these partitions are in
    /// use again; what they publish meanwhile is left alone. Returns how many files of other sources that are.
    pub async fn start_over_on(&self, unused: &[i32], since: SystemTime) -> Result<u64, StoreError> {
        let sql = "update app.uploads set state = 'seen', live_version = null, live_rows = null, begun = '[]', sha256 = null, \
                   reading = null, error = null, updated_at = now() \
                   where source <> $1 and live_version is not null and partition = any($2) and updated_at < $3";
        timely(self.client.execute(sql, &[&&*self.source, &unused, &since])).await
    }

    /// Whether no source has ever shown a file.
    pub async fn is_blank(&self) -> Result<bool, StoreError> {
        let sql = "select not exists (select from app.uploads)";
        Ok(timely(self.client.query_one(sql, &[])).await?.get(0))
    }
}
