//! A folder of this machine as a folder of the simulated Drive.
//!
//! The folder is looked through twice a second. What is moved or renamed within it stays the same file, as in Drive; so does
//! what is replaced under its name.
//!
//! - A folder below is a folder. Hidden files, and those of `.drive-sim`, are not there.
//! - What is moved into `.trash` is trashed, and untrashed when it is moved back.
//! - A symbolic link is a shortcut, where it leads to something within the folder.
//! - `NAME.gsheet.xlsx` is one of Google's own spreadsheets, `NAME`, which is exported as that workbook.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Simulator;
use crate::State;
use crate::drive::{Content, Entry, FOLDER, Held, SHEET, SHORTCUT, entry, media_type};

/// The id of the folder in the simulated Drive.
pub const ROOT: &str = "simulated-folder";

const POLL: Duration = Duration::from_millis(500);

/// Where what is trashed stands, relative to the folder.
const TRASH: &str = ".trash";

/// A folder that is mirrored.
pub struct Mirror {
    root: PathBuf,
    known: BTreeMap<String, Known>,
    ids_file: PathBuf,
}

/// What is known of a path.
#[derive(Clone)]
struct Known {
    id: String,
    inode: u64,
    /// Size and time of change in nanoseconds.
    stamp: (u64, i128),
}

impl Simulator {
    /// Makes a folder appear as the folder [`ROOT`], now and for as long as the simulator runs.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn mirror(&self, root: &Path) -> io::Result<()> {
        let mirror = Arc::new(Mutex::new(Mirror::new(root)));
        look(&mirror, &self.state).await?;
        let (state, stop) = (Arc::clone(&self.state), self.stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    () = stop.cancelled() => return,
                }
                if let Err(error) = look(&mirror, &state).await {
                    tracing::warn!(%error, "the folder could not be looked through");
                }
            }
        });
        Ok(())
    }
}

async fn look(mirror: &Arc<Mutex<Mirror>>, state: &Arc<State>) -> io::Result<()> {
    let (mirror, state) = (Arc::clone(mirror), Arc::clone(state));
    let looked =
        tokio::task::spawn_blocking(move || mirror.lock().unwrap_or_else(PoisonError::into_inner).look(&state));
    looked.await.unwrap_or_else(|broken| Err(io::Error::other(broken)))
}

/// Something found in the folder.
struct Found {
    /// Path relative to the folder, without [`TRASH`].
    path: String,
    trashed: bool,
    metadata: Metadata,
    link: Option<PathBuf>,
}

