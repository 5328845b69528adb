//! Files that are no workbooks, are damaged, or are made to hurt: each is refused with a reason, or read as far as it is sound.

use fandom_connectors::workbook::{self, Fault, Limits, ReadError, ReadOptions};
use fandom_schemas::rows::Kind;

use super::collected::{self, Collected, bytes, options, refused, try_bytes};
use super::made::{self, Made};

const HEADER: &str = r#"<row r="1"><c t="inlineStr"><is><t>Chatter Name</t></is></c><c t="inlineStr"><is><t>Date</t></is></c><c t="inlineStr"><is><t>Messages Sent</t></is></c></row>"#;

fn limited(change: impl FnOnce(&mut Limits)) -> ReadOptions {
    let mut options = options("UTC");
    change(&mut options.limits);
    options
}

fn too_large(error: &ReadError) -> &'static str {
    match error {
        ReadError::TooLarge { setting, .. } => setting,
        other => panic!("{other}"),
    }
}

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
fn zeros_that_inflate_without_end() {
    let zeros = vec![0u8; 200 << 20];
    let honest = made::zip(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/worksheets/sheet1.xml", &zeros),
    ]);
    assert!(honest.len() < 1 << 20);
    assert_eq!(too_large(&refused("a.xlsx", &honest)), "FANDOM_MAX_INFLATION_RATIO");
    // The same zip, whose directory claims that nothing of it is longer than a kilobyte.
    let mut lying = honest;
    let size = (zeros.len() as u32).to_le_bytes();
    let claims: Vec<usize> =
        lying.windows(4).enumerate().filter(|(_, bytes)| *bytes == size).map(|(at, _)| at).collect();
    assert!(!claims.is_empty());
    for at in claims {
        lying[at..at + 4].copy_from_slice(&1024u32.to_le_bytes());
    }
    let (sheets, _) = bytes("a.xlsx", &lying);
    assert!(sheets.is_empty(), "what no sheet needs is not inflated");
    // And as the very content of a sheet, made of small pieces or of one.
    for piece in ["<c/>", "0"] {
        let mut sheet = made::xlsx("S", &piece.repeat((200 << 20) / piece.len()), "");
        assert_eq!(too_large(&refused("a.xlsx", &sheet)), "FANDOM_MAX_INFLATION_RATIO");
        let size = ((200u32 << 20) + "<worksheet><sheetData></sheetData></worksheet>".len() as u32).to_le_bytes();
        let claims: Vec<usize> =
            sheet.windows(4).enumerate().filter(|(_, bytes)| *bytes == size).map(|(at, _)| at).collect();
        assert!(!claims.is_empty());
        for at in claims {
            sheet[at..at + 4].copy_from_slice(&1024u32.to_le_bytes());
        }
        let error = refused("a.xlsx", &sheet);
        assert!(matches!(error, ReadError::TooLarge { .. } | ReadError::UnreadableSheet { .. }), "{error}");
    }
}

