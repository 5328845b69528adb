//! Files made in code: sound ones and broken ones, byte by byte where no program would write them.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip of these entries.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zipped(entries, CompressionMethod::Deflated)
}

/// A zip of these entries as they are, which may be long.
pub fn stored(entries: &[(&str, &[u8])]) -> Vec<u8> {
    zipped(entries, CompressionMethod::Stored)
}

fn zipped(entries: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in entries {
        writer.start_file(*name, options).expect("an entry can be begun");
        writer.write_all(content).expect("an entry can be written");
    }
    writer.finish().expect("the zip can be finished").into_inner()
}

const TYPES: &[u8] =
    br#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
const RELATIONS: &[u8] = br#"<?xml version="1.0"?><Relationships><Relationship Id="rId1" Type="http://x/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="http://x/sharedStrings" Target="sharedStrings.xml"/>
<Relationship Id="rId3" Type="http://x/styles" Target="styles.xml"/></Relationships>"#;
const STYLES: &[u8] = br#"<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd"/></numFmts>
<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/></cellXfs></styleSheet>"#;

/// The header row of an agency's own template, as a row of `.xlsx`.
pub const TEMPLATE: &str = r#"<row r="1"><c t="inlineStr"><is><t>Chatter Name</t></is></c><c t="inlineStr"><is><t>Date</t></is></c><c t="inlineStr"><is><t>Messages Sent</t></is></c></row>"#;

/// A workbook of one sheet with this XML between `<sheetData>` and its end, and these shared strings.
pub fn xlsx(sheet_name: &str, rows: &str, shared: &str) -> Vec<u8> {
    let workbook = format!(
        r#"<workbook xmlns:r="r"><sheets><sheet name="{sheet_name}" sheetId="1" r:id="rId1"/></sheets></workbook>"#
    );
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    zip(&[
        ("[Content_Types].xml", TYPES),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ("xl/sharedStrings.xml", shared.as_bytes()),
        ("xl/styles.xml", STYLES),
    ])
}

/// A cell of the tables that the formats are made from.
#[derive(Clone, Debug)]
pub enum Made {
    /// Nothing.
    Blank,
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A number that is shown as a day.
    Day(f64),
    /// A truth value.
    Bool(bool),
    /// An error, `#N/A`.
    Error,
}

impl From<&str> for Made {
    fn from(text: &str) -> Made {
        Made::Text(text.to_owned())
    }
}

impl From<f64> for Made {
    fn from(number: f64) -> Made {
        Made::Number(number)
    }
}

