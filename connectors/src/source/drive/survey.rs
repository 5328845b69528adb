//! Bringing what is known of Drive up to date: by listing everything, or by the changes since.
//!
//! 1. The token of a feed is taken before the first listing of anything in its drive. What changes while folders are listed, so
//!    that it is missed or met twice, is in the feed.
//! 2. A full listing ends with the changes since its tokens, so it is right as of its end.
//! 3. Nothing is handed over before everything in reach is known: a listing that breaks off changes nothing, and its tokens
//!    are thrown away with it.
//! 4. A configured folder that cannot be looked at keeps what was last known below it.

use std::collections::{BTreeMap, HashSet};

use fandom_services::failpoints;

use super::api::Api;
use super::error::DriveError;
use super::item::Item;
use super::store::Known;
use super::tree::{Reach, Tree};
use crate::source::Trouble;

/// How often the listing of a folder is begun anew because the token of its next page is not known any more.
const FRESH_STARTS: u32 = 3;

/// What is known of Drive, on its way to another moment.
pub(super) struct Survey<'a> {
    api: &'a Api,
    folders: &'a [String],
    pub known: Known,
    /// Targets of shortcuts that are not there.
    pub dead: HashSet<String>,
    /// By what cannot be looked at.
    pub troubles: BTreeMap<String, Trouble>,
    /// Whether there is a folder of which nothing is known and which cannot be looked at.
    pub has_unknown: bool,
    /// Whether anything is to be kept.
    pub is_changed: bool,
}

