//! What rows tell of, and how rows tell of it: the natural key of a row, and what can change.

use std::borrow::Cow;

use fandom_schemas::rows::{
    Basis, ChatterDay, CreatorDay, EmployeeFigures, EmployeePeriod, Granularity, Kind, Message, Row, Sale,
};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::names;
use super::{Setup, Subject};

/// What a row tells of; people by their number.
#[derive(Clone, Debug, PartialEq)]
pub enum Thing {
    Message {
        creator: usize,
        chatter: Option<usize>,
        fan: usize,
        at: i64,
        cents: i64,
        source: &'static str,
        text: u8,
    },
    Sale {
        creator: usize,
        chatter: Option<usize>,
        fan: Option<usize>,
        at: i64,
        gross: i64,
        net: i64,
        of: &'static str,
    },
    Period {
        granularity: Granularity,
        chatter: Option<usize>,
        creators: Vec<usize>,
        first: Date,
        last: Date,
        /// Hours in which the period begins and ends.
        hours: (i8, i8),
        zone: &'static str,
    },
    Report {
        creator: usize,
        first: Date,
        last: Date,
        basis: Basis,
    },
    TemplateDay {
        chatter: Option<usize>,
        day: Date,
    },
}

/// What can change between two rows that tell of the same.
#[derive(Clone, Debug)]
pub struct Varying {
    spelling: u8,
    nickname: Option<u8>,
    yes: [bool; 2],
    reply_seconds: Option<u32>,
    figures: [Option<i64>; 4],
}

/// Random values of what can change.
pub fn varying() -> impl Strategy<Value = Varying> {
    let reply = prop_oneof![
        2 => 0..3u32,
        4 => 0..400u32,
        2 => 90..20_000u32,
        1 => select(vec![86_400, 10_000_000, u32::MAX - 1]),
    ];
    let figure = || option::weighted(0.7, select(vec![0i64, 1, 60, 495, -30, 1_000_000_007]));
    let figures = [figure(), figure(), figure(), figure()];
    let drawn = (0..6u8, option::of(0..2u8), any::<[bool; 2]>(), option::weighted(0.7, reply), figures);
    drawn.prop_map(|(spelling, nickname, yes, reply_seconds, figures)| Varying {
        spelling,
        nickname,
        yes,
        reply_seconds,
        figures,
    })
}

const SOURCES: [&str; 8] = ["Chat", "Chat", "Chat", "", "OF MASS message", "Welcome message", "Automated", "Chat "];
const SALE_TYPES: [&str; 6] = ["Messages", "Tips", "Tip from a post", "Ti", "Subscription", "Пост"];

/// Random things.
pub fn things(setup: &Setup) -> impl Strategy<Value = Thing> + use<> {
    let (creators, chatters, fans) = setup.people;
    let (around, subject) = (setup.around, setup.subject);
    let at = move || {
        let hours = match subject {
            Subject::All => prop_oneof![4 => -2..3i64, 2 => -14..15i64, 1 => -60..60i64].boxed(),
            Subject::Fans => prop_oneof![1 => -2..3i64, 3 => -60..60i64].boxed(),
            Subject::Work => prop_oneof![3 => -2..3i64, 3 => -14..15i64].boxed(),
        };
        // Whole hours, the seconds beside them, and others.
        let seconds = select(vec![0, 0, -1, 1, 899, 900, 1_740, 1_801, 3_000]);
        (any::<bool>(), hours, seconds)
            .prop_map(move |(second, hours, seconds)| around[usize::from(second)] + hours * 3_600 + seconds)
    };
    let day = move || {
        (any::<bool>(), -1..2i64).prop_map(move |(second, days)| date(around[usize::from(second)]) + days.days())
    };
    let chatter = || option::weighted(0.8, 0..chatters);
    let prices = select(vec![0, 0, 1, 500, 1_000, 12_345_678, -200]);
    let message = (0..creators, chatter(), 0..fans, at(), prices, select(&SOURCES[..]), 0..2u8).prop_map(
        |(creator, chatter, fan, at, cents, source, text)| Thing::Message {
            creator,
            chatter,
            fan,
            at,
            cents,
            source,
            text,
        },
    );
    let nets = select(vec![0, 1, 400, 10_000, 100_000, -500]);
    let sale = (0..creators, chatter(), option::weighted(0.8, 0..fans), at(), nets, 0..2i64, select(&SALE_TYPES[..]));
    let sale = sale.prop_map(|(creator, chatter, fan, at, net, fee, of)| Thing::Sale {
        creator,
        chatter,
        fan,
        at,
        gross: net + 20 * fee,
        net,
        of,
    });
    let granularity = prop_oneof![
        4 => Just(Granularity::DetailedBreakdown),
        1 => Just(Granularity::ByEmployee),
        1 => Just(Granularity::ByTimeAndEmployee),
    ];
    let of_creators =
        prop_oneof![3 => vec(0..creators, 1), 1 => subsequence((0..creators).collect::<Vec<_>>(), 1..=creators)];
    let length = || prop_oneof![3 => Just(0i64), 1 => 1..9i64];
    let zones = select(vec!["UTC", "America/New_York"]);
    let hours = select(vec![(0, 23), (0, 23), (0, 11), (12, 23)]);
    let period = (granularity, chatter(), of_creators, day(), length(), hours, zones).prop_map(
        |(granularity, chatter, creators, first, days, hours, zone)| Thing::Period {
            granularity,
            chatter,
            creators,
            first,
            last: first + days.days(),
            hours,
            zone,
        },
    );
    let basis = select(vec![Basis::Net, Basis::Gross]);
    let report = (0..creators, day(), length(), basis).prop_map(|(creator, first, days, basis)| Thing::Report {
        creator,
        first,
        last: first + days.days(),
        basis,
    });
    let template_day = (chatter(), day()).prop_map(|(chatter, day)| Thing::TemplateDay { chatter, day });
    let often = match subject {
        Subject::All => [10, 5, 3, 3, 2],
        Subject::Fans => [8, 8, 0, 0, 0],
        Subject::Work => [10, 4, 8, 1, 1],
    };
    prop_oneof![often[0] => message, often[1] => sale, often[2] => period, often[3] => report, often[4] => template_day]
}