impl Mirror {
    fn new(root: &Path) -> Mirror {
        let ids_file = root.join(".drive-sim/ids.json");
        let ids: BTreeMap<String, (String, u64)> =
            fs::read(&ids_file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let known = ids.into_iter().map(|(path, (id, inode))| (path, Known { id, inode, stamp: (0, 0) })).collect();
        Mirror { root: root.to_owned(), known, ids_file }
    }

    fn look(&mut self, state: &State) -> io::Result<()> {
        let mut found = Vec::new();
        walk(&self.root, "", false, &mut found)?;
        let trash = self.root.join(TRASH);
        if trash.is_dir() {
            walk(&trash, "", true, &mut found)?;
        }
        let mut now: BTreeMap<String, Known> = BTreeMap::new();
        let there: HashSet<String> = found.iter().map(Found::key).collect();
        let moved: HashMap<u64, &Known> = {
            let away = self.known.iter().filter(|(key, _)| !there.contains(*key));
            away.map(|(_, known)| (known.inode, known)).collect()
        };
        let mut changed = Vec::new();
        {
            let mut held = state.drive.held();
            if !held.entries.contains_key(ROOT) {
                held.put(entry(ROOT, &self.root.display().to_string(), FOLDER, None));
            }
            for found in &found {
                let key = found.key();
                let before = self.known.get(&key).or_else(|| moved.get(&found.metadata.ino()).copied());
                let id = before.map_or_else(|| held.new_id(&found.path), |known| known.id.clone());
                let stamp = stamp(&found.metadata);
                let is_new = !held.entries.contains_key(&id) || before.is_none_or(|known| known.stamp != stamp);
                now.insert(key, Known { id: id.clone(), inode: found.metadata.ino(), stamp });
                changed.push((id, is_new));
            }
        }
        // Files are digested while nothing is locked.
        let mut entries = Vec::new();
        for (found, (id, is_new)) in found.iter().zip(changed) {
            entries.push((self.entry(found, id, &now)?, is_new));
        }
        let mut held = state.drive.held();
        for (entry, is_new) in entries {
            put_if_changed(&mut held, entry, is_new)?;
        }
        let ids: HashSet<&str> = now.values().map(|known| known.id.as_str()).collect();
        for known in self.known.values().filter(|known| !ids.contains(known.id.as_str())) {
            if held.entries.remove(&known.id).is_some() {
                held.changes.push((None, known.id.clone()));
            }
        }
        drop(held);
        self.keep_ids(&now)?;
        self.known = now;
        Ok(())
    }

    /// What the simulated Drive says of something, without its content.
    fn entry(&self, found: &Found, id: String, now: &BTreeMap<String, Known>) -> io::Result<(Entry, PathBuf)> {
        let (folder, name) = found.path.rsplit_once('/').unwrap_or(("", &found.path));
        let parent_key = if found.trashed { format!("{TRASH}/{folder}") } else { folder.to_owned() };
        let parent = now.get(&parent_key).map_or(ROOT, |known| known.id.as_str());
        let sheet = name.strip_suffix(".gsheet.xlsx");
        let mime = match (&found.link, sheet) {
            (Some(_), _) => SHORTCUT,
            (None, _) if found.metadata.is_dir() => FOLDER,
            (None, Some(_)) => SHEET,
            (None, None) => media_type(name),
        };
        let mut entry = entry(&id, sheet.unwrap_or(name), mime, Some(parent));
        entry.modified_ms = found.metadata.mtime() * 1000 + found.metadata.mtime_nsec() / 1_000_000;
        entry.trashed = found.trashed && folder.is_empty();
        if let Some(link) = &found.link {
            let target =
                link.strip_prefix(fs::canonicalize(&self.root)?).unwrap_or(link).to_string_lossy().into_owned();
            entry.target = now.get(&target).map(|known| known.id.clone());
        }
        let root = if found.trashed { self.root.join(TRASH) } else { self.root.clone() };
        Ok((entry, root.join(&found.path)))
    }

    fn keep_ids(&self, now: &BTreeMap<String, Known>) -> io::Result<()> {
        let same = now.len() == self.known.len()
            && now.iter().zip(&self.known).all(|((a, x), (b, y))| a == b && x.id == y.id && x.inode == y.inode);
        if same {
            return Ok(());
        }
        let ids: BTreeMap<&String, (&String, u64)> =
            now.iter().map(|(path, known)| (path, (&known.id, known.inode))).collect();
        fs::create_dir_all(self.ids_file.parent().unwrap_or(&self.root))?;
        fs::write(&self.ids_file, serde_json::to_vec(&ids)?)
    }
}

impl Found {
    fn key(&self) -> String {
        if self.trashed { format!("{TRASH}/{}", self.path) } else { self.path.clone() }
    }
}

fn put_if_changed(held: &mut Held, (mut entry, path): (Entry, PathBuf), is_new: bool) -> io::Result<()> {
    let before = held.entries.get(&entry.id);
    let has_content = entry.mime != FOLDER && entry.mime != SHORTCUT;
    entry.content = match before {
        Some(before) if has_content && !is_new => {
            let mut content = before.content.clone();
            content.bytes = crate::drive::Bytes::File(path);
            content
        }
        // A file that went away meanwhile is found so at the next look.
        _ if has_content => match Content::of_file(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        },
        _ => Content::default(),
    };
    if entry.mime == FOLDER {
        // What comes and goes in a folder changes its time here, but not in Drive.
        entry.modified_ms = before.map_or(entry.modified_ms, |before| before.modified_ms);
    }
    if let Some(before) = before {
        let told = |entry: &Entry| {
            let Entry { name, mime, parent, modified_ms, trashed, target, content, .. } = entry.clone();
            (name, mime, parent, modified_ms, trashed, target, content.sha256)
        };
        if told(before) == told(&entry) {
            return Ok(());
        }
        entry.version = before.version + 1;
    }
    held.put(entry);
    Ok(())
}

fn walk(folder: &Path, relative: &str, trashed: bool, found: &mut Vec<Found>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name.starts_with("~$") {
            continue;
        }
        let path = if relative.is_empty() { name } else { format!("{relative}/{name}") };
        let metadata = match item.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let link = if metadata.is_symlink() { Some(fs::canonicalize(item.path()).unwrap_or_default()) } else { None };
        let is_folder = metadata.is_dir();
        found.push(Found { path: path.clone(), trashed, metadata, link });
        if is_folder {
            walk(&item.path(), &path, trashed, found)?;
        }
    }
    Ok(())
}

