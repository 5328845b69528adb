//! `docs/asvs.md`: every test that it names is there.

use std::collections::BTreeSet;
use std::path::Path;

/// The names of all functions of the workspace that are tests.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            tests(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source");
            let mut marked = false;
            for line in text.lines().map(str::trim) {
                marked |= ["#[test]", "#[tokio::test"].iter().any(|mark| line.starts_with(mark));
                let name =
                    line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                if let Some(name) = name.filter(|_| marked) {
                    found.insert(name.to_owned());
                    marked = false;
                }
            }
        }
    }
}

#[test]
fn every_requirement_has_an_answer_and_every_test_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/asvs.md")).expect("the page");
    let mut known = BTreeSet::new();
    tests(&root, &mut known);
    assert!(known.len() > 300, "{}", known.len());
    let (mut numbers, mut named) = (Vec::<Vec<u32>>::new(), 0);
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, level, asks, met, by] = cells[..] else { continue };
        let Ok(number) = number.split('.').map(str::parse).collect() else { continue };
        assert!(["1", "2"].contains(&level) && !asks.is_empty() && !met.is_empty(), "{row}");
        numbers.push(number);
        for name in by.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = name.trim_matches('`');
            assert!(known.contains(name), "{row} names the test {name}, which is not there");
            named += 1;
        }
    }
    assert!(numbers.is_sorted() && numbers.windows(2).all(|pair| pair[0] != pair[1]), "numbers rise");
    // As many as these chapters have at levels 1 and 2.
    assert_eq!(numbers.len(), 148);
    assert!(named > 100, "{named}");
}
