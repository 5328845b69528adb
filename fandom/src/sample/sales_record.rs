//! The workbook `Sales record`. Its zone stands in the header and is not that of the agency's reports.

use std::path::Path;

use fandom_schemas::rows::Kind;
use jiff::tz::TimeZone;

use super::SampleFile;
use super::agency::{Agency, PLATFORMS, local};
use super::book::Book;
use super::cells::{self, Cell, NONE};
use super::dice::Dice;
use super::sales::{Sale, SaleType};
use super::words::AGENCY;

/// Without daylight saving time, so that no local time in the record is in doubt.
const ZONES: [&str; 2] = ["Africa/Monrovia", "Asia/Dubai"];

/// Writes the sales, newest first, in parts of at most `rows_per_file`.
pub(super) fn write(
    agency: &Agency,
    sales: &[Sale],
    rows_per_file: usize,
    folder: &Path,
) -> anyhow::Result<Vec<SampleFile>> {
    let zone_name = if agency.zone_name == ZONES[0] { ZONES[1] } else { ZONES[0] };
    let zone = TimeZone::get(zone_name)?;
    let parts: Vec<&[Sale]> = if sales.is_empty() { vec![sales] } else { sales.rchunks(rows_per_file).collect() };
    let mut files = Vec::new();
    for (number, part) in (1..).zip(parts) {
        let name = if number == 1 {
            format!("{AGENCY} sales record.xlsx")
        } else {
            format!("{AGENCY} sales record ({number}).xlsx")
        };
        let mut dice = Dice::new(agency.seed, &name, 0);
        let mut book = Book::new(agency.exported_at() + 60)?;
        let headers = [
            &*format!("Date & time {zone_name}"),
            "Employee",
            "Creator",
            "Fan",
            "Earnings",
            "Gross revenue",
            "Net revenue",
            "Type",
            "Rule",
            "Status",
        ];
        let mut sheet = book.sheet("Sales record", &headers)?;
        for sale in part.iter().rev() {
            sheet.row(row(agency, &zone, sale, &mut dice))?;
        }
        let rows = sheet.rows();
        files.push(SampleFile { path: book.save(folder, &name)?, kind: Kind::Sale, rows });
    }
    Ok(files)
}

fn row(agency: &Agency, zone: &TimeZone, sale: &Sale, dice: &mut Dice) -> [Cell; 10] {
    let (at, fan) = (local(zone, sale.at), &agency.fans[sale.fan as usize]);
    let creator = &agency.creators[usize::from(sale.creator)];
    let gross = i64::try_from(sale.gross_cents).unwrap_or(i64::MAX);
    let net = i64::try_from(sale.net_cents(agency)).unwrap_or(i64::MAX);
    let employee = sale.chatter.map(|chatter| agency.chatters[usize::from(chatter)].name.as_str());
    let rule = match (sale.chatter, sale.sale_type) {
        (None, _) => NONE,
        (_, SaleType::Tip) => "Last sender",
        _ => "Message sender",
    };
    [
        if dice.chance(0.2) { Cell::DateTime(at) } else { cells::date_and_time(at).into() },
        employee.map_or_else(|| if dice.chance(0.5) { NONE.into() } else { Cell::Blank }, Cell::from),
        format!("{} ({})", creator.name, PLATFORMS[creator.platform].short).into(),
        format!("{} ({})", fan.nickname(agency.exported_at()), fan.username).into(),
        cells::money(dice, net),
        cells::money(dice, gross),
        cells::money(dice, net),
        sale.sale_type.name().into(),
        rule.into(),
        if sale.reversed { "Reverse" } else { "Completed" }.into(),
    ]
}
