//! `.xls` files in the forms that programs write: every record of a cell, texts that go on in the next record, cells in any order.

use serde_json::{Value, json};

use super::collected::{bytes, refused};
use super::made;

const TEXT: u16 = 0x0204;
const RICH_TEXT: u16 = 0x00d6;
const SHARED_TEXT: u16 = 0x00fd;
const NUMBER: u16 = 0x0203;
const SHORT_NUMBER: u16 = 0x027e;
const MANY_NUMBERS: u16 = 0x00bd;
const BOOL_OR_ERROR: u16 = 0x0205;
const FORMULA: u16 = 0x0006;
const FORMULA_TEXT: u16 = 0x0207;
const CONTINUE: u16 = 0x003c;
const SHARED_TEXTS: u16 = 0x00fc;

type Records = Vec<(u16, Vec<u8>)>;

/// A cell's record: row, column and format, then `rest`.
fn cell(number: u16, row: u16, column: u16, format: u16, rest: &[u8]) -> (u16, Vec<u8>) {
    let place = [row.to_le_bytes(), column.to_le_bytes(), format.to_le_bytes()].concat();
    (number, [&place, rest].concat())
}

/// A text of narrow characters behind its count.
fn narrow(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_le_bytes()[..], &[0], text.as_bytes()].concat()
}

fn text(row: u16, column: u16, text: &str) -> (u16, Vec<u8>) {
    cell(TEXT, row, column, 0, &narrow(text))
}

fn rk(number: i32) -> [u8; 4] {
    (number << 2 | 2).to_le_bytes()
}

/// What a formula gave, and two bytes of flags and more.
fn formula(row: u16, column: u16, result: [u8; 8]) -> (u16, Vec<u8>) {
    cell(FORMULA, row, column, 0, &[&result[..], &[0; 8]].concat())
}

fn headers() -> Records {
    let headers = ["Chatter Name", "Date", "Messages Sent", "PPVs Sent", "PPVs Unlocked", "Fans Chatted"];
    (0..).zip(headers).map(|(column, header)| text(0, column, header)).collect()
}

fn stream(before: &Records, sheet: &Records) -> Vec<u8> {
    fn borrowed(records: &Records) -> Vec<(u16, &[u8])> {
        records.iter().map(|(number, data)| (*number, data.as_slice())).collect()
    }
    made::biff(&borrowed(before), &borrowed(sheet))
}

fn file(before: &Records, sheet: &Records) -> Vec<u8> {
    made::ole("Workbook", &stream(before, sheet))
}

/// The two cell formats: 0 of numbers, 1 of days.
fn formats() -> Records {
    let code = [&164u16.to_le_bytes()[..], &narrow("yyyy\\-mm\\-dd")].concat();
    vec![(0x041e, code), (0x00e0, vec![0, 0, 0, 0]), (0x00e0, vec![0, 0, 164, 0])]
}

/// Chatter, day and figures of each row that was read.
fn rows(file: &[u8]) -> (Vec<Value>, Value) {
    let (sheets, collected) = bytes("a.xls", file);
    let figures = |row: &Value| {
        json!([
            row["chatter"],
            row["day"],
            row["messages_sent"],
            row["ppvs_sent"],
            row["ppvs_unlocked"],
            row["fans_chatted"]
        ])
    };
    (collected.rows.iter().map(figures).collect(), json!(sheets[0].warnings))
}

