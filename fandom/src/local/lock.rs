//! One owner for each directory: a lock that the operating system gives back when its owner ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{LocalError, file_error};

/// A directory that this process owns until the value is dropped.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Takes the directory, which must be there. An owner that is just ending is waited for, up to two seconds.
    ///
    /// # Errors
    /// When another process owns it, or its lock file cannot be written.
    pub fn take(dir: &Path) -> Result<DirLock, LocalError> {
        let path = dir.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(file_error("could not open", &path))?;
        let deadline = Instant::now() + Duration::from_secs(2);
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => {
                    let mut text = String::new();
                    let _ = file.read_to_string(&mut text);
                    return Err(LocalError::InUse { path: dir.to_owned(), pid: text.trim().parse().ok() });
                }
                Err(TryLockError::Error(error)) => return Err(file_error("could not lock", &path)(error)),
            }
        }
        // Only for the message above: the lock itself is the operating system's.
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .and_then(|()| file.flush());
        written.map_err(file_error("could not write", &path))?;
        Ok(DirLock { _file: file })
    }
}