fn date(at: i64) -> Date {
    Timestamp::from_second(at).expect("an instant").to_zoned(TimeZone::UTC).date()
}

impl Thing {
    /// Another thing that differs from this in one part of its natural key.
    pub fn twin(&self, setup: &Setup, part: u8) -> Thing {
        let (creators, _, fans) = setup.people;
        let other_chatter = |chatter: Option<usize>| if chatter.is_some() { None } else { Some(0) };
        let mut twin = self.clone();
        match &mut twin {
            Thing::Message { creator, chatter, fan, at, cents, source, text } => match part % 7 {
                0 => *creator = (*creator + 1) % creators,
                1 => *chatter = other_chatter(*chatter),
                2 => *fan = (*fan + 1) % fans,
                3 => *at += 1,
                4 => *cents += 100,
                5 => *source = if *source == "Chat" { "Chat " } else { "Chat" },
                _ => *text = 1 - *text,
            },
            Thing::Sale { creator, chatter, fan, at, gross, net, of } => match part % 7 {
                0 => *creator = (*creator + 1) % creators,
                1 => *chatter = other_chatter(*chatter),
                2 => *fan = if fan.is_some() { None } else { Some(0) },
                3 => *at += 1,
                4 => *gross += 1,
                5 => *net -= 1,
                _ => *of = if *of == "Tips" { "Messages" } else { "Tips" },
            },
            Thing::Period { granularity, chatter, creators: of, first, last, hours, zone } => match part % 7 {
                0 if *granularity == Granularity::DetailedBreakdown => *granularity = Granularity::ByEmployee,
                0 => *granularity = Granularity::DetailedBreakdown,
                1 => *chatter = other_chatter(*chatter),
                2 => *of = (0..creators).collect(),
                3 => *first -= 1.day(),
                4 => *last += 1.day(),
                5 => hours.0 = 12 - hours.0,
                _ => *zone = if *zone == "UTC" { "America/New_York" } else { "UTC" },
            },
            Thing::Report { creator, first, last, basis } => match part % 4 {
                0 => *creator = (*creator + 1) % creators,
                1 => *first -= 1.day(),
                2 => *last += 1.day(),
                _ => *basis = if *basis == Basis::Net { Basis::Gross } else { Basis::Net },
            },
            Thing::TemplateDay { chatter, day } => match part % 2 {
                0 => *chatter = other_chatter(*chatter),
                _ => *day += 1.day(),
            },
        }
        twin
    }

