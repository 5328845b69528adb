//! Fills the inbox at the first start, so that there is something to see.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;

use super::progress::say;
use crate::sample::{self, SampleArgs};

/// Where samples are written before they are moved into the inbox: no file of it is seen half written, and a start that was
/// killed on the way begins again.
const UNFINISHED: &str = ".samples";
/// In the data directory: the inbox has had its first start.
const DONE: &str = "inbox-made";

/// Makes the inbox. At the first start on this data directory, if `wanted`, fills it with samples unless it holds files.
///
/// The invented agency lives in `zone` (IANA), that of the source: some of its sheets name no zone, and read in another one
/// their messages would be hours away from their sales, or yet to come.
///
/// # Errors
/// When the inbox or a sample cannot be written.
pub async fn fill(data: &Path, inbox: &Path, wanted: bool, zone: &str) -> anyhow::Result<()> {
    // What is exported holds private conversations: a folder that is made here is its owner's alone.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(inbox)
        .with_context(|| format!("could not make the inbox {}", inbox.display()))?;
    let (done, unfinished) = (data.join(DONE), inbox.join(UNFINISHED));
    if done.exists() {
        return Ok(());
    }
    if wanted && (unfinished.exists() || is_empty(inbox)?) {
        say("samples", "writing workbooks of an invented agency".into());
        let (target, zone) = (inbox.to_owned(), zone.to_owned());
        let moved = tokio::task::spawn_blocking(move || write(&unfinished, &target, zone)).await?;
        let (files, rows) = moved.context("could not write the samples")?;
        say("samples", format!("{files} files with {rows} rows in {}", inbox.display()));
    }
    std::fs::write(&done, "").with_context(|| format!("could not write {}", done.display()))
}

fn is_empty(dir: &Path) -> anyhow::Result<bool> {
    Ok(std::fs::read_dir(dir).with_context(|| format!("could not read {}", dir.display()))?.next().is_none())
}

/// Writes the samples and moves them into the inbox; returns how many files and rows there are.
fn write(unfinished: &Path, inbox: &Path, zone: String) -> anyhow::Result<(usize, u64)> {
    if unfinished.exists() {
        std::fs::remove_dir_all(unfinished)?;
    }
    let summary = sample::write(&SampleArgs { tz: zone, ..SampleArgs::new(unfinished) })?;
    for file in &summary.files {
        let place = inbox.join(file.path.strip_prefix(unfinished)?);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::rename(&file.path, place)?;
    }
    std::fs::remove_dir_all(unfinished)?;
    Ok((summary.files.len(), summary.rows.values().sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_empty_inbox_is_filled_and_only_once() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (data, inbox) = (dir.path().join("data"), dir.path().join("inbox"));
        std::fs::create_dir(&data).expect("a directory");
        // A start was killed while it wrote samples.
        std::fs::create_dir_all(inbox.join(UNFINISHED)).expect("a directory");
        std::fs::write(inbox.join(UNFINISHED).join("half.xlsx"), "half").expect("a file");
        fill(&data, &inbox, true, "America/New_York").await.expect("samples");
        let files =
            || std::fs::read_dir(&inbox).expect("the inbox").flatten().map(|entry| entry.path()).collect::<Vec<_>>();
        assert!(files().len() > 3, "{:?}", files());
        assert!(!inbox.join(UNFINISHED).exists() && !inbox.join("half.xlsx").exists());

        for file in files() {
            std::fs::remove_file(file).expect("a file is removed");
        }
        fill(&data, &inbox, true, "America/New_York").await.expect("nothing to do");
        assert!(is_empty(&inbox).expect("the inbox"), "what a user removed does not come back");

        let (data, inbox) = (dir.path().join("data 2"), dir.path().join("inbox 2"));
        std::fs::create_dir(&data).and_then(|()| std::fs::create_dir(&inbox)).expect("directories");
        std::fs::write(inbox.join("mine.csv"), "mine").expect("a file");
        fill(&data, &inbox, true, "America/New_York").await.expect("nothing to do");
        assert_eq!(std::fs::read_dir(&inbox).expect("the inbox").count(), 1, "a user's folder is left alone");
    }
}
