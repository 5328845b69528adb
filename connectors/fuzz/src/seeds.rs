//! Writes the first inputs of the fuzz targets: small real files of every format, cells and headers of every form.
//!
//! `seeds FOLDER`

use std::io::Write;
use std::path::Path;

use fandom_connectors_fuzz::made::{self, Made};

const HEADERS: [&str; 12] = [
    "Sender", "Creator", "Fans Message", "Creator Message", "Sent time", "Sent date", "Replay time", "Price", "Purchased", "Source",
    "Status", "Sent to",
];
const MESSAGE: [&str; 12] = [
    "Mila", "Tania (OF)", "<p>hi</p>", "<p>hello &amp; <b>welcome</b></p>", "13:52:43", "Sep 26, 2025", "0m 39s", "$1,290.00", "yes",
    "Chat", "Sent", "Dragonknight (u177154572)",
];
const CELLS: [&str; 24] = [
    "Sep 26, 2025", "2026-06-18", "06/18/2026", "13:52:43", "2026-05-19 00:00:00 - 2026-05-19 23:59:59", "$1,290.00", "1290", "(12.50)",
    "-12.50", "5.78%", "0.0578", "8h 12min", "0min", "8.2", "8:12", "0m 39s", "1h 5m 30s", "45s", "-", "#SPILL!", "yes",
    "Dragonknight (u177154572)", "Leya (Fansly)", "<p>a &lt; b &#128512; &nbsp;</p>",
];
const KINDS: [&str; 4] = [
    "Date & time Europe/Belgrade\nEmployee\nCreator\nFan\nEarnings\nGross revenue\nNet revenue\nType\nRule\nStatus",
    "Date/Time Africa/Monrovia\nGroup\nEmployees\nEmail\nCreators\nSales\nPPV sales\nDirect messages sent\nClocked hours",
    "Date/Time UTC\nCreator\nSubscription Net\nTips Gross\nTotal earnings Net\nContribution %\nOF ranking",
    "Chatter Name\nDate(MM/DD/YYYY)\nMessages Sent\nPPVs Sent\nPPVs Unlocked\nFans Chatted\nAvg Response Time(minutes)",
];

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("seeds FOLDER");
    let put = |target: &str, name: &str, bytes: &[u8]| {
        let folder = Path::new(&folder).join(target);
        std::fs::create_dir_all(&folder)?;
        std::fs::File::create(folder.join(name))?.write_all(bytes)
    };
    let table: Vec<Vec<Made>> = [HEADERS, MESSAGE].iter().map(|row| row.iter().map(|cell| Made::from(*cell)).collect()).collect();
    let rows = made::inline_rows(&table);
    put("workbook", "messages.xlsx", &made::xlsx("Message Dashboard", &rows, ""))?;
    put("workbook", "messages.xlsb", &made::xlsb("Message Dashboard", &table))?;
    put("parts", "xlsx", &[&[0], rows.as_bytes(), &[0], b"<sst><si><t>Sender</t></si></sst>"].concat())?;
    let cells: String = [HEADERS, MESSAGE]
        .iter()
        .map(|row| {
            let cells: String =
                row.iter().map(|cell| format!("<table:table-cell><text:p>{}</text:p></table:table-cell>", cell.replace('<', "&lt;"))).collect();
            format!("<table:table-row>{cells}</table:table-row>")
        })
        .collect();
    put("workbook", "messages.ods", &made::ods(&cells))?;
    put("parts", "ods", &[&[1], cells.as_bytes()].concat())?;
    let labels = |row: u16, texts: &[&str; 12]| -> Vec<Vec<u8>> {
        (0u16..)
            .zip(texts)
            .map(|(column, text)| {
                let mut data = [row.to_le_bytes(), column.to_le_bytes(), [0, 0], (text.len() as u16).to_le_bytes()].concat();
                data.push(0);
                data.extend(text.bytes());
                data
            })
            .collect()
    };
    let records: Vec<Vec<u8>> = [labels(0, &HEADERS), labels(1, &MESSAGE)].concat();
    let records: Vec<(u16, &[u8])> = records.iter().map(|data| (0x0204, &data[..])).collect();
    let stream = made::biff(&[], &records);
    put("workbook", "messages.xls", &made::ole("Workbook", &stream))?;
    put("parts", "xls", &[&[2], &stream[..]].concat())?;
    let csv: String = [HEADERS, MESSAGE]
        .iter()
        .map(|row| row.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\r\n")
        .collect();
    put("workbook", "messages.csv", csv.as_bytes())?;
    for (place, cell) in CELLS.iter().enumerate() {
        put("cells", &format!("text-{place}"), cell.as_bytes())?;
    }
    for (place, number) in [0.0, 1290.0, 46_191.5, -12.5, 0.0578, 1e39].iter().enumerate() {
        put("cells", &format!("number-{place}"), &f64::to_le_bytes(*number))?;
    }
    put("headers", "message", HEADERS.join("\n").as_bytes())?;
    for (place, headers) in KINDS.iter().enumerate() {
        put("headers", &format!("kind-{place}"), headers.as_bytes())?;
    }
    Ok(())
}