    /// A row that tells of it.
    pub fn row(&self, varying: &Varying, sheet: u16, row: u32) -> Row<'static> {
        let spelling = varying.spelling;
        let chatter = |number: &Option<usize>| number.map(|number| names::chatter(number, spelling));
        let creator = |number: usize| names::creator(number, spelling);
        let [first_yes, second_yes] = varying.yes;
        match self {
            Thing::Message { creator: of, chatter: by, fan, at, cents, source, text } => {
                let creator = creator(*of);
                Row::Message(Message {
                    kind: Kind::Message,
                    sheet,
                    row,
                    creator: creator.name.into(),
                    platform: creator.platform.into(),
                    chatter: chatter(by),
                    fan: names::fan(*fan, spelling),
                    nickname: varying.nickname.map(names::nickname),
                    sent_at: *at,
                    price_cents: *cents,
                    purchased: first_yes,
                    source: Cow::Borrowed(source),
                    status: second_yes.then_some("Sent".into()),
                    reply_seconds: varying.reply_seconds,
                    fan_replied: second_yes,
                    characters: u32::from(*text) * 7,
                    text_hash: format!("{text:032}").into(),
                    extra: None,
                })
            }
            Thing::Sale { creator: of, chatter: by, fan, at, gross, net, of: sale_type } => {
                let creator = creator(*of);
                Row::Sale(Sale {
                    kind: Kind::Sale,
                    sheet,
                    row,
                    sold_at: *at,
                    chatter: chatter(by),
                    creator: creator.name.into(),
                    platform: creator.platform.into(),
                    fan: fan.map(|fan| names::fan(fan, spelling)),
                    nickname: varying.nickname.filter(|_| fan.is_some()).map(names::nickname),
                    gross_cents: *gross,
                    net_cents: *net,
                    earnings_cents: varying.figures[0],
                    sale_type: Cow::Borrowed(sale_type),
                    rule: second_yes.then_some("Manual".into()),
                    reversed: first_yes,
                    extra: None,
                })
            }
            Thing::Period { granularity, chatter: by, creators, first, last, hours, zone } => {
                let zone = TimeZone::get(zone).expect("a zone");
                let (start, end) = (first.at(hours.0, 0, 0, 0), last.at(hours.1, 59, 59, 0));
                let at = |local: jiff::civil::DateTime| {
                    local.to_zoned(zone.clone()).expect("a local time").timestamp().as_second()
                };
                let plus = |which: usize, more: i64| varying.figures[which].map(|figure| figure + more);
                let mut creators: Vec<_> = creators.iter().map(|number| creator(*number)).collect();
                if first_yes {
                    // In another order, and one of them twice.
                    creators.reverse();
                    creators.push(creators[0].clone());
                }
                Row::EmployeePeriod(EmployeePeriod {
                    kind: Kind::EmployeePeriod,
                    sheet,
                    row,
                    granularity: *granularity,
                    chatter: chatter(by).map(Cow::into_owned),
                    creators,
                    first_day: *first,
                    last_day: *last,
                    start_at: at(start),
                    end_at: at(end),
                    start: start.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                    end: end.strftime("%Y-%m-%d %H:%M:%S").to_string(),
                    group: second_yes.then_some("Night".to_owned()),
                    email: None,
                    figures: EmployeeFigures {
                        clocked_minutes: varying.figures[0],
                        scheduled_minutes: varying.figures[1],
                        messages_sent: plus(2, 1),
                        ppvs_sent: plus(3, 2),
                        ppvs_unlocked: plus(1, 3),
                        fans_chatted: plus(2, 4),
                        ppv_sales_cents: plus(0, 5),
                        sales_cents: plus(3, 6),
                        ..EmployeeFigures::default()
                    },
                    extra: None,
                })
            }
            Thing::Report { creator: of, first, last, basis } => {
                let names = ["subscription", "tips", "total_earnings", "of_\"other\"_headers"];
                let figures = names.into_iter().zip(varying.figures);
                // A column that is not there, or one without a figure.
                let figures = figures.filter(|(_, cents)| first_yes || cents.is_some());
                Row::CreatorDay(CreatorDay {
                    kind: Kind::CreatorDay,
                    sheet,
                    row,
                    creator: creator(*of),
                    first_day: *first,
                    last_day: *last,
                    basis: *basis,
                    figures: figures.map(|(name, cents)| (name.to_owned(), cents)).collect(),
                    other: [("OF ranking".to_owned(), "top 1%".to_owned())].into(),
                })
            }
            Thing::TemplateDay { chatter: by, day } => Row::ChatterDay(ChatterDay {
                kind: Kind::ChatterDay,
                sheet,
                row,
                chatter: chatter(by).map(Cow::into_owned),
                day: *day,
                messages_sent: varying.figures[0],
                ppvs_sent: varying.figures[1],
                ppvs_unlocked: varying.figures[2],
                fans_chatted: varying.figures[3],
                avg_response_minutes: varying.reply_seconds.map(|seconds| f64::from(seconds % 9_999) / 4.0),
                extra: None,
            }),
        }
    }
}
