//! The creator statistics: net money in the words of the older generation of exports, gross in those of the newer.
//! Every figure is a sum of the sales.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use fandom_schemas::rows::Kind;

use super::SampleFile;
use super::agency::{Agency, PLATFORMS};
use super::book::Book;
use super::cells::{self, Cell, NONE};
use super::dice::Dice;
use super::sales::{Sale, SaleType};

/// Whether money is before or after the platform's share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basis {
    Net,
    Gross,
}

impl Basis {
    fn headers(self, zone: &str) -> Vec<String> {
        let (suffix, money, rest): (_, [&str; 10], &[&str]) = match self {
            Basis::Net => ("Net", OLDER, OLDER_REST),
            Basis::Gross => ("Gross", NEWER, NEWER_REST),
        };
        let mut headers = vec![format!("Date/Time {zone}"), "Creator".to_owned()];
        headers.extend(money.iter().map(|header| format!("{header} {suffix}")));
        headers.extend(rest.iter().map(|header| (*header).to_owned()));
        headers
    }
}

const OLDER: [&str; 10] = [
    "Subscription",
    "New subscriptions",
    "Recurring subscriptions",
    "Tips",
    "Message",
    "Posts",
    "Streams",
    "Refund",
    "Total earnings",
    "Avg spend per spender",
];
const OLDER_REST: &[&str] = &[
    "Contribution %",
    "OF ranking",
    "Following",
    "Fans with renew on",
    "Renew on %",
    "New fans",
    "Active fans",
    "Change in expired fan count",
    "Creator group",
    "Avg subscription length",
];
const NEWER: [&str; 10] = [
    "Total subscription earnings",
    "Subscription earnings",
    "Recurring subscription earnings",
    "Tips",
    "Message",
    "Posts",
    "Streams",
    "Refunds",
    "Total earnings",
    "Avg spend per spender",
];
const NEWER_REST: &[&str] = &["New subscribers", "Subscriber renewals", "Number of spenders", "Creator group"];

/// What a creator took over some days.
#[derive(Clone, Default)]
struct Takings {
    /// Net and gross by type, without what was reversed.
    by_type: BTreeMap<SaleType, [u64; 2]>,
    reversed: [u64; 2],
    spenders: HashSet<u32>,
    subscriptions: u32,
    renewals: u32,
}

impl Takings {
    fn add(&mut self, sale: &Sale, net_cents: u64) {
        let cents = [net_cents, sale.gross_cents];
        let sums = if sale.reversed { &mut self.reversed } else { self.by_type.entry(sale.sale_type).or_default() };
        sums.iter_mut().zip(cents).for_each(|(sum, cents)| *sum += cents);
        if !sale.reversed {
            self.spenders.insert(sale.fan);
            self.subscriptions += u32::from(sale.sale_type == SaleType::Subscription);
            self.renewals += u32::from(sale.sale_type == SaleType::Renewal);
        }
    }

    fn sum(&self, basis: Basis, types: &[SaleType]) -> i64 {
        let place = usize::from(basis == Basis::Gross);
        let cents =
            types.iter().filter_map(|sale_type| self.by_type.get(sale_type)).map(|sums| sums[place]).sum::<u64>();
        i64::try_from(cents).unwrap_or(i64::MAX)
    }

    fn total(&self, basis: Basis) -> i64 {
        let types: Vec<SaleType> = self.by_type.keys().copied().collect();
        self.sum(basis, &types)
    }

    /// In the order of the headers.
    fn money(&self, basis: Basis, streams: bool) -> [Option<i64>; 10] {
        let reversed = self.reversed[usize::from(basis == Basis::Gross)];
        let (total, spenders) = (self.total(basis), i64::try_from(self.spenders.len()).unwrap_or(i64::MAX));
        [
            Some(self.sum(basis, &[SaleType::Subscription, SaleType::Renewal])),
            Some(self.sum(basis, &[SaleType::Subscription])),
            Some(self.sum(basis, &[SaleType::Renewal])),
            Some(self.sum(basis, &[SaleType::Tip, SaleType::PostTip])),
            Some(self.sum(basis, &[SaleType::Message])),
            Some(self.sum(basis, &[SaleType::Post])),
            streams.then(|| self.sum(basis, &[SaleType::Stream])),
            Some(-i64::try_from(reversed).unwrap_or(i64::MAX)),
            Some(total),
            (spenders > 0).then(|| (total + spenders / 2) / spenders.max(1)),
        ]
    }
}