fn stamp(metadata: &Metadata) -> (u64, i128) {
    (metadata.len(), i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Drive;
    use crate::account::Account;

    fn state(dir: &Path) -> State {
        State {
            drive: Drive::default(),
            faults: Default::default(),
            account: Account::at(&dir.join("key.json"), "http://127.0.0.1/token").expect("an account"),
            calls: Default::default(),
            grants: Default::default(),
        }
    }

    /// What is there: name, media type, whether it is in the trash.
    fn shown(state: &State) -> Vec<(String, String, bool)> {
        let held = state.drive.held();
        let entries = held.entries.values().filter(|entry| entry.id != ROOT);
        let mut shown: Vec<_> = entries
            .map(|entry| {
                (entry.name.clone(), entry.mime.clone(), held.visible(&entry.id).is_some_and(|(_, trashed)| trashed))
            })
            .collect();
        shown.sort();
        shown
    }

    fn id_of(state: &State, name: &str) -> String {
        let held = state.drive.held();
        held.entries.values().find(|entry| entry.name == name).map(|entry| entry.id.clone()).expect("it is there")
    }

    #[test]
    fn what_happens_in_the_folder_happens_in_the_simulated_drive() {
        let dir = std::env::temp_dir().join(format!("fandom-drive-sim-{}", std::process::id()));
        let root = dir.join("root");
        fs::create_dir_all(root.join("below")).expect("a folder");
        fs::create_dir_all(root.join(TRASH)).expect("a folder");
        fs::write(root.join("below/a.csv"), "first").expect("a file");
        fs::write(root.join("Sales.gsheet.xlsx"), "sheet").expect("a file");
        fs::write(root.join(".hidden.csv"), "hidden").expect("a file");
        std::os::unix::fs::symlink(root.join("below"), root.join("link")).expect("a link");
        let state = state(&dir);
        let mut mirror = Mirror::new(&root);
        mirror.look(&state).expect("a look");
        let csv = "text/csv".to_owned();
        let kinds: Vec<(String, String)> = shown(&state).into_iter().map(|(name, mime, _)| (name, mime)).collect();
        let expected = [("Sales", SHEET), ("a.csv", "text/csv"), ("below", FOLDER), ("link", SHORTCUT)];
        assert_eq!(kinds, expected.map(|(name, mime)| (name.to_owned(), mime.to_owned())));
        let (a, below, link) = (id_of(&state, "a.csv"), id_of(&state, "below"), id_of(&state, "link"));
        assert_eq!(state.drive.held().entries[&link].target.as_deref(), Some(below.as_str()));

        let changes = state.drive.held().changes.len();
        mirror.look(&state).expect("a look");
        assert_eq!(state.drive.held().changes.len(), changes, "nothing changed");

        fs::rename(root.join("below/a.csv"), root.join("b.csv")).expect("it can be moved");
        mirror.look(&state).expect("a look");
        assert_eq!(id_of(&state, "b.csv"), a, "a moved file stays the same file");
        fs::write(root.join("b.csv"), "second").expect("a file");
        mirror.look(&state).expect("a look");
        assert_eq!((id_of(&state, "b.csv"), state.drive.held().entries[&a].content.size), (a.clone(), 6));

        fs::rename(root.join("b.csv"), root.join(TRASH).join("b.csv")).expect("it can be moved");
        mirror.look(&state).expect("a look");
        assert!(shown(&state).contains(&("b.csv".into(), csv.clone(), true)));
        // A new life knows the files by their ids.
        let mut mirror = Mirror::new(&root);
        fs::rename(root.join(TRASH).join("b.csv"), root.join("b.csv")).expect("it can be moved");
        mirror.look(&state).expect("a look");
        assert!(shown(&state).contains(&("b.csv".into(), csv, false)));
        assert_eq!(id_of(&state, "b.csv"), a);
        fs::remove_file(root.join("b.csv")).expect("it can be removed");
        mirror.look(&state).expect("a look");
        assert!(!state.drive.held().entries.contains_key(&a));
        fs::remove_dir_all(dir).expect("it can be removed");
    }
}
