//! The folder of uploads on the disk: `<folder>/<id>/<name>`.
//!
//! A file that is being received is a hidden one, `.<id>.part`, which the connectors pass over. When all of it is on the disk it is moved
//! into its place in one step, so whoever looks finds the whole file or none.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::fs;
use tokio::io::AsyncWriteExt;

/// What is left of an upload that was broken off is removed when it is this old.
const LEFT_OVER: Duration = Duration::from_secs(2 * 3600);

/// The folder of uploads.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: PathBuf,
}

/// A file that is being received. It is removed when it is dropped without having been moved into its place.
pub(super) struct Part {
    path: PathBuf,
    file: fs::File,
    /// Bytes that were written.
    pub size: u64,
}

impl Place {
    pub fn new(root: PathBuf) -> Place {
        Place { root }
    }

    /// Begins to receive a file.
    pub async fn begin(&self, id: &str) -> io::Result<Part> {
        fs::create_dir_all(&self.root).await?;
        let path = self.root.join(format!(".{id}.part"));
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path).await?;
        Ok(Part { path, file, size: 0 })
    }

    /// Moves a file that was received into its place, whose path is relative to the folder.
    pub async fn put(&self, part: &Part, relative: &str) -> io::Result<()> {
        let path = self.root.join(relative);
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder).await?;
        fs::rename(&part.path, &path).await?;
        // The name is on the disk when the folders that hold it are.
        for folder in folder.ancestors().take_while(|folder| folder.starts_with(&self.root)) {
            fs::File::open(folder).await?.sync_all().await?;
        }
        Ok(())
    }

    /// Removes a file, with its folder if that is its own. It may be gone already.
    pub async fn remove(&self, relative: &str) -> io::Result<()> {
        let path = self.root.join(relative);
        match fs::remove_file(&path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(folder) = path.parent() {
            // Others may have put something there.
            let _ = fs::remove_dir(folder).await;
        }
        Ok(())
    }

    /// Whether the file is in its place.
    pub async fn has(&self, relative: &str) -> bool {
        fs::try_exists(self.root.join(relative)).await.unwrap_or(false)
    }

    /// Removes what is left of uploads that were broken off long ago.
    pub async fn tidy(&self) -> io::Result<()> {
        let mut entries = fs::read_dir(&self.root).await?;
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            let is_part = name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(".part"));
            let modified = entry.metadata().await.and_then(|metadata| metadata.modified());
            let is_old = modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFT_OVER));
            if is_part && is_old {
                fs::remove_file(entry.path()).await?;
            }
        }
        Ok(())
    }
}

impl Part {
    /// Writes more of it.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Returns when all of it is on the disk.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After it was moved there is nothing under its name.
        let _ = std::fs::remove_file(Path::new(&self.path));
    }
}
