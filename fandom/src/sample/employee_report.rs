//! The employee report: three sheets of what the platform says that each chatter did. The file's name is a UUID.
//!
//! It agrees with the messages and sales but for a few deliberate differences, which the summary lists.

use std::collections::BTreeMap;
use std::path::Path;

use fandom_schemas::rows::Kind;

use super::agency::Agency;
use super::book::Book;
use super::cells::{self, Cell, NONE};
use super::dice::Dice;
use super::tallies::{Tallies, Tally};
use super::words::{AGENCY, TEAMS};
use super::{Difference, SampleFile};

const BY_EMPLOYEE: &str = "By employee";
const BY_TIME: &str = "By time and employee";
const DETAIL: &str = "Detailed breakdown";

const HEADERS: [&str; 27] = [
    "Group",
    "Employees",
    "Email",
    "Creators",
    "Sales",
    "PPV sales",
    "Tips",
    "Direct message sales",
    "Direct messages sent",
    "Direct PPVs sent",
    "Golden ratio",
    "PPVs unlocked",
    "Unlock rate",
    "Priority mass messages sales",
    "OF mass message sales",
    "Fans chatted",
    "Fans who spent money",
    "Fan CVR",
    "Avg earnings per fan who spent money",
    "Character count",
    "Response time (based on scheduled hours)",
    "Response time (based on clocked hours)",
    "Scheduled hours",
    "Clocked hours",
    "Sales per hour",
    "Messages sent per hour",
    "Fans chatted per hour",
];

/// One row: who, when, and what is claimed.
struct Claim {
    chatter: u16,
    first_day: u32,
    last_day: u32,
    tally: Tally,
    told: Told,
}

/// The figures that a reader compares with its own.
struct Told {
    messages: i64,
    ppvs: i64,
    unlocked: i64,
    fans: Option<i64>,
    ppv_cents: i64,
    sales_cents: i64,
}

/// A figure that is told wrong: its column, the value, and by how much.
type Fault = (&'static str, &'static str, fn(&mut Told) -> Option<&mut i64>, i64);

const FAULTS: [Fault; 6] = [
    (DETAIL, "Direct messages sent", |told| Some(&mut told.messages), 4),
    (DETAIL, "Fans chatted", |told| told.fans.as_mut(), -1),
    (DETAIL, "PPV sales", |told| Some(&mut told.ppv_cents), 2500),
    (BY_TIME, "PPVs unlocked", |told| Some(&mut told.unlocked), 1),
    (BY_TIME, "Direct PPVs sent", |told| Some(&mut told.ppvs), 2),
    (BY_EMPLOYEE, "Sales", |told| Some(&mut told.sales_cents), -1600),
];

/// Writes the report.
pub(super) fn write(
    agency: &Agency,
    tallies: &Tallies,
    folder: &Path,
) -> anyhow::Result<(SampleFile, Vec<Difference>)> {
    let mut dice = Dice::new(agency.seed, "employee report", 0);
    let name = format!("{}.xlsx", uuid(dice.bits()));
    let mut sheets = [
        (BY_EMPLOYEE, claims(tallies, |_, chatter, _| (0, agency.days - 1, chatter, 0))),
        (BY_TIME, claims(tallies, |day, chatter, _| (day, day, chatter, 0))),
        (DETAIL, claims(tallies, |day, chatter, creator| (day, day, chatter, creator))),
    ];
    let differences = falsify(&mut sheets, &mut dice);
    let mut book = Book::new(agency.exported_at() + 120)?;
    let mut headers = vec![format!("Date/Time {}", agency.zone_name)];
    headers.extend(HEADERS.map(str::to_owned));
    let mut rows = 0;
    for (title, claims) in &sheets {
        let mut sheet = book.sheet(title, &headers)?;
        for claim in claims {
            sheet.row(cells(agency, claim, &mut dice))?;
        }
        rows += sheet.rows();
    }
    Ok((SampleFile { path: book.save(folder, &name)?, kind: Kind::EmployeePeriod, rows }, differences))
}

/// The tallies merged by first day, last day, chatter and (or 0) creator, in that order.
fn claims(tallies: &Tallies, group: impl Fn(u32, u16, u16) -> (u32, u32, u16, u16)) -> Vec<Claim> {
    let mut groups: BTreeMap<_, Tally> = BTreeMap::new();
    for ((day, chatter, creator), tally) in tallies {
        groups.entry(group(*day, *chatter, *creator)).or_default().merge(tally);
    }
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let claim = |((first_day, last_day, chatter, _), tally): (_, Tally)| {
        let told = Told {
            messages: signed(tally.messages),
            ppvs: signed(tally.ppvs),
            unlocked: signed(tally.unlocked),
            fans: Some(signed(tally.fans.len() as u64)),
            ppv_cents: signed(tally.ppv_cents),
            sales_cents: signed(tally.sales_net_cents),
        };
        Claim { chatter, first_day, last_day, tally, told }
    };
    groups.into_iter().map(claim).collect()
}