/// A sheet of cells as rows of `.xlsx`, in inline strings.
pub fn inline_rows(table: &[Vec<Made>]) -> String {
    let mut xml = String::new();
    for (number, row) in (1..).zip(table) {
        xml.push_str(&format!(r#"<row r="{number}">"#));
        for cell in row {
            xml.push_str(&match cell {
                Made::Blank => "<c/>".to_owned(),
                Made::Text(text) => {
                    format!(r#"<c t="inlineStr"><is><t>{}</t></is></c>"#, quick_xml::escape::escape(text.as_str()))
                }
                Made::Number(number) => format!("<c><v>{number}</v></c>"),
                Made::Day(number) => format!(r#"<c s="1"><v>{number}</v></c>"#),
                Made::Bool(value) => format!(r#"<c t="b"><v>{}</v></c>"#, u8::from(*value)),
                Made::Error => r##"<c t="e"><v>#N/A</v></c>"##.to_owned(),
            });
        }
        xml.push_str("</row>");
    }
    xml
}

fn record(out: &mut Vec<u8>, number: u16, data: &[u8]) {
    if number < 0x80 {
        out.push(number as u8);
    } else {
        out.extend([(number & 0x7f) as u8 | 0x80, (number >> 7) as u8]);
    }
    let mut length = data.len();
    loop {
        let byte = (length & 0x7f) as u8;
        length >>= 7;
        out.push(if length == 0 { byte } else { byte | 0x80 });
        if length == 0 {
            break;
        }
    }
    out.extend_from_slice(data);
}

fn wide(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut out = (units.len() as u32).to_le_bytes().to_vec();
    out.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
    out
}

/// A `.xlsb` of one sheet; every other text is shared, every other error that of a formula.
pub fn xlsb(sheet_name: &str, table: &[Vec<Made>]) -> Vec<u8> {
    let mut workbook = Vec::new();
    record(&mut workbook, 0x83, &[]);
    record(&mut workbook, 0x99, &[0; 12]);
    record(&mut workbook, 0x8f, &[]);
    let mut sheet_entry = vec![0; 4];
    sheet_entry.extend(1u32.to_le_bytes());
    sheet_entry.extend(wide("rId1"));
    sheet_entry.extend(wide(sheet_name));
    record(&mut workbook, 0x9c, &sheet_entry);
    record(&mut workbook, 0x90, &[]);
    record(&mut workbook, 0x84, &[]);

    let (mut sheet, mut shared, mut count) = (Vec::new(), Vec::new(), 0u32);
    record(&mut sheet, 0x81, &[]);
    record(&mut sheet, 0x94, &[0; 16]);
    record(&mut sheet, 0x91, &[]);
    let mut turn = false;
    for (number, row) in (0u32..).zip(table) {
        let mut data = number.to_le_bytes().to_vec();
        data.extend([0; 13]);
        record(&mut sheet, 0, &data);
        for (column, cell) in (0u32..).zip(row) {
            let mut data = column.to_le_bytes().to_vec();
            data.extend(u32::from(matches!(cell, Made::Day(_))).to_le_bytes());
            turn = !turn;
            let kind = match cell {
                Made::Blank => 1,
                Made::Text(text) if turn => {
                    let mut item = vec![0];
                    item.extend(wide(text));
                    record(&mut shared, 19, &item);
                    data.extend(count.to_le_bytes());
                    count += 1;
                    7
                }
                Made::Text(text) => {
                    data.extend(wide(text));
                    6
                }
                Made::Number(number) | Made::Day(number) if turn && number.fract() == 0.0 && number.abs() < 1e8 => {
                    data.extend((((*number as i32) << 2) | 2).to_le_bytes());
                    2
                }
                Made::Number(number) | Made::Day(number) => {
                    data.extend(number.to_le_bytes());
                    5
                }
                Made::Bool(value) => {
                    data.push(u8::from(*value));
                    4
                }
                Made::Error => {
                    data.push(0x2a);
                    if turn { 3 } else { 11 }
                }
            };
            record(&mut sheet, kind, &data);
        }
    }
    record(&mut sheet, 0x92, &[]);
    record(&mut sheet, 0x82, &[]);
    let mut strings = Vec::new();
    record(&mut strings, 159, &[count.to_le_bytes(), count.to_le_bytes()].concat());
    strings.extend(shared);
    record(&mut strings, 160, &[]);
    let mut styles = Vec::new();
    record(&mut styles, 0x267, &1u32.to_le_bytes());
    record(&mut styles, 44, &[164u16.to_le_bytes().to_vec(), wide("yyyy-mm-dd")].concat());
    record(&mut styles, 0x268, &[]);
    record(&mut styles, 0x269, &2u32.to_le_bytes());
    for format in [0u16, 164] {
        record(&mut styles, 47, &[vec![0, 0], format.to_le_bytes().to_vec(), vec![0; 12]].concat());
    }
    record(&mut styles, 0x26a, &[]);
    let relations = String::from_utf8_lossy(RELATIONS).replace(".xml\"", ".bin\"");
    let package = r#"<Relationships><Relationship Id="rId1" Type="http://x/officeDocument" Target="xl/workbook.bin"/></Relationships>"#;
    zip(&[
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", package.as_bytes()),
        ("xl/workbook.bin", &workbook),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/worksheets/sheet1.bin", &sheet),
        ("xl/sharedStrings.bin", &strings),
        ("xl/styles.bin", &styles),
    ])
}

/// A `.ods` with this XML in its one table.
pub fn ods(rows: &str) -> Vec<u8> {
    let content = format!(
        r#"<office:document-content><office:body><office:spreadsheet><table:table table:name="S">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"#
    );
    zip(&[("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"), ("content.xml", content.as_bytes())])
}

/// An OLE container with one stream of that name, filled up to a size at which it stands in sectors of its own.
pub fn ole(stream_name: &str, content: &[u8]) -> Vec<u8> {
    // The header lists 109 sectors of the allocation table: of small sectors that is enough for some megabytes.
    let (version, shift): (u8, u8) = if content.len() > 6 << 20 { (4, 12) } else { (3, 9) };
    let sector = 1usize << shift;
    let mut content = content.to_vec();
    content.resize(content.len().max(4096).next_multiple_of(sector), 0);
    let sectors = content.len() / sector;
    // Sector 0 is the directory, then come as many of the allocation table as it takes, then the stream.
    let tables = (sectors + 1).div_ceil(sector / 4 - 1);
    let mut header = vec![0; sector];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1");
    put(24, &[0x3e, 0, version, 0, 0xfe, 0xff, shift, 0, 6, 0]);
    put(44, &(tables as u32).to_le_bytes());
    put(48, &0u32.to_le_bytes());
    put(56, &4096u32.to_le_bytes());
    for at in [60, 68] {
        put(at, &0xffff_fffeu32.to_le_bytes());
    }
    for place in 0..109 {
        let sector = if place < tables { 1 + place as u32 } else { u32::MAX };
        put(76 + 4 * place, &sector.to_le_bytes());
    }
    let mut table = vec![0xffff_fffeu32];
    table.extend(std::iter::repeat_n(0xffff_fffdu32, tables));
    let first = table.len();
    table.extend((first + 1..first + sectors).map(|next| next as u32));
    table.push(0xffff_fffe);
    table.resize(tables * (sector / 4), u32::MAX);

    let entry = |name: &str, kind: u8, first: u32, length: usize, child: u32| {
        let mut entry = vec![0; 128];
        let units: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        entry[..units.len()].copy_from_slice(&units);
        entry[64..66].copy_from_slice(&(units.len() as u16).to_le_bytes());
        entry[66] = kind;
        for at in [68, 72] {
            entry[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        }
        entry[76..80].copy_from_slice(&child.to_le_bytes());
        entry[116..120].copy_from_slice(&first.to_le_bytes());
        entry[120..124].copy_from_slice(&(length as u32).to_le_bytes());
        entry
    };
    let mut out = header;
    let mut directory = entry("Root Entry", 5, 0xffff_fffe, 0, 1);
    directory.extend(entry(stream_name, 2, first as u32, content.len(), u32::MAX));
    directory.resize(sector, 0);
    out.extend(directory);
    out.extend(table.iter().flat_map(|word| word.to_le_bytes()));
    out.extend(content);
    out
}

/// The stream of an `.xls` with one sheet of these records: number and content.
pub fn biff(before: &[(u16, &[u8])], sheet: &[(u16, &[u8])]) -> Vec<u8> {
    let write = |out: &mut Vec<u8>, number: u16, data: &[u8]| {
        out.extend(number.to_le_bytes());
        out.extend((data.len() as u16).to_le_bytes());
        out.extend_from_slice(data);
    };
    let begin: &[u8] = &[0, 6, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut out = Vec::new();
    write(&mut out, 0x0809, begin);
    for (number, data) in before {
        write(&mut out, *number, data);
    }
    let mut listed = vec![0, 0, 0, 0, 0, 0, 3, 0];
    listed.extend(*b"One");
    let start = (out.len() + 4 + listed.len() + 4) as u32;
    listed[..4].copy_from_slice(&start.to_le_bytes());
    write(&mut out, 0x0085, &listed);
    write(&mut out, 0x000a, &[]);
    write(&mut out, 0x0809, begin);
    for (number, data) in sheet {
        write(&mut out, *number, data);
    }
    write(&mut out, 0x000a, &[]);
    out
}
