//! What is known of Drive, as files to be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::follow::Folder;
use super::item::{Item, Kind};
use super::survey::Survey;
use super::tree::Reach;
use crate::source::{Listing, PassedOver, Seen, exported_at};

/// The files in reach, and their items by the id of the file.
pub(super) fn listing(
    source: &str,
    folders: &[Folder],
    survey: &Survey<'_>,
    reach: &Reach,
) -> (Listing, BTreeMap<String, Item>) {
    let mut files = Vec::with_capacity(reach.files.len());
    let mut items = BTreeMap::new();
    for reached in &reach.files {
        let item = &survey.known.tree.nodes[&reached.id].item;
        let file = format!("{source}:{}", item.id);
        let modified_us = item.modified_time.as_microsecond();
        files.push(Seen {
            file: file.clone(),
            name: reached.path.clone(),
            // Google's own spreadsheets have no size until they are exported.
            size: if item.kind() == Kind::Sheet { 0 } else { item.size.unwrap_or(0) },
            modified_us,
            exported_at: exported_at(&item.name).unwrap_or(modified_us.div_euclid(1_000_000)),
            // Drive shows a file when its upload is complete.
            settled: true,
            unusable: None,
            fingerprint: Some(item.fingerprint()),
            reading: Some(Arc::clone(&folders[reached.folder].reading)),
            drive_folder: Some(Arc::clone(&folders[reached.folder].id)),
            path: Default::default(),
        });
        items.insert(file, item.clone());
    }
    let passed_over =
        |name: &String| PassedOver { name: name.clone(), reason: "no workbook by its name and media type" };
    let listing = Listing {
        files,
        unknown: if survey.has_unknown { vec![format!("{source}:")] } else { Vec::new() },
        troubles: Vec::new(),
        root: None,
        passed_over: reach.others.iter().map(passed_over).collect(),
    };
    (listing, items)
}