/// Makes one figure in each of some rows wrong, where there is such a row, and one not available.
fn falsify(sheets: &mut [(&'static str, Vec<Claim>)], dice: &mut Dice) -> Vec<Difference> {
    let mut differences: Vec<Difference> = Vec::new();
    for (title, figure, of, by) in FAULTS {
        let Some((_, claims)) = sheets.iter_mut().find(|(name, _)| *name == title) else { continue };
        let taken: Vec<u32> = differences.iter().filter(|other| other.sheet == title).map(|other| other.row).collect();
        let mut fit: Vec<(u32, &mut i64)> = (2..)
            .zip(claims.iter_mut())
            .filter(|(row, claim)| claim.told.messages > 4 && !taken.contains(row))
            .filter_map(|(row, claim)| Some((row, of(&mut claim.told)?)))
            .filter(|(_, value)| **value > 0 && **value + by > 0)
            .collect();
        if !fit.is_empty() {
            let (row, value) = fit.swap_remove(dice.place(fit.len()));
            *value += by;
            differences.push(Difference { sheet: title, row, figure, by });
        }
    }
    if let Some((_, claims)) = sheets.last_mut() {
        let (untouched, count) = (dice.place(claims.len()), claims.len());
        let row = u32::try_from(untouched + 2).unwrap_or(0);
        if count > 0 && !differences.iter().any(|other| other.sheet == DETAIL && other.row == row) {
            claims[untouched].told.fans = None;
        }
    }
    differences
}

fn cells(agency: &Agency, claim: &Claim, dice: &mut Dice) -> Vec<Cell> {
    let Claim { chatter, first_day, last_day, tally, told } = claim;
    let chatter = &agency.chatters[usize::from(*chatter)];
    let creators: Vec<String> = tally.creators.iter().map(|creator| agency.creator_label(*creator)).collect();
    let mean = match tally.replies {
        0 => NONE.to_owned(),
        replies => cells::reply_time((tally.reply_seconds + replies / 2) / replies),
    };
    let spenders = tally.spenders.len() as u64;
    let cents = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let clocked = tally.clocked_minutes;
    vec![
        cells::period(agency.date(*first_day), agency.date(*last_day)).into(),
        TEAMS[chatter.third as usize].into(),
        chatter.name.as_str().into(),
        email(&chatter.name).into(),
        creators.join(", ").into(),
        cells::money(dice, told.sales_cents),
        cells::money(dice, told.ppv_cents),
        cells::money(dice, cents(tally.tips_net_cents)),
        cells::money(dice, told.ppv_cents),
        cells::count(told.messages),
        cells::count(told.ppvs),
        cells::percent(tally.ppvs, tally.messages),
        cells::count(told.unlocked),
        cells::percent(tally.unlocked, tally.ppvs),
        cells::money(dice, cents(tally.priority_cents)),
        cells::money(dice, cents(tally.of_mass_cents)),
        told.fans.map_or(NONE.into(), cells::count),
        cells::count(cents(spenders)),
        cells::percent(spenders, tally.fans.len() as u64),
        match spenders {
            0 => NONE.into(),
            some => cells::money(dice, cents((tally.ppv_cents + some / 2) / some)),
        },
        cells::count(cents(tally.characters)),
        mean.as_str().into(),
        if clocked.unwrap_or(0) > 0 { mean.as_str().into() } else { NONE.into() },
        cells::hours(dice, tally.scheduled_minutes),
        cells::hours(dice, clocked),
        cells::per_hour(told.sales_cents as f64 / 100.0, clocked),
        cells::per_hour(told.messages as f64, clocked),
        told.fans.map_or(NONE.into(), |fans| cells::per_hour(fans as f64, clocked)),
    ]
}

fn email(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .filter_map(|letter| match letter {
            'a'..='z' | '0'..='9' => Some(letter),
            'ž' => Some('z'),
            ' ' => Some('.'),
            _ => None,
        })
        .collect();
    format!("{plain}@{}.example", AGENCY.to_lowercase())
}

/// A random (version 4) UUID of these bits.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
