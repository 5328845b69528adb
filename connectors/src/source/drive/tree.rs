//! What is known of Drive: the configured folders and everything that can be reached from them.
//!
//! - A file is reached through the folder that it stands in, or through a shortcut to it or to a folder above it. Every
//!   item is entered once, so shortcuts that lead back or across end.
//! - A folder is *listed* when all that stands in it is known. From then on the feed of changes keeps it so; one that came
//!   into reach by a change has to be listed first.
//! - An item that cannot be reached any more is forgotten: if it comes back, it is read from Drive anew.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::item::{Item, Kind};

/// An item, and whether what stands in it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub item: Item,
    #[serde(default)]
    pub listed: bool,
}

/// Items by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub nodes: HashMap<String, Arc<Node>>,
}

/// What can be reached from the folders.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Every item that can be reached.
    pub items: HashSet<String>,
    pub files: Vec<Reached>,
    /// What is reached and never read, by path.
    pub others: Vec<String>,
    /// Folders that have to be listed, each with its shared drive.
    pub unlisted: Vec<(String, String)>,
    /// Targets of shortcuts of which nothing is known.
    pub untold: Vec<String>,
    /// The shared drives (`""`: none) of all of it, each with the folders that lead there.
    pub drives: BTreeMap<String, BTreeSet<usize>>,
}

/// A file that can be reached.
#[derive(Debug)]
pub(super) struct Reached {
    pub id: String,
    /// Names from the configured folder down to the file, joined by `/`.
    pub path: String,
    /// Which of the configured folders.
    pub folder: usize,
}

impl Tree {
    /// Takes an item as it is now. A folder that was listed stays so.
    pub fn put(&mut self, item: Item) {
        let listed = self.nodes.get(&item.id).is_some_and(|node| node.listed);
        self.nodes.insert(item.id.clone(), Arc::new(Node { item, listed }));
    }

    /// Notes that all that stands in a folder is known.
    pub fn set_listed(&mut self, folder: &str) {
        if let Some(node) = self.nodes.get_mut(folder) {
            Arc::make_mut(node).listed = true;
        }
    }

    /// Keeps what can be reached.
    pub fn prune(&mut self, reach: &Reach) {
        self.nodes.retain(|id, _| reach.items.contains(id));
    }

    /// What can be reached from these folders, in their order. `dead` are targets that are known not to be there.
    pub fn reach(&self, folders: &[String], dead: &HashSet<String>) -> Reach {
        let mut children: HashMap<&str, Vec<&Arc<Node>>> = HashMap::new();
        for node in self.nodes.values() {
            for parent in &node.item.parents {
                children.entry(parent).or_default().push(node);
            }
        }
        let mut reach = Reach::default();
        for (folder, root) in folders.iter().enumerate() {
            // Breadth first, folders before shortcuts: what stands in a folder has its own path, not that of a shortcut.
            let mut next = VecDeque::from([(root.as_str(), String::new(), true)]);
            let mut behind_shortcuts = VecDeque::new();
            while let Some((id, path, is_root)) = next.pop_front().or_else(|| behind_shortcuts.pop_front()) {
                let Some(node) = self.nodes.get(id) else {
                    if id != root && !dead.contains(id) {
                        reach.untold.push(id.to_owned());
                    }
                    continue;
                };
                if node.item.trashed || !reach.items.insert(id.to_owned()) {
                    continue;
                }
                reach.drives.entry(node.item.drive().to_owned()).or_default().insert(folder);
                let joined = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
                match node.item.kind() {
                    Kind::Folder => {
                        if !node.listed {
                            reach.unlisted.push((id.to_owned(), node.item.drive().to_owned()));
                        }
                        // The configured folder itself is no part of the paths below it.
                        let path = if is_root { String::new() } else { joined(&node.item.name) };
                        let mut below = children.get(id).cloned().unwrap_or_default();
                        below.sort_by(|a, b| (&a.item.name, &a.item.id).cmp(&(&b.item.name, &b.item.id)));
                        for child in below {
                            next.push_back((child.item.id.as_str(), path.clone(), false));
                        }
                    }
                    Kind::Shortcut => {
                        if let Some(target) = node.item.target() {
                            behind_shortcuts.push_back((target, path, is_root));
                        }
                    }
                    Kind::Sheet | Kind::Workbook => {
                        reach.files.push(Reached { id: id.to_owned(), path: joined(&node.item.name), folder });
                    }
                    Kind::Other => reach.others.push(joined(&node.item.name)),
                }
            }
        }
        reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn item(id: &str, parent: &str, media: &str) -> Item {
        let target = media.strip_prefix("to ");
        let media = match media {
            "folder" => "application/vnd.google-apps.folder",
            _ if target.is_some() => "application/vnd.google-apps.shortcut",
            other => other,
        };
        let json = json!({"id": id, "name": format!("{id}.csv"), "mimeType": media, "parents": [parent],
            "modifiedTime": "2026-10-30T08:15:00Z", "shortcutDetails": target.map(|id| json!({"targetId": id}))});
        serde_json::from_value(json).expect("an item")
    }

    fn tree(items: &[(&str, &str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (id, parent, media) in items {
            tree.put(item(id, parent, media));
            tree.set_listed(id);
        }
        tree
    }

    fn files(reach: &Reach) -> Vec<(String, usize)> {
        reach.files.iter().map(|file| (file.path.clone(), file.folder)).collect()
    }

    #[test]
    fn shortcuts_that_lead_back_or_across_end() {
        let tree = tree(&[
            ("root", "drive", "folder"),
            ("below", "root", "folder"),
            ("a", "below", "text/csv"),
            ("back", "below", "to root"),
            ("self", "root", "to self"),
            ("again", "root", "to a"),
            ("away", "root", "to far"),
            ("far", "elsewhere", "folder"),
            ("b", "far", "text/csv"),
        ]);
        let reach = tree.reach(&["root".into()], &HashSet::new());
        assert_eq!(files(&reach), [("below.csv/a.csv".to_owned(), 0), ("far.csv/b.csv".to_owned(), 0)]);
        assert!(reach.untold.is_empty() && reach.unlisted.is_empty());
    }

    #[test]
    fn the_first_folder_that_leads_to_a_file_has_it() {
        let tree = tree(&[("one", "x", "folder"), ("two", "one", "folder"), ("a", "two", "text/csv")]);
        let reach = tree.reach(&["two".into(), "one".into()], &HashSet::new());
        assert_eq!(files(&reach), [("a.csv".to_owned(), 0)]);
    }

    #[test]
    fn what_is_not_known_yet_is_asked_for_once() {
        let mut tree = tree(&[("root", "x", "folder"), ("to", "root", "to gone")]);
        tree.put(item("new", "root", "folder"));
        let reach = tree.reach(&["root".into()], &HashSet::new());
        assert_eq!(reach.unlisted, [("new".to_owned(), String::new())]);
        assert_eq!(reach.untold, ["gone"]);
        assert!(tree.reach(&["root".into()], &HashSet::from(["gone".into()])).untold.is_empty());
    }

    #[test]
    fn what_leaves_the_folders_is_forgotten() {
        let mut tree = tree(&[("root", "x", "folder"), ("below", "root", "folder"), ("a", "below", "text/csv")]);
        tree.put(item("below", "elsewhere", "folder"));
        let reach = tree.reach(&["root".into()], &HashSet::new());
        tree.prune(&reach);
        assert_eq!(tree.nodes.keys().collect::<Vec<_>>(), ["root"]);
    }
}