#[test]
fn cells_that_lie_ten_billion_apart() {
    let far = r#"<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#;
    let (sheets, _) = bytes("a.xlsx", &made::xlsx("S", far, ""));
    assert_eq!(sheets[0].kind, None);
    // In a sheet that is recognised, the far cell is a row without what a row needs.
    let far = format!(
        r#"{HEADER}<row r="2"><c t="inlineStr"><is><t>Mila</t></is></c><c t="inlineStr"><is><t>06/18/2026</t></is></c></row>
        <row r="1048576"><c r="XFD1048576"><v>2</v></c></row>"#
    );
    let (sheets, collected) = bytes("a.xlsx", &made::xlsx("S", &far, ""));
    assert_eq!((sheets[0].accepted, sheets[0].rejected), (1, 1));
    assert_eq!((collected.rejects[0].row, collected.rejects[0].reason.as_str()), (1_048_576, "missing date"));
    assert_eq!(collected.rejects[0].cells.len(), 100, "the record of a bad row stays small");

    for (cells, row) in
        [(r#"<c r="ZZZZ1"><v>1</v></c>"#, "1"), (r#"<c r="A1"><v>1</v></c>"#, "4000000000"), ("", "0"), ("", "x")]
    {
        let sheet = format!(r#"<row r="{row}">{cells}</row>"#);
        let error = refused("a.xlsx", &made::xlsx("S", &sheet, ""));
        assert!(matches!(error, ReadError::TooLarge { .. } | ReadError::UnreadableSheet { .. }), "{error}");
    }
}

#[test]
fn cells_that_lie_far_apart_in_an_xls() {
    let number = |row: u16, column: u16| {
        let mut data = [row.to_le_bytes(), column.to_le_bytes(), [0, 0]].concat();
        data.extend(1.5f64.to_le_bytes());
        data
    };
    let near = made::biff(&[], &[(0x0203, &number(0, 0)), (0x0203, &number(9, 9))]);
    assert_eq!(bytes("a.xls", &made::ole("Workbook", &near)).0.len(), 1);
    let far = made::biff(&[], &[(0x0203, &number(0, 0)), (0x0203, &number(65_535, 255))]);
    assert_eq!(too_large(&refused("a.xls", &made::ole("Workbook", &far))), "FANDOM_MAX_XLS_CELLS");
    // A sheet that only says it is that large.
    let mut claim = Vec::new();
    for end in [0u32, 0xffff_ffff] {
        claim.extend(end.to_le_bytes());
    }
    claim.extend([0, 0, 0xff, 0xff, 0, 0]);
    let claimed = made::biff(&[], &[(0x0200, &claim)]);
    assert_eq!(too_large(&refused("a.xls", &made::ole("Workbook", &claimed))), "FANDOM_MAX_XLS_CELLS");
}

#[test]
fn a_parser_that_panics_fails_its_file_only() {
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
        ) -> Result<(), workbook::Stop> {
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

#[test]
fn a_million_shared_strings() {
    let mut shared = String::from("<sst>");
    for name in ["Chatter Name", "Date", "Messages Sent", "06/18/2026"] {
        shared.push_str(&format!("<si><t>{name}</t></si>"));
    }
    for number in 0..1_000_000 {
        shared.push_str(&format!("<si><t>name {number}</t></si>"));
    }
    shared.push_str("</sst>");
    let cell = |number: u32| format!(r#"<c t="s"><v>{number}</v></c>"#);
    let row = |cells: &[u32]| format!("<row>{}</row>", cells.iter().map(|number| cell(*number)).collect::<String>());
    let file = made::xlsx("S", &(row(&[0, 1, 2]) + &row(&[1_000_003, 3]) + &row(&[4_000_000, 3])), &shared);
    let (sheets, collected) = bytes("a.xlsx", &file);
    assert_eq!(collected.rows[0]["chatter"], "name 999999");
    assert_eq!(sheets[0].rejects[0].reason, "error cell in Chatter Name", "a shared string that is not there");
    let error = try_bytes("a.xlsx", &file, &limited(|limits| limits.max_shared_strings = 999_999))
        .map(|_| ())
        .expect_err("one too many");
    assert_eq!(too_large(&error), "FANDOM_MAX_SHARED_STRINGS");
    let error = try_bytes("a.xlsx", &file, &limited(|limits| limits.max_shared_string_bytes = 1_000_000))
        .map(|_| ())
        .expect_err("too long");
    assert_eq!(too_large(&error), "FANDOM_MAX_SHARED_STRING_BYTES");
}

#[test]
fn every_limit_is_kept_and_named() {
    let csv = b"Chatter Name,Date,Messages Sent\nMila,06/18/2026,7\nIva,06/18/2026,7\n";
    let xlsx = made::xlsx("S", &format!("{HEADER}{}", "<row><c><v>1</v></c></row>".repeat(9)), "");
    let cases: [(&str, &[u8], ReadOptions, &str); 8] = [
        ("a.csv", csv, limited(|l| l.max_file_bytes = 10), "FANDOM_MAX_FILE_BYTES"),
        ("a.csv", csv, limited(|l| l.max_cells = 8), "FANDOM_MAX_CELLS"),
        ("a.csv", csv, limited(|l| l.max_columns = 2), "FANDOM_MAX_COLUMNS"),
        ("a.csv", csv, limited(|l| l.max_string_chars = 9), "FANDOM_MAX_STRING_CHARS"),
        ("a.xlsx", &xlsx, limited(|l| l.max_zip_entries = 3), "FANDOM_MAX_ZIP_ENTRIES"),
        ("a.xlsx", &xlsx, limited(|l| l.max_inflated_bytes = 300), "FANDOM_MAX_INFLATED_BYTES"),
        ("a.xlsx", &xlsx, limited(|l| l.max_sheets = 0), "FANDOM_MAX_SHEETS"),
        ("a.xlsx", &xlsx, limited(|l| l.max_string_chars = 5), "FANDOM_MAX_STRING_CHARS"),
    ];
    for (name, content, options, setting) in cases {
        let error = try_bytes(name, content, &options).map(|_| ()).expect_err(setting);
        assert_eq!(too_large(&error), setting);
        assert!(error.to_string().contains(setting), "{error}");
    }
}

#[test]
fn what_a_workbook_lists_meets_the_limits_before_it_is_held() {
    let book = |sheets: &str, relations: &str| {
        made::stored(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("xl/workbook.xml", format!("<workbook><sheets>{sheets}</sheets></workbook>").as_bytes()),
            ("xl/_rels/workbook.xml.rels", format!("<R>{relations}</R>").as_bytes()),
        ])
    };
    let sheets = book(&"<sheet name='S'/>".repeat(257), "");
    assert_eq!(too_large(&refused("a.xlsx", &sheets)), "FANDOM_MAX_SHEETS");
    let relations: String = (0..4001).map(|number| format!("<Relationship Id='r{number}'/>")).collect();
    assert_eq!(too_large(&refused("a.xlsx", &book("", &relations))), "FANDOM_MAX_ZIP_ENTRIES");
    let names: Vec<String> = (0..3999).map(|number| format!("{number:01500}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = try_bytes("a.xlsx", &made::stored(&entries), &limited(|limits| limits.max_zip_entries = 4000));
    assert!(matches!(error, Err(ReadError::NotASpreadsheet { .. })));
    let names: Vec<String> = (0..999).map(|number| format!("{number:060000}")).collect();
    let entries: Vec<_> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert_eq!(too_large(&refused("a.xlsx", &made::stored(&entries))), "FANDOM_MAX_ZIP_ENTRIES");
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
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let text =
        format!("Chatter Name,Date,Messages Sent\n\"Mila,06/18/2026,7\n{}", "Iva,06/18/2026,7\n".repeat(1_000_000));
    assert_eq!(too_large(&refused("a.csv", text.as_bytes())), "FANDOM_MAX_ROW_BYTES");
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
    let sheet = format!(r#"{HEADER}<row><c t="str"><v>&b;</v></c><c t="str"><v>06/18/2026</v></c></row>"#);
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
        &format!("{HEADER}<row><c t=\"str\"><v>Mila</v></c><c t=\"str\"><v>06/18/2026</v></c></row>"),
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
        "{HEADER}<row><c t=\"str\"><v>Mila</v></c><c t=\"e\"><v>#SPILL!</v></c></row>\
         <row><c t=\"str\"><v>Mila</v></c><c t=\"str\"><v>06/18/2026</v></c><c t=\"e\"><v>#NEW!</v></c></row>"
    );
    let (sheets, collected) = bytes("a.xlsx", &made::xlsx("S", &sheet, ""));
    assert_eq!((sheets[0].kind, sheets[0].accepted), (Some(Kind::ChatterDay), 1));
    assert_eq!((collected.rejects[0].row, collected.rejects[0].reason.as_str()), (2, "error cell in Date"));
    assert_eq!(sheets[0].warnings.get("error cell in Messages Sent"), Some(&1));
}

#[test]
fn an_ods_that_repeats_itself_meets_the_limits() {
    let text = |text: &str, repeat: &str| {
        format!(r#"<table:table-cell office:value-type="string"{repeat}><text:p>{text}</text:p></table:table-cell>"#)
    };
    let header = format!(
        "<table:table-row>{}{}{}</table:table-row>",
        text("Chatter Name", ""),
        text("Date", ""),
        text("Messages Sent", "")
    );
    let row = |cells: &str, repeat: &str| format!("<table:table-row{repeat}>{cells}</table:table-row>");
    let good = text("Mila", "") + &text("06/18/2026", "");
    // Blank rows and cells are stepped over, whatever their count.
    let blank = r#"<table:table-cell table:number-columns-repeated="999999999999"/>"#;
    let sheet = header.clone()
        + &row(blank, r#" table:number-rows-repeated="1000""#)
        + &row(&good, r#" table:number-rows-repeated="3""#);
    let (sheets, collected) = collected::bytes("a.ods", &made::ods(&sheet));
    assert_eq!((sheets[0].rows_read, &collected.rows[2]["row"]), (3, &1004.into()));
    for (sheet, options) in [
        (header.clone() + &row(&good, r#" table:number-rows-repeated="4000000000""#), options("UTC")),
        (header.clone() + &row(&good, r#" table:number-rows-repeated="100""#), limited(|l| l.max_cells = 100)),
        (header.clone() + &row(&text("x", r#" table:number-columns-repeated="99999999""#), ""), options("UTC")),
        (header.clone() + &row(&text(r#"<text:s text:c="4000000000"/>"#, ""), ""), options("UTC")),
    ] {
        let error = try_bytes("a.ods", &made::ods(&sheet), &options).map(|_| ()).expect_err("too much");
        assert!(matches!(error, ReadError::TooLarge { .. } | ReadError::UnreadableSheet { .. }), "{error}");
    }
}