impl<'a> Survey<'a> {
    /// Begins with what is known.
    pub fn of(api: &'a Api, folders: &'a [String], known: Known, dead: HashSet<String>) -> Survey<'a> {
        let (troubles, has_unknown, is_changed) = (BTreeMap::new(), false, false);
        Survey { api, folders, known, dead, troubles, has_unknown, is_changed }
    }

    /// Lists everything. `before` is what was known of a folder that cannot be looked at now.
    ///
    /// # Errors
    /// When Drive does not answer as it should.
    pub async fn list(api: &'a Api, folders: &'a [String], before: &Tree) -> Result<(Survey<'a>, Reach), DriveError> {
        let mut survey = Survey::of(api, folders, Known::default(), HashSet::new());
        for folder in folders {
            match survey.item_after_token(folder).await {
                Ok(item) => survey.take_folder(item),
                Err(error) if !error.is_transient() => {
                    survey.note(&format!("the folder {folder}"), &error);
                    let reach = before.reach(std::slice::from_ref(folder), &HashSet::new());
                    survey.has_unknown |= reach.items.is_empty();
                    for id in reach.items {
                        let node = before.nodes[&id].clone();
                        // What stands in a shared drive needs a feed, which is asked for when the folder is there again.
                        survey.known.tree.nodes.entry(id).or_insert(node);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        survey.complete().await?;
        survey.follow(|_| true).await?;
        let reach = survey.complete().await?;
        survey.is_changed = true;
        Ok((survey, reach))
    }

    /// Takes the changes of those feeds, and of folders that could not be looked at before. `false` where everything has to be listed.
    ///
    /// # Errors
    /// When Drive does not answer as it should.
    pub async fn poll(
        &mut self,
        is_due: impl Fn(&str) -> bool,
        troubled: &HashSet<String>,
    ) -> Result<Option<Reach>, DriveError> {
        for folder in self.folders {
            let is_known = self.known.tree.nodes.contains_key(folder);
            if is_known && !troubled.contains(folder) {
                continue;
            }
            match self.api.item(folder).await {
                Ok(item) if item.trashed => self.take_folder(item),
                Ok(_) => return Ok(None),
                Err(error) if !error.is_transient() => {
                    self.note(&format!("the folder {folder}"), &error);
                    self.has_unknown |= !is_known;
                }
                Err(error) => return Err(error),
            }
        }
        self.follow(is_due).await?;
        self.complete().await.map(Some)
    }

    /// Takes every change of those feeds.
    async fn follow(&mut self, is_due: impl Fn(&str) -> bool) -> Result<(), DriveError> {
        let feeds: Vec<(String, String)> = self.known.tokens.clone().into_iter().collect();
        for (drive, mut token) in feeds.into_iter().filter(|(drive, _)| is_due(drive)) {
            loop {
                let page = match self.api.changes(&drive, &token).await {
                    Ok(page) => page,
                    Err(error) if !error.is_transient() && !drive.is_empty() => {
                        self.note(&format!("the shared drive {drive}"), &error);
                        break;
                    }
                    Err(error) => return Err(error),
                };
                failpoints::pass("drive.changes");
                for change in page.changes {
                    let Some(id) = change.file_id else { continue };
                    self.apply(&drive, id, change.file.filter(|_| !change.removed)).await?;
                }
                // Changes of what is not in reach are not kept, however many there are.
                let reach = self.known.tree.reach(self.folders, &self.dead);
                self.known.tree.prune(&reach);
                match (page.next_page_token, page.new_start_page_token) {
                    (Some(next), _) => token = next,
                    (None, Some(start)) => {
                        self.is_changed |= self.known.tokens.get(&drive) != Some(&start);
                        self.known.tokens.insert(drive, start);
                        break;
                    }
                    (None, None) => return Err(DriveError::Unexpected("a page of changes without a token".into())),
                }
            }
        }
        Ok(())
    }

    async fn apply(&mut self, drive: &str, id: String, item: Option<Item>) -> Result<(), DriveError> {
        self.dead.remove(&id);
        if self.folders.contains(&id) {
            // What a feed says of the folder itself is not enough to take everything below it back.
            match self.api.item(&id).await {
                Ok(item) => self.take_folder(item),
                Err(error) if !error.is_transient() => self.note(&format!("the folder {id}"), &error),
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        match item {
            Some(item) if !item.trashed => self.known.tree.put(item),
            // One feed tells that it left, another that it came: which of them is asked first says nothing.
            None if self.known.tree.nodes.get(&id).is_some_and(|node| node.item.drive() != drive) => {
                match self.api.item(&id).await {
                    Ok(item) if !item.trashed => self.known.tree.put(item),
                    Err(error) if error.is_transient() => return Err(error),
                    Ok(_) | Err(_) => drop(self.known.tree.nodes.remove(&id)),
                }
            }
            _ => drop(self.known.tree.nodes.remove(&id)),
        }
        Ok(())
    }

    /// Lists and asks until everything in reach is known.
    async fn complete(&mut self) -> Result<Reach, DriveError> {
        loop {
            let reach = self.known.tree.reach(self.folders, &self.dead);
            if reach.unlisted.is_empty() && reach.untold.is_empty() {
                self.known.tree.prune(&reach);
                return Ok(reach);
            }
            for (folder, drive) in &reach.unlisted {
                self.take_token(drive).await?;
                match self.children(folder, drive).await {
                    Ok(children) => {
                        self.known.tree.nodes.retain(|_, node| !node.item.parents.contains(folder));
                        children.into_iter().for_each(|child| self.known.tree.put(child));
                    }
                    // It was taken away since it was seen; the feed will say so.
                    Err(error) if !error.is_transient() => {
                        if self.folders.contains(folder) {
                            self.note(&format!("the folder {folder}"), &error);
                        }
                    }
                    Err(error) => return Err(error),
                }
                self.known.tree.set_listed(folder);
            }
            for target in &reach.untold {
                match self.item_after_token(target).await {
                    Ok(item) if !item.trashed => self.known.tree.put(item),
                    Ok(_) => drop(self.dead.insert(target.clone())),
                    Err(error) if !error.is_transient() => drop(self.dead.insert(target.clone())),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    async fn children(&self, folder: &str, drive: &str) -> Result<Vec<Item>, DriveError> {
        let mut fresh_starts = 0;
        'anew: loop {
            let (mut children, mut page) = (Vec::new(), None);
            loop {
                let list = match self.api.children(folder, drive, page.as_deref()).await {
                    Err(DriveError::StaleToken) if page.is_some() && fresh_starts < FRESH_STARTS => {
                        fresh_starts += 1;
                        continue 'anew;
                    }
                    list => list?,
                };
                failpoints::pass("drive.listed");
                if list.incomplete_search {
                    return Err(DriveError::Unexpected("an incomplete list of a folder".into()));
                }
                children.extend(list.files);
                page = list.next_page_token;
                if page.is_none() {
                    return Ok(children);
                }
            }
        }
    }

    /// An item as it is after the token of its feed was taken.
    async fn item_after_token(&mut self, id: &str) -> Result<Item, DriveError> {
        let item = self.api.item(id).await?;
        if self.take_token(item.drive()).await? { self.api.item(id).await } else { Ok(item) }
    }

    /// Takes the token of a drive's feed, unless it is there; says whether it was taken now.
    async fn take_token(&mut self, drive: &str) -> Result<bool, DriveError> {
        if self.known.tokens.contains_key(drive) {
            return Ok(false);
        }
        let token = self.api.start_page_token(drive).await?;
        self.known.tokens.insert(drive.to_owned(), token);
        self.is_changed = true;
        Ok(true)
    }

    fn take_folder(&mut self, item: Item) {
        if item.trashed {
            let trouble = Trouble {
                what: format!("the folder {}", item.id),
                reason: "it is in Drive's trash, so its files were taken back".into(),
                remedy: "restore it, or take it out of FANDOM_DRIVE_FOLDERS".into(),
                permanent: true,
            };
            self.troubles.insert(trouble.what.clone(), trouble);
        }
        self.is_changed |= self.known.tree.nodes.get(&item.id).is_none_or(|node| node.item != item);
        self.known.tree.put(item);
    }

    fn note(&mut self, what: &str, error: &DriveError) {
        let trouble = trouble(what, error, self.api.token.account());
        self.troubles.insert(what.to_owned(), trouble);
    }
}

/// A trouble as it is shown to people.
pub(super) fn trouble(what: &str, error: &DriveError, account: &str) -> Trouble {
    Trouble {
        what: what.to_owned(),
        reason: error.to_string(),
        remedy: error.remedy(account),
        permanent: !error.is_transient(),
    }
}
