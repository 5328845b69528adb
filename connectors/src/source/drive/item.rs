//! What Drive says of a file or folder.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The fields of a file that are asked for.
pub(super) const FIELDS: &str = "id,name,mimeType,parents,driveId,size,md5Checksum,sha256Checksum,modifiedTime,version,trashed,\
                                 shortcutDetails(targetId)";

/// The media type of folders.
const FOLDER: &str = "application/vnd.google-apps.folder";
/// The media type of shortcuts.
const SHORTCUT: &str = "application/vnd.google-apps.shortcut";
/// The media type of Google's own spreadsheets.
const SHEET: &str = "application/vnd.google-apps.spreadsheet";
/// What media types of things without content of their own begin with.
const NATIVE: &str = "application/vnd.google-apps.";

/// A file or folder, as Drive's `files` resource has it:
/// <https://developers.google.com/workspace/drive/api/reference/rest/v3/files>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub id: String,
    pub name: String,
    pub mime_type: String,
    /// One folder at most; none for what is shared without its folder.
    #[serde(default)]
    pub parents: Vec<String>,
    /// The shared drive that it stands in.
    pub drive_id: Option<String>,
    #[serde(default, deserialize_with = "number", serialize_with = "text")]
    pub size: Option<u64>,
    pub md5_checksum: Option<String>,
    pub sha256_checksum: Option<String>,
    #[serde(default)]
    pub modified_time: Timestamp,
    #[serde(default, deserialize_with = "number", serialize_with = "text")]
    pub version: Option<u64>,
    #[serde(default)]
    pub trashed: bool,
    pub shortcut_details: Option<Shortcut>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shortcut {
    pub target_id: Option<String>,
}

/// What a file is to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Shortcut,
    /// Google's own spreadsheet: it is exported.
    Sheet,
    /// A workbook: it is downloaded.
    Workbook,
    /// Anything else.
    Other,
}

/// Extensions of workbooks.
const WORKBOOKS: [&str; 6] = [".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".csv"];

/// Media types of workbooks whose names need no extension.
const WORKBOOK_TYPES: [&str; 6] = [
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel",
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "application/vnd.oasis.opendocument.spreadsheet",
    "text/csv",
];

impl Item {
    pub fn kind(&self) -> Kind {
        match self.mime_type.as_str() {
            FOLDER => Kind::Folder,
            SHORTCUT => Kind::Shortcut,
            SHEET => Kind::Sheet,
            native if native.starts_with(NATIVE) => Kind::Other,
            media => {
                let (name, media) = (self.name.to_ascii_lowercase(), media.to_ascii_lowercase());
                let by_name = WORKBOOKS.iter().any(|extension| name.ends_with(extension));
                let has_extension = name.rsplit_once('.').is_some_and(|(_, end)| (1..=4).contains(&end.len()));
                let by_type = !has_extension && WORKBOOK_TYPES.contains(&media.as_str());
                if by_name || by_type { Kind::Workbook } else { Kind::Other }
            }
        }
    }

    /// What a shortcut leads to.
    pub fn target(&self) -> Option<&str> {
        self.shortcut_details.as_ref()?.target_id.as_deref()
    }

    /// The shared drive, or `""` for what stands in none.
    pub fn drive(&self) -> &str {
        self.drive_id.as_deref().unwrap_or_default()
    }

    /// What tells its content from other content: a checksum where Drive has one, else the number of its revision.
    pub fn fingerprint(&self) -> String {
        match (&self.sha256_checksum, &self.md5_checksum, self.version) {
            (Some(sha256), _, _) => format!("sha256 {sha256}"),
            (None, Some(md5), _) => format!("md5 {md5}"),
            (None, None, Some(version)) => format!("version {version}"),
            (None, None, None) => String::new(),
        }
    }
}

/// Drive writes 64-bit numbers as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn text<S: serde::Serializer>(number: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => serializer.serialize_some(&number.to_string()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, media: &str) -> Item {
        let json = serde_json::json!({"id": "1", "name": name, "mimeType": media, "size": "12", "version": "7",
            "modifiedTime": "2026-10-30T08:15:00.123Z", "md5Checksum": "ab"});
        serde_json::from_value(json).expect("an item")
    }

    #[test]
    fn workbooks_are_told_by_extension_else_by_media_type() {
        let xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
        for (name, media, kind) in [
            ("a.XLSX", "application/octet-stream", Kind::Workbook),
            ("report", xlsx, Kind::Workbook),
            ("report 1.2026 exported", xlsx, Kind::Workbook),
            ("a.pdf", "application/pdf", Kind::Other),
            ("a.txt", "text/csv", Kind::Other),
            ("a", SHEET, Kind::Sheet),
            ("a.xlsx", "application/vnd.google-apps.document", Kind::Other),
            ("a", FOLDER, Kind::Folder),
            ("a.xlsx", SHORTCUT, Kind::Shortcut),
        ] {
            assert_eq!(item(name, media).kind(), kind, "{name} {media}");
        }
    }

    #[test]
    fn an_item_survives_being_kept() {
        let item = item("a.xlsx", "text/csv");
        assert_eq!((item.size, item.version, item.fingerprint().as_str()), (Some(12), Some(7), "md5 ab"));
        assert_eq!(item.modified_time.as_microsecond(), 1_793_348_100_123_000);
        let kept = serde_json::to_value(&item).expect("JSON");
        assert_eq!(serde_json::from_value::<Item>(kept).expect("an item"), item);
    }
}