/// Writes both workbooks.
pub(super) fn write(agency: &Agency, sales: &[Sale], folder: &Path) -> anyhow::Result<Vec<SampleFile>> {
    let whole = takings(agency, sales, |_| 0);
    let daily = takings(agency, sales, |day| day);
    let mut files = Vec::new();
    for (basis, name, later) in
        [(Basis::Net, "Creator statistics net.xlsx", 180), (Basis::Gross, "Creator statistics gross.xlsx", 210)]
    {
        let mut dice = Dice::new(agency.seed, name, 0);
        let headers = basis.headers(&agency.zone_name);
        let mut book = Book::new(agency.exported_at() + later)?;
        let mut sheet = book.sheet("Creator Statistics", &headers)?;
        let (last_day, creators) = (agency.days - 1, u16::try_from(agency.creators.len())?);
        for creator in 0..creators {
            sheet.row(row(agency, &whole, (0, last_day, creator), basis, &mut dice))?;
        }
        let mut rows = sheet.rows();
        let mut sheet = book.sheet("Creator Statistics Detail", &headers)?;
        for day in 0..agency.days {
            for creator in 0..creators {
                sheet.row(row(agency, &daily, (day, day, creator), basis, &mut dice))?;
            }
        }
        rows += sheet.rows();
        files.push(SampleFile { path: book.save(folder, name)?, kind: Kind::CreatorDay, rows });
    }
    Ok(files)
}

/// By first day of the window and creator.
fn takings(agency: &Agency, sales: &[Sale], window: impl Fn(u32) -> u32) -> BTreeMap<(u32, u16), Takings> {
    let mut takings: BTreeMap<_, Takings> = BTreeMap::new();
    for sale in sales {
        let key = (window(agency.day_of(sale.at)), sale.creator);
        takings.entry(key).or_default().add(sale, sale.net_cents(agency));
    }
    takings
}

fn row(
    agency: &Agency,
    all: &BTreeMap<(u32, u16), Takings>,
    (first_day, last_day, creator): (u32, u32, u16),
    basis: Basis,
    dice: &mut Dice,
) -> Vec<Cell> {
    let nothing = Takings::default();
    let mine = all.get(&(first_day, creator)).unwrap_or(&nothing);
    let platform = &PLATFORMS[agency.creators[usize::from(creator)].platform];
    let (first, last) = (agency.date(first_day), agency.date(last_day));
    let when = match basis {
        _ if first_day != last_day => cells::period(first, last),
        Basis::Net => first.to_string(),
        Basis::Gross => cells::long_date(first),
    };
    let mut row = vec![when.into(), agency.creator_label(creator).into()];
    for cents in mine.money(basis, platform.streams) {
        row.push(cents.map_or(NONE.into(), |cents| cells::money(dice, cents)));
    }
    match basis {
        Basis::Net => row.extend(older_rest(agency, all, mine, (first_day, last_day, creator), dice)),
        Basis::Gross => row.extend([
            cells::count(mine.subscriptions),
            cells::count(mine.renewals),
            cells::count(u32::try_from(mine.spenders.len()).unwrap_or(u32::MAX)),
            NONE.into(),
        ]),
    }
    row
}

fn older_rest(
    agency: &Agency,
    all: &BTreeMap<(u32, u16), Takings>,
    mine: &Takings,
    (first_day, last_day, creator): (u32, u32, u16),
    dice: &mut Dice,
) -> [Cell; 10] {
    let total = |takings: &Takings| takings.total(Basis::Net).unsigned_abs();
    let everybody = all.range((first_day, 0)..=(first_day, u16::MAX)).map(|(_, takings)| total(takings)).sum();
    let (from, to) = (agency.midnight(first_day), agency.midnight(last_day + 1));
    let (mut new, mut active, mut gone) = (0, 0, 0);
    for fan in &agency.creators[usize::from(creator)].fans {
        let fan = &agency.fans[*fan as usize];
        let within = |at: Option<i64>| i32::from(at.is_some_and(|at| (from..to).contains(&at)));
        new += within(fan.joined_at);
        gone += within(fan.left_at);
        active += i32::from(fan.is_active(to - 1));
    }
    let renewing = active * 2 / 5;
    let is_of = agency.creators[usize::from(creator)].platform == 0;
    [
        cells::percent(total(mine), everybody),
        if is_of { format!("{}.{}%", dice.place(3), dice.place(9) + 1).into() } else { NONE.into() },
        cells::count(i64::from(creator) * 3 + 4),
        cells::count(renewing),
        cells::percent(renewing.unsigned_abs().into(), active.unsigned_abs().into()),
        cells::count(new),
        cells::count(active),
        cells::count(gone),
        "Main".into(),
        format!("{} days", 25 + dice.place(60)).into(),
    ]
}
