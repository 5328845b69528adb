//! Files that are no workbooks, are damaged, or are made to hurt: each is refused with a reason, or read as far as it is sound.

use fandom_connectors::workbook::{self, Fault, ReadError};
use fandom_schemas::rows::Kind;

use super::collected::{Collected, bytes, options, refused, try_bytes};
use super::made::{self, Made, TEMPLATE};

#[test]
fn files_that_are_no_workbooks() {
    assert!(matches!(refused("a.xlsx", b""), ReadError::Empty));
    for (name, content) in [
        ("a.xlsx", &b"this is no zip"[..]),
        ("a.csv", b"\x00\x01\x02\x03"),
        ("a.xls", b"<html><table><tr><td>Creator</td></tr></table></html>"),
        ("a.xls", b"<?xml version=\"1.0\"?><Workbook/>"),
        ("a.csv", b"%PDF-1.7"),
    ] {
        assert!(matches!(refused(name, content), ReadError::NotASpreadsheet { .. }), "{name}");
    }
    let zip = made::zip(&[("readme.txt", b"hello")]);
    assert!(matches!(refused("a.xlsx", &zip), ReadError::NotASpreadsheet { .. }));
    let word = made::zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", b"<w/>")]);
    assert!(matches!(refused("a.xlsx", &word), ReadError::NotASpreadsheet { .. }));
    let (sheets, _) = bytes("a.csv", b"some,notes\nand,more\n");
    assert_eq!(sheets[0].kind, None, "text that is not recognised is no fault of a .csv");
}

#[test]
fn a_format_is_told_by_content_not_by_name() {
    let table = [
        ["Chatter Name", "Date", "Messages Sent"].map(Made::from).to_vec(),
        ["Mila", "06/18/2026", "7"].map(Made::from).to_vec(),
    ];
    for (name, content) in [
        ("a.csv", made::xlsx("S", &made::inline_rows(&table), "")),
        ("a.xls", made::xlsb("S", &table)),
        ("a.xlsx", b"Chatter Name,Date,Messages Sent\nMila,06/18/2026,7\n".to_vec()),
    ] {
        assert_eq!(bytes(name, &content).1.rows.len(), 1, "{name}");
    }
}

#[test]
fn a_truncated_or_changed_zip_is_damaged() {
    let table: Vec<_> = (0..500).map(|n| vec![Made::from(format!("text {}", n * 7919 % 1000).as_str())]).collect();
    let whole = made::xlsx("S", &made::inline_rows(&table), "");
    for length in [5, 30, whole.len() / 2, whole.len() - 1] {
        let error = refused("a.xlsx", &whole[..length]);
        assert!(matches!(error, ReadError::Damaged { .. }), "{length}: {error}");
        assert_eq!((error.fault(), error.may_retry()), (Fault::File, false));
    }
    for at in (0..whole.len()).step_by(37) {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        // Whatever comes of it, it is a result.
        let _ = try_bytes("a.xlsx", &changed, &options("UTC"));
    }
}

#[test]
fn workbooks_with_a_password() {
    assert!(matches!(refused("a.xlsx", &made::ole("EncryptedPackage", b"secret")), ReadError::PasswordProtected));
    let xls = made::biff(&[(0x002f, &[1, 0, 1, 0, 1, 0])], &[]);
    assert!(matches!(refused("a.xls", &made::ole("Workbook", &xls)), ReadError::PasswordProtected));
    let manifest = b"<manifest:manifest><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let ods = made::zip(&[("mimetype", b""), ("content.xml", b"\x01\x02"), ("META-INF/manifest.xml", manifest)]);
    assert!(matches!(refused("a.ods", &ods), ReadError::PasswordProtected));
}

#[test]
fn a_broken_xls_fails_its_file_only() {
    // The name of the sheet is cut off.
    let mut stream = made::biff(&[], &[]);
    let listed = stream.windows(4).position(|bytes| bytes == [0x85, 0, 11, 0]).expect("the list of sheets");
    stream.splice(listed..listed + 15, [0x85, 0, 4, 0, 0, 0, 0, 0]);
    let error = refused("a.xls", &made::ole("Workbook", &stream));
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    // Broken containers, cut and changed everywhere.
    let whole = made::ole("Workbook", &made::biff(&[], &[(0x0204, b"\0\0\0\0\0\0\x03\0\0abc")]));
    for at in (0..whole.len()).step_by(3) {
        let mut changed = whole.clone();
        changed[at] = changed[at].wrapping_add(0x7f);
        let _ = try_bytes("a.xls", &changed, &options("UTC"));
        let _ = try_bytes("a.xls", &whole[..at], &options("UTC"));
    }
}

