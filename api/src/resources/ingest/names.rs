//! Names of uploaded files and folders, made safe.

/// Endings of files that the connectors read.
const ENDINGS: [&str; 6] = ["xlsx", "xlsm", "xls", "xlsb", "ods", "csv"];

/// The longest name, in bytes.
const LONGEST: usize = 200;

/// The longest folder, in bytes.
const LONGEST_FOLDER: usize = 300;

/// The name under which a file is kept: the last part of what the client calls it, without what a file system or a person could
/// misunderstand. `None` if it is no file that is read.
pub(super) fn safe(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .map(|c| if matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
        .collect();
    // Hidden files, and locks of spreadsheet programs, are passed over by the connectors.
    let plain = plain.trim().trim_start_matches(['.', '~', ' ']).trim_end_matches(['.', ' ']);
    let (stem, ending) = plain.rsplit_once('.')?;
    let ending = ending.to_ascii_lowercase();
    if !ENDINGS.contains(&ending.as_str()) {
        return None;
    }
    let stem = &stem[..stem.floor_char_boundary(LONGEST - ending.len() - 1)];
    let stem = stem.trim_end();
    Some(format!("{}.{ending}", if stem.is_empty() { "upload" } else { stem }))
}

/// The ending of a name.
pub(super) fn ending(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// Marks that turn the direction of what is shown, so that a name reads as another.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A folder among the uploads, such as `crm/2026`; `None` if it is no plain path.
pub(super) fn folder(text: &str) -> Option<String> {
    let text = text.trim_matches('/');
    let plain = |part: &str| {
        let odd =
            |c: char| c.is_control() || is_invisible(c) || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
        !part.is_empty()
            && part.trim() == part
            && !part.starts_with(['.', '~'])
            && !part.contains(odd)
            && part.len() <= 100
    };
    (text.is_empty() || text.len() <= LONGEST_FOLDER && text.split('/').all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_what_is_not_a_name() {
        for (given, kept) in [
            (
                "(Northlight)Message_Dashboard_Report_20261030081500.xlsx",
                "(Northlight)Message_Dashboard_Report_20261030081500.xlsx",
            ),
            ("../../etc/passwd.csv", "passwd.csv"),
            ("C:\\Users\\me\\Sales.XLSX", "Sales.xlsx"),
            (".hidden.csv", "hidden.csv"),
            ("~$lock.xlsx", "$lock.xlsx"),
            ("a\u{202e}b\0\n.csv", "ab.csv"),
            ("what?.csv", "what_.csv"),
        ] {
            assert_eq!(safe(given).as_deref(), Some(kept), "{given:?}");
        }
        for refused in ["a.exe", "a", "", " .csv", "..", "a.csv/", "a.csv.gz"] {
            assert_eq!(safe(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn folders_are_plain_paths() {
        for (given, kept) in [
            ("", Some("")),
            ("crm", Some("crm")),
            ("/crm/2026/", Some("crm/2026")),
            ("..", None),
            ("a/../b", None),
            ("a//b", None),
            (".hidden", None),
            ("a\\b", None),
            ("a/ b", None),
        ] {
            assert_eq!(folder(given).as_deref(), kept, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn a_safe_name_is_safe(name in "\\PC{0,60}|[./\\\\~a:\0]{0,20}", ending in "csv|XLSX|ods") {
            if let Some(safe_name) = safe(&format!("{name}.{ending}")) {
                prop_assert!(safe_name.len() <= LONGEST);
                prop_assert!(!safe_name.starts_with('.') && !safe_name.starts_with("~$"));
                prop_assert!(!safe_name.contains(['/', '\\', '\0', ':']));
                prop_assert_eq!(safe(&safe_name), Some(safe_name.clone()), "it stays as it is");
            }
        }

        #[test]
        fn a_folder_stays_below(text in "[a-z./ ]{0,20}") {
            if let Some(folder) = folder(&text) {
                let path = std::path::Path::new(&folder);
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
