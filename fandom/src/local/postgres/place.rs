//! Where a cluster stands, and as whom its server runs.
//!
//! PostgreSQL refuses to run as root. Started by root, the server runs as the user `postgres` (else `nobody`), to whom the
//! cluster's files are given. That user must be able to enter the directory; where it cannot, since a directory above
//! is closed (such as root's home), the cluster stands under `/var/lib/fandom`, in a directory named after the one that
//! it belongs to. Both hold the same random mark: without it (the directory was removed to start over) the cluster is of
//! an earlier life and is removed.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::process::{Spec, User, run};
use super::super::{LocalError, file_error, private_dir, remove_dir};

const ELSEWHERE: &str = "/var/lib/fandom";

/// Where a cluster stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    root: PathBuf,
    user: Option<User>,
    elsewhere: bool,
}

impl Place {
    /// The place of the cluster of `dir`, made ready for its user.
    ///
    /// # Errors
    /// When no user can be found, or the place cannot be made.
    pub async fn for_dir(dir: &Path) -> Result<Place, LocalError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Place { root: dir.to_owned(), user: None, elsewhere: false });
        }
        let user = server_user().await?;
        chown(dir, Some(user.uid), Some(user.gid)).map_err(file_error("could not give away", dir))?;
        if can_enter(user, dir).await {
            return Ok(Place { root: dir.to_owned(), user: Some(user), elsewhere: false });
        }
        let root = elsewhere(dir);
        let (mark_here, mark_there) = (dir.join("mark"), root.join("mark"));
        let mark = std::fs::read_to_string(&mark_here).ok().filter(|mark| !mark.is_empty());
        if mark.is_none() || mark != std::fs::read_to_string(&mark_there).ok() {
            remove_dir(&root)?;
            make_open_dir(Path::new(ELSEWHERE))?;
            private_dir(&root)?;
            let mark = format!("{:032x}", rand::random::<u128>());
            for file in [&mark_there, &mark_here] {
                std::fs::write(file, &mark).map_err(file_error("could not write", file))?;
            }
        }
        chown(&root, Some(user.uid), Some(user.gid)).map_err(file_error("could not give away", &root))?;
        Ok(Place { root, user: Some(user), elsewhere: true })
    }

    /// The directory in which everything of the cluster stands.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The cluster.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// As whom the server runs; as whom this process runs if `None`.
    pub fn user(&self) -> Option<User> {
        self.user
    }

    /// The directory, if it is not the one that was asked for.
    pub fn elsewhere(&self) -> Option<&Path> {
        self.elsewhere.then_some(&self.root)
    }

    /// Gives a file to the server's user.
    ///
    /// # Errors
    /// When the file is not there.
    pub fn give(&self, path: &Path) -> Result<(), LocalError> {
        let Some(User { uid, gid }) = self.user else { return Ok(()) };
        chown(path, Some(uid), Some(gid)).map_err(file_error("could not give away", path))
    }
}

/// `/var/lib/fandom/` and the path with dashes for slashes.
fn elsewhere(dir: &Path) -> PathBuf {
    let name = dir.display().to_string().replace('-', "--").replace('/', "-");
    Path::new(ELSEWHERE).join(name.trim_start_matches('-'))
}

fn make_open_dir(dir: &Path) -> Result<(), LocalError> {
    std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)))
        .map_err(file_error("could not make", dir))
}

/// The user as whom a server runs that root starts.
async fn server_user() -> Result<User, LocalError> {
    for name in ["postgres", "nobody"] {
        let (Some(uid), Some(gid)) = (id(name, "-u").await, id(name, "-g").await) else { continue };
        return Ok(User { uid, gid });
    }
    Err(LocalError::Missing {
        program: "a user named postgres",
        hint: "PostgreSQL does not run as root: add that user (useradd --system postgres), or start as another user"
            .into(),
    })
}

async fn id(name: &str, what: &str) -> Option<u32> {
    let mut command = Command::new("id");
    command.args([what, name]);
    run(command).await.ok()?.trim().parse().ok().filter(|&id| id != 0)
}

/// Whether the user may enter the directory.
async fn can_enter(user: User, dir: &Path) -> bool {
    let test = Spec {
        program: "test".into(),
        args: vec!["-x".into(), dir.display().to_string()],
        env: Vec::new(),
        dir: Some("/".into()),
        user: Some(user),
        on_parent_death: "KILL",
    };
    run(test.command()).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_directories_never_share_a_place() {
        let places: Vec<_> =
            ["/root/a/b", "/root/a-b", "/root/a--b"].iter().map(|dir| elsewhere(Path::new(dir))).collect();
        assert_eq!(places[0], Path::new("/var/lib/fandom/root-a-b"));
        assert_ne!(places[0], places[1]);
        assert_ne!(places[1], places[2]);
    }
}