#[test]
fn every_record_of_a_cell_is_read() {
    let mut before = formats();
    before.push((SHARED_TEXTS, [&[0; 8], &narrow("Mila")[..], &narrow("10/22/2026")].concat()));
    let mut sheet = headers();
    let many = [rk(2), rk(1), rk(4)].map(|number| [&[0, 0], &number[..]].concat()).concat();
    let many = [&1u16.to_le_bytes()[..], &3u16.to_le_bytes(), &many, &5u16.to_le_bytes()].concat();
    sheet.extend([
        cell(SHARED_TEXT, 1, 0, 0, &0u32.to_le_bytes()),
        cell(NUMBER, 1, 1, 1, &46_316.0f64.to_le_bytes()),
        cell(SHORT_NUMBER, 1, 2, 0, &rk(7)),
        (MANY_NUMBERS, many),
        // A text with formats, a day that a formula gave as text, numbers of formulas and an error.
        cell(RICH_TEXT, 2, 0, 0, &[&narrow("Iva")[..], &[1, 0, 0, 0, 0, 0]].concat()),
        formula(2, 1, [0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        (0x04bc, vec![0; 12]),
        (FORMULA_TEXT, narrow("10/21/2026")),
        formula(2, 2, 9.0f64.to_le_bytes()),
        formula(2, 3, [2, 0, 0x2a, 0, 0, 0, 0xff, 0xff]),
        cell(BOOL_OR_ERROR, 2, 4, 0, &[0x07, 1]),
        formula(2, 5, [3, 0, 0, 0, 0, 0, 0xff, 0xff]),
        // A shared text that is not there.
        text(3, 0, "Luka"),
        cell(SHARED_TEXT, 3, 1, 0, &1u32.to_le_bytes()),
        cell(SHARED_TEXT, 3, 2, 0, &99u32.to_le_bytes()),
        cell(BOOL_OR_ERROR, 3, 3, 0, &[1, 0]),
    ]);
    let (rows, warnings) = rows(&file(&before, &sheet));
    let day = |day: u8| json!(format!("2026-10-{day}"));
    assert_eq!(rows[0], json!(["Mila", day(21), 7, 2, 1, 4]));
    assert_eq!(rows[1], json!(["Iva", day(21), 9, null, null, null]));
    assert_eq!(rows[2], json!(["Luka", day(22), null, null, null, null]));
    let expected = json!({
        "error cell in PPVs Sent": 1, "error cell in PPVs Unlocked": 1, "error cell in Messages Sent": 1, "unreadable PPVs sent": 1,
    });
    assert_eq!(warnings, expected);
}

#[test]
fn texts_go_on_in_the_next_record() {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    // The first is narrow, then wide; the second begins with a record; the third has formats and a reading that go on too.
    let first = [&[0; 8], &10u16.to_le_bytes()[..], &[0], b"Mila "].concat();
    let rest_of_first = [&[1][..], &wide("Аннић")].concat();
    let second = narrow("Iva");
    let third = [&4u16.to_le_bytes()[..], &[4 | 8], &2u16.to_le_bytes(), &6u32.to_le_bytes(), b"Lu"].concat();
    let rest_of_third = [&[0][..], b"ka", &[9; 5]].concat();
    let rest = [&[9; 9][..], &narrow("Oskar")].concat();
    let mut before = vec![(SHARED_TEXTS, first)];
    before.extend([rest_of_first, second, third, rest_of_third, rest].map(|data| (CONTINUE, data)));
    let mut sheet = headers();
    for row in 1..=4u16 {
        sheet.push(cell(SHARED_TEXT, row, 0, 0, &u32::from(row - 1).to_le_bytes()));
        sheet.push(text(row, 1, "10/21/2026"));
        sheet.push(cell(SHORT_NUMBER, row, 2, 0, &rk(5)));
    }
    let (rows, _) = rows(&file(&before, &sheet));
    let names: Vec<&Value> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(names, ["Mila Аннић", "Iva", "Luka", "Oskar"]);

    let cut = vec![(SHARED_TEXTS, [&[0; 8], &10u16.to_le_bytes()[..], &[0], b"Mila"].concat())];
    assert!(refused("a.xls", &file(&cut, &sheet)).to_string().contains("a record is too short"));
}

#[test]
fn cells_come_in_any_order_and_charts_are_passed_over() {
    let mut sheet: Records = Vec::new();
    for row in [3u16, 1, 2] {
        sheet.push(cell(SHORT_NUMBER, row, 2, 0, &rk(i32::from(row))));
        sheet.push(text(row, 1, "10/21/2026"));
        sheet.push(text(row, 0, &format!("Chatter {row}")));
    }
    sheet.extend(headers());
    // Written once more: the later one counts. And a chart, whose numbers are none of the sheet's.
    sheet.push(cell(SHORT_NUMBER, 2, 2, 0, &rk(20)));
    let begin: &[u8] = &[0, 6, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    sheet.extend([(0x0809, begin.to_vec()), cell(SHORT_NUMBER, 1, 2, 0, &rk(99)), (0x000a, Vec::new())]);
    let (rows, _) = rows(&file(&Vec::new(), &sheet));
    let figures: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[2].as_i64())).collect();
    assert_eq!(figures, [(Some("Chatter 1"), Some(1)), (Some("Chatter 2"), Some(20)), (Some("Chatter 3"), Some(3))]);
}

#[test]
fn older_workbooks_write_in_code_pages() {
    let plain = |row: u16, column: u16, text: &[u8]| {
        cell(TEXT, row, column, 0, &[&(text.len() as u16).to_le_bytes()[..], text].concat())
    };
    let mut sheet: Records = Vec::new();
    for (column, header) in (0..).zip(["Chatter Name", "Date", "Messages Sent"]) {
        sheet.push(plain(0, column, header.as_bytes()));
    }
    // `Анна` in Windows-1251.
    sheet.extend([plain(1, 0, &[0xc0, 0xed, 0xed, 0xe0]), plain(1, 1, b"10/21/2026"), plain(1, 2, b"5")]);
    let stream = stream(&vec![(0x0042, 1251u16.to_le_bytes().to_vec())], &sheet);
    let begin = [0x09, 0x08, 16, 0, 0, 6];
    let mut older = stream.clone();
    let mut much_older = stream;
    for at in (0..older.len() - begin.len()).filter(|at| older[*at..].starts_with(&begin)).collect::<Vec<_>>() {
        older[at + 5] = 5;
        much_older[at + 5] = 4;
    }
    let (rows, _) = rows(&made::ole("Book", &older));
    assert_eq!(rows, [json!(["Анна", "2026-10-21", 5, null, null, null])]);
    let error = refused("a.xls", &made::ole("Book", &much_older)).to_string();
    assert!(error.contains("before Excel 5"), "{error}");
}

/// A cell that names a shared text.
fn shared(row: u16, column: u16, number: u32) -> (u16, Vec<u8>) {
    cell(SHARED_TEXT, row, column, 0, &number.to_le_bytes())
}

#[test]
fn what_stands_behind_a_shared_text_is_not_read_for_each_cell() {
    // How the text sounds, spread over a record for each byte.
    let sounds = 400_000u32;
    let text = [&[0; 8], &4u16.to_le_bytes()[..], &[4], &sounds.to_le_bytes(), b"Mila"].concat();
    let mut before = vec![(SHARED_TEXTS, text)];
    before.extend((0..sounds).map(|_| (CONTINUE, vec![9])));
    let mut sheet = headers();
    for row in 1..=60_000 {
        sheet.extend([shared(row, 0, 0), text_of_day(row)]);
    }
    let began = std::time::Instant::now();
    let (rows, _) = rows(&file(&before, &sheet));
    assert_eq!((rows.len(), &rows[59_999][0]), (60_000, &json!("Mila")));
    assert!(began.elapsed() < std::time::Duration::from_secs(8), "{:?}", began.elapsed());
}

fn text_of_day(row: u16) -> (u16, Vec<u8>) {
    text(row, 1, "10/21/2026")
}

#[test]
fn a_text_goes_on_only_in_records_that_hold_some_of_it() {
    let text = [&[0; 8], &5u16.to_le_bytes()[..], &[0], b"Mi"].concat();
    for nothing in [Vec::new(), vec![0]] {
        let before = vec![(SHARED_TEXTS, text.clone()), (CONTINUE, nothing), (CONTINUE, [&[0][..], b"lan"].concat())];
        assert!(refused("a.xls", &file(&before, &headers())).to_string().contains("a record is too short"));
    }
    // Between two texts they say nothing.
    let before = vec![
        (SHARED_TEXTS, [&[0; 8][..], &narrow("Mila")].concat()),
        (CONTINUE, Vec::new()),
        (CONTINUE, narrow("Iva")),
        (CONTINUE, Vec::new()),
    ];
    let mut sheet = headers();
    sheet.extend([shared(1, 0, 1), text_of_day(1)]);
    assert_eq!(rows(&file(&before, &sheet)).0[0][0], "Iva");
}

/// Where the directory of [`made::ole`] has its entries.
fn entry(number: usize) -> usize {
    512 + 128 * number
}

fn put(file: &mut [u8], at: usize, number: u32) {
    file[at..at + 4].copy_from_slice(&number.to_le_bytes());
}

#[test]
fn small_sectors_without_content_have_no_end() {
    // A stream in small sectors, of which there are none, and whose table leads from the first to itself.
    let mut file = made::ole("Workbook", &[0; 4096]);
    let stream = u32::from_le_bytes(file[entry(1) + 116..][..4].try_into().expect("four bytes"));
    put(&mut file, 60, stream);
    put(&mut file, 64, 1);
    put(&mut file, entry(1) + 116, 0);
    put(&mut file, entry(1) + 120, 100);
    assert!(refused("a.xls", &file).to_string().contains("its OLE container is broken"));
    // The same with content.
    put(&mut file, entry(0) + 116, stream);
    put(&mut file, entry(0) + 120, 4096);
    assert!(refused("a.xls", &file).to_string().contains("its OLE container is broken"));
}

#[test]
fn what_is_embedded_is_not_the_workbook() {
    let mut sheet = headers();
    sheet.extend([text(1, 0, "Mila"), text_of_day(1)]);
    let whole = file(&Vec::new(), &sheet);
    for embedded in ["Workbook", "EncryptedPackage"] {
        let mut file = whole.clone();
        // The second entry becomes that of an object, the third is the workbook, the fourth the object's folder.
        file.copy_within(entry(1)..entry(2), entry(2));
        file.copy_within(entry(1)..entry(2), entry(3));
        let name: Vec<u8> = embedded.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        file[entry(1)..][..64].fill(0);
        file[entry(1)..][..name.len()].copy_from_slice(&name);
        file[entry(1) + 64] = u8::try_from(name.len()).expect("short");
        put(&mut file, entry(1) + 116, 0xffff_fffe);
        put(&mut file, entry(1) + 120, 0);
        file[entry(3)] = b'M';
        file[entry(3) + 66] = 1;
        put(&mut file, entry(3) + 76, 1);
        put(&mut file, entry(2) + 72, 3);
        put(&mut file, entry(0) + 76, 2);
        assert_eq!(rows(&file).0.len(), 1, "{embedded}");
    }
}

#[test]
fn a_workbook_that_is_not_whole_is_no_empty_one() {
    let whole = file(&Vec::new(), &headers());
    // The directory says that the stream is longer than its chain.
    let mut short = whole.clone();
    put(&mut short, entry(1) + 120, 8192);
    assert!(refused("a.xls", &short).to_string().contains("its OLE container is broken"));
    // The stream ends before the sheets are listed.
    let stream = stream(&Vec::new(), &headers());
    let cut = made::ole("Workbook", &stream[..20]);
    assert!(refused("a.xls", &cut).to_string().contains("it ends too early"));
}

#[test]
fn a_sheet_whose_name_no_one_can_write_is_named_by_the_rest() {
    let mut stream = stream(&Vec::new(), &headers());
    let name = stream.windows(3).position(|bytes| bytes == b"One").expect("the name of the sheet");
    stream[name + 1] = 0;
    let (sheets, _) = bytes("a.xls", &made::ole("Workbook", &stream));
    assert_eq!(sheets[0].name.as_deref(), Some("Oe"));
}