#[test]
#[should_panic(expected = "the receiver's own fault")]
fn a_receiver_that_panics_is_not_blamed_on_the_file() {
    struct Faulty;
    impl workbook::RowSink for Faulty {
        fn row(
            &mut self,
            _: &fandom_schemas::rows::Row<'_>,
            _: Option<&fandom_schemas::rows::Text<'_>>,
        ) -> Result<(), workbook::NotTaken> {
            panic!("the receiver's own fault");
        }
        fn reject(&mut self, _: workbook::RejectedRow) -> Result<(), workbook::Stop> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    std::fs::write(&path, "Chatter Name,Date,Messages Sent\nMila,06/18/2026,7\n").expect("a file");
    let _ = workbook::read(&path, "a.csv", &options("UTC"), &mut Faulty);
}

#[test]
fn a_receiver_may_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    std::fs::write(&path, format!("Chatter Name,Date,Messages Sent\n{}", "Mila,06/18/2026,7\n".repeat(9)))
        .expect("a file");
    let mut collected = Collected { stop_after: Some(3), ..Collected::default() };
    let error = workbook::read(&path, "a.csv", &options("UTC"), &mut collected).expect_err("stopped");
    assert_eq!((collected.rows.len(), error.fault()), (3, Fault::Receiver));
    let error = workbook::read(&folder.path().join("gone.csv"), "gone.csv", &options("UTC"), &mut collected)
        .expect_err("no file");
    assert!(error.may_retry(), "{error}");
}

/// One row of a creator report is two typed rows; it is rejected once, with its sheet and cells.
#[test]
fn a_row_that_the_receiver_cannot_take_is_rejected() {
    let long = "x".repeat(3000);
    let text = format!(
        "Date/Time UTC,Creator,Tips Net,Tips Gross,Note\n2026-10-21,Tania,1,2,short\n{}",
        format!("2026-10-22,Tania,3,4,{long}\n").repeat(250)
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.csv");
    std::fs::write(&path, text).expect("a file");
    let mut collected = Collected { most_bytes: Some(2000), ..Collected::default() };
    let read = workbook::read(&path, "a.csv", &options("UTC"), &mut collected).expect("the others count");
    let sheet = &read.sheets[0];
    assert_eq!((sheet.rows_read, sheet.accepted, sheet.rejected, sheet.rejects.len()), (251, 1, 250, 100));
    assert_eq!((collected.rows.len(), collected.rejects.len()), (2, 250));
    let reject = &collected.rejects[0];
    assert_eq!((reject.row, reject.reason.as_str(), reject.cells[1].as_str()), (3, "too large", "Tania"));
}

#[test]
fn what_is_shown_of_a_file_is_short() {
    let long = "x".repeat(100_000);
    for rows in [format!("<row r='{long}'/>"), format!("<row><c r='{long}'/></row>")] {
        let error = refused("a.xlsx", &made::xlsx("S", &rows, "")).to_string();
        assert!(error.len() < 500, "{error}");
        let error = refused("a.xlsx", &made::xlsx(&long, &rows, "")).to_string();
        assert!(error.len() < 800, "{error}");
    }
    let (sheets, _) = bytes("a.xlsx", &made::xlsx(&long, "", ""));
    assert!(sheets[0].name.as_ref().is_some_and(|name| name.len() < 300));
}

#[test]
fn xml_made_to_hurt() {
    let deep = "<x>".repeat(1_000_000);
    let error = refused("a.xlsx", &made::xlsx("S", &deep, ""));
    assert!(matches!(error, ReadError::UnreadableSheet { .. } | ReadError::TooLarge { .. }), "{error}");
    let mut noise = 7u32;
    let long: String = (0..20 << 20)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (noise >> 24) as u8 % 26)
        })
        .collect();
    for sheet in [
        format!(r#"<row><c t="str"><v>{long}</v></c></row>"#),
        format!(r#"<row><c r="{long}"/></row>"#),
        format!("<!-- {long} -->"),
        format!(r#"<row><c t="inlineStr"><is>{}</is></c></row>"#, format!("<t>{}</t>", &long[..1000]).repeat(20_000)),
    ] {
        let error = refused("a.xlsx", &made::xlsx("S", &sheet, ""));
        assert!(matches!(error, ReadError::TooLarge { .. }), "{error}");
    }
    let entities = r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    let sheet = format!(r#"{TEMPLATE}<row><c t="str"><v>&b;</v></c><c t="str"><v>06/18/2026</v></c></row>"#);
    let file = made::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", br#"<workbook xmlns:r="r"><sheets><sheet name="S" r:id="rId1"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<R><Relationship Id="rId1" Type="x/worksheet" Target="s.xml"/></R>"#),
        ("xl/s.xml", format!("{entities}<worksheet><sheetData>{sheet}</sheetData></worksheet>").as_bytes()),
    ]);
    assert_eq!(bytes("a.xlsx", &file).1.rows[0]["chatter"], "&b;", "entities of its own are not expanded");
}

#[test]
fn names_that_are_no_unicode() {
    let mut file = made::xlsx(
        "S",
        &format!("{TEMPLATE}<row><c t=\"str\"><v>Mila</v></c><c t=\"str\"><v>06/18/2026</v></c></row>"),
        "",
    );
    // The name of the entry of shared strings, in directory and entry; nothing needs it.
    let name = b"xl/sharedStrings.xml";
    let places: Vec<usize> =
        file.windows(name.len()).enumerate().filter(|(_, bytes)| bytes == name).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        file[at] = 0xff;
    }
    assert_eq!(bytes("a.xlsx", &file).1.rows.len(), 1);
    let sheet = made::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook><sheets><sheet name=\"\xff\xfe\"/></sheets></workbook>"),
    ]);
    assert!(matches!(refused("a.xlsx", &sheet), ReadError::Damaged { .. }));
}

