//! Files that hold more than a file may, or claim to: each limit is kept, and named in the reason.

use fandom_connectors::workbook::{Limits, ReadError, ReadOptions};

use super::collected::{self, bytes, options, refused, try_bytes};
use super::made::{self, TEMPLATE};

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
        r#"{TEMPLATE}<row r="2"><c t="inlineStr"><is><t>Mila</t></is></c><c t="inlineStr"><is><t>06/18/2026</t></is></c></row>
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
    // A sheet that says that it is larger than any, of cells in its corners.
    let mut claim = Vec::new();
    for end in [0u32, 0xffff_ffff] {
        claim.extend(end.to_le_bytes());
    }
    claim.extend([0, 0, 0xff, 0xff, 0, 0]);
    let corners = [(65_535, 255), (0, 0), (0, 16_383)].map(|(row, column)| number(row, column));
    let records: Vec<(u16, &[u8])> =
        [(0x0200, &claim[..])].into_iter().chain(corners.iter().map(|cell| (0x0203, &cell[..]))).collect();
    let (sheets, _) = bytes("a.xls", &made::ole("Workbook", &made::biff(&[], &records)));
    assert_eq!((sheets.len(), sheets[0].kind), (1, None));
    let beyond = made::biff(&[], &[(0x0203, &number(0, 16_384))]);
    assert_eq!(too_large(&refused("a.xls", &made::ole("Workbook", &beyond))), "FANDOM_MAX_COLUMNS");
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
    // The header of a column that no rule reads goes with every row.
    let extra = b"Chatter Name,Date,Messages Sent,A long name of a column\nMila,06/18/2026,7,x\nIva,06/18/2026,7,x\n";
    let xlsx = made::xlsx("S", &format!("{TEMPLATE}{}", "<row><c><v>1</v></c></row>".repeat(9)), "");
    let cases: [(&str, &[u8], ReadOptions, &str); 10] = [
        ("a.csv", csv, limited(|l| l.max_file_bytes = 10), "FANDOM_MAX_FILE_BYTES"),
        ("a.csv", csv, limited(|l| l.max_cells = 8), "FANDOM_MAX_CELLS"),
        ("a.csv", csv, limited(|l| l.max_columns = 2), "FANDOM_MAX_COLUMNS"),
        ("a.csv", csv, limited(|l| l.max_string_chars = 9), "FANDOM_MAX_STRING_CHARS"),
        ("a.csv", csv, limited(|l| l.max_text_bytes = 57), "FANDOM_MAX_TEXT_BYTES"),
        ("a.csv", extra, limited(|l| l.max_text_bytes = 100), "FANDOM_MAX_TEXT_BYTES"),
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
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let text =
        format!("Chatter Name,Date,Messages Sent\n\"Mila,06/18/2026,7\n{}", "Iva,06/18/2026,7\n".repeat(1_000_000));
    assert_eq!(too_large(&refused("a.csv", text.as_bytes())), "FANDOM_MAX_ROW_BYTES");
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