#[test]
fn an_error_that_no_one_knows_is_an_error_of_one_cell() {
    let sheet = format!(
        "{TEMPLATE}<row><c t=\"str\"><v>Mila</v></c><c t=\"e\"><v>#SPILL!</v></c></row>\
         <row><c t=\"str\"><v>Mila</v></c><c t=\"str\"><v>06/18/2026</v></c><c t=\"e\"><v>#NEW!</v></c></row>"
    );
    let (sheets, collected) = bytes("a.xlsx", &made::xlsx("S", &sheet, ""));
    assert_eq!((sheets[0].kind, sheets[0].accepted), (Some(Kind::ChatterDay), 1));
    assert_eq!((collected.rejects[0].row, collected.rejects[0].reason.as_str()), (2, "error cell in Date"));
    assert_eq!(sheets[0].warnings.get("error cell in Messages Sent"), Some(&1));
}

/// Postgres holds no NUL in a text, and no long text in a key.
#[test]
fn texts_that_no_database_can_hold_do_not_get_that_far() {
    // The first four kilobytes tell text from binary data; NULs come behind them.
    let header = "Date & time UTC,Employee,Creator,Fan,Gross revenue,Net revenue,Type,Rule,Mood\n";
    let row = |employee: &str, fan: &str, sale_type: &str, rule: &str| {
        format!("2026-10-21 13:52:43,{employee},Tania,{fan},10,8,{sale_type},{rule},a\0b\n")
    };
    let long = "x".repeat(1001);
    let text = [
        header.to_owned(),
        row("Mila", "u1", "Tip", "r").replace('\0', "").repeat(100),
        row("Mi\0la", "Nick\0 (u\x001)", "T\0ip", "r"),
        row(&long, "u1", "Tip", "r"),
        row("Mila", &long, "Tip", "r"),
        row("Mila", "u1", &long, "r"),
        row("Mila", "u1", "Tip", &long),
        row("Mila", "u1", &"x".repeat(1000), "r"),
    ]
    .concat();
    let (sheets, collected) = bytes("a.csv", text.as_bytes());
    let reasons: Vec<_> = collected.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    let too_long = ["employee longer than 1000 bytes", "fan longer than 1000 bytes", "type longer than 1000 bytes"];
    assert_eq!(reasons, too_long, "without it the row would be another row");
    let clean = &collected.rows[100];
    assert_eq!((&clean["chatter"], &clean["fan"], &clean["nickname"]), (&"Mila".into(), &"u1".into(), &"Nick".into()));
    assert_eq!((&clean["type"], &clean["extra"]["Mood"]), (&"Tip".into(), &"ab".into()));
    assert_eq!(sheets[0].warnings.get("rule longer than 1000 bytes"), Some(&1), "a rule tells no rows apart");
    assert_eq!(sheets[0].accepted, 103);
}

#[test]
fn an_error_in_a_column_that_no_rule_reads_is_missing() {
    let text = "Chatter Name,Date,Messages Sent,Mood\nMila,06/18/2026,7,#N/A\n";
    let (sheets, collected) = bytes("a.csv", text.as_bytes());
    assert_eq!(sheets[0].warnings.get("error cell in Mood"), Some(&1));
    assert_eq!(collected.rows[0].get("extra"), None);
}
