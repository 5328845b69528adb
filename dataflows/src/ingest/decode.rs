//! A record's JSON to a fact with its natural key, and the names that it uses.

use std::borrow::Cow;
use std::sync::Arc;

use fandom_schemas::identity::{self, Id};
use fandom_schemas::rows::{self, Kind};
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::storable;
use crate::calendar::day_number;
use crate::facts::key::Key;
use crate::facts::{CreatorReport, Message, Period, Sale, TemplateDay};
use crate::views::names::{Name, NameKind, NameOf, Shown};

/// A row: what it says, and which names it uses.
pub struct Decoded<'a> {
    /// The fact, with the sheet's position and the natural key (not yet numbered).
    pub parsed: Parsed,
    /// The names of its creators, chatter and fan.
    pub names: Names<'a>,
}

/// The names that a row uses: mostly a creator, a chatter and a fan.
pub type Names<'a> = SmallVec<[(NameOf, NameUse<'a>); 3]>;

/// A fact of any kind, with its sheet and natural key.
#[derive(Debug)]
pub enum Parsed {
    /// A message.
    Message(u16, Key, Message),
    /// A sale.
    Sale(u16, Key, Box<Sale>),
    /// An employee's period.
    Period(u16, Key, Box<Period>),
    /// A creator's reported day.
    Report(u16, Key, Box<CreatorReport>),
    /// A day of the agency's template.
    TemplateDay(u16, Key, Box<TemplateDay>),
}

impl Parsed {
    /// The sheet and the natural key.
    pub fn place(&self) -> (u16, Key) {
        match self {
            Parsed::Message(sheet, key, _)
            | Parsed::Sale(sheet, key, _)
            | Parsed::Period(sheet, key, _)
            | Parsed::Report(sheet, key, _)
            | Parsed::TemplateDay(sheet, key, _) => (*sheet, *key),
        }
    }
}

/// A name as a file shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse<'a> {
    platform: Cow<'a, str>,
    name: Cow<'a, str>,
    nickname: Option<Cow<'a, str>>,
}

impl<'a> NameUse<'a> {
    fn new(platform: Cow<'a, str>, name: Cow<'a, str>, nickname: Option<Cow<'a, str>>) -> NameUse<'a> {
        let text = storable::text;
        NameUse { platform: text(platform), name: text(name), nickname: nickname.map(text) }
    }

    /// The same, owned.
    pub fn into_owned(self) -> NameUse<'static> {
        NameUse {
            platform: Cow::Owned(self.platform.into_owned()),
            name: Cow::Owned(self.name.into_owned()),
            nickname: self.nickname.map(|nickname| Cow::Owned(nickname.into_owned())),
        }
    }

    /// The name as a fact.
    pub fn shown(self, of: NameOf) -> Name {
        let boxed = |text: Cow<'_, str>| text.into_owned().into_boxed_str();
        let (platform, name, nickname) = (boxed(self.platform), boxed(self.name), self.nickname.map(boxed));
        Name { of, shown: Arc::new(Shown { platform, name, nickname }) }
    }
}

/// Reads rows; remembers the ids of names that come again and again.
pub struct Decoder {
    mass_sources: Vec<String>,
    mass: HashMap<Box<str>, bool>,
    creators: HashMap<(Box<str>, Box<str>), Id>,
    chatters: HashMap<Box<str>, Id>,
}

/// Names that are remembered at once; a log of more begins anew.
const REMEMBERED: usize = 100_000;

impl Decoder {
    /// A decoder for which the source of a mass message contains one of these words (in lower case).
    pub fn new(mass_sources: Vec<String>) -> Decoder {
        Decoder { mass_sources, mass: HashMap::new(), creators: HashMap::new(), chatters: HashMap::new() }
    }

    /// Reads the JSON of a row.
    ///
    /// # Errors
    /// When it is not the JSON of a row of that kind.
    pub fn decode<'a>(&mut self, kind: Kind, json: &'a [u8]) -> Result<Decoded<'a>, serde_json::Error> {
        Ok(match kind {
            Kind::Message => self.message(rows::Message::from_json(json)?),
            Kind::Sale => self.sale(serde_json::from_slice(json)?),
            Kind::EmployeePeriod => self.period(serde_json::from_slice(json)?),
            Kind::CreatorDay => self.report(serde_json::from_slice(json)?),
            Kind::ChatterDay => self.template_day(serde_json::from_slice(json)?),
        })
    }

    fn message<'a>(&mut self, row: rows::Message<'a>) -> Decoded<'a> {
        let creator = self.creator(&row.platform, &row.creator);
        let chatter = self.chatter(row.chatter.as_deref());
        let fan = identity::fan_id(&row.platform, &row.fan);
        let fact = Message {
            creator,
            chatter,
            fan,
            sent_at: row.sent_at,
            price_cents: row.price_cents,
            characters: row.characters,
            reply_seconds: row.reply_seconds.unwrap_or(Message::NO_REPLY),
            mass: self.is_mass(&row.source),
            purchased: row.purchased,
            fan_replied: row.fan_replied,
        };
        let parsed = Parsed::Message(row.sheet, fact.key(&row.source, &row.text_hash), fact);
        let mut names = Names::new();
        names.push(creator_name(creator, row.platform.clone(), row.creator));
        names.extend(chatter_name(chatter, row.chatter));
        names.push(fan_name(fan, row.platform, row.fan, row.nickname));
        Decoded { parsed, names }
    }

    fn sale<'a>(&mut self, row: rows::Sale<'a>) -> Decoded<'a> {
        let creator = self.creator(&row.platform, &row.creator);
        let chatter = self.chatter(row.chatter.as_deref());
        let fan = row.fan.as_deref().map(|fan| identity::fan_id(&row.platform, fan));
        let fact = Sale {
            creator,
            chatter,
            fan,
            sold_at: row.sold_at,
            gross_cents: row.gross_cents,
            net_cents: row.net_cents,
            sale_type: (*storable::text(row.sale_type)).into(),
            reversed: row.reversed,
        };
        let mut names = Names::new();
        names.push(creator_name(creator, row.platform.clone(), row.creator));
        names.extend(chatter_name(chatter, row.chatter));
        names.extend(fan.zip(row.fan).map(|(id, username)| fan_name(id, row.platform, username, row.nickname)));
        Decoded { parsed: Parsed::Sale(row.sheet, fact.key(), Box::new(fact)), names }
    }

    fn period<'a>(&mut self, row: rows::EmployeePeriod) -> Decoded<'a> {
        let chatter = self.chatter(row.chatter.as_deref());
        let mut names: Names<'a> = chatter_name(chatter, row.chatter.map(Cow::Owned)).into_iter().collect();
        let mut creators = Vec::with_capacity(row.creators.len());
        for creator in row.creators {
            let id = self.creator(&creator.platform, &creator.name);
            if !creators.contains(&id) {
                creators.push(id);
            }
            names.push(creator_name(id, creator.platform.into(), creator.name.into()));
        }
        let fact = Period {
            granularity: row.granularity,
            chatter,
            creators: creators.into(),
            first_day: day_number(row.first_day),
            last_day: day_number(row.last_day),
            start_at: row.start_at,
            end_at: row.end_at,
            written: Arc::new(((*storable::text(row.start.into())).into(), (*storable::text(row.end.into())).into())),
            clocked_minutes: row.figures.clocked_minutes,
            scheduled_minutes: row.figures.scheduled_minutes,
            reported: [
                row.figures.messages_sent,
                row.figures.ppvs_sent,
                row.figures.ppvs_unlocked,
                row.figures.fans_chatted,
                row.figures.ppv_sales_cents,
                row.figures.sales_cents,
            ],
            // Known when the manifest is: see `Live::count`.
            sheet: Arc::default(),
            row: row.row,
        };
        Decoded { parsed: Parsed::Period(row.sheet, fact.key(), Box::new(fact)), names }
    }

    fn report<'a>(&mut self, row: rows::CreatorDay) -> Decoded<'a> {
        let creator = self.creator(&row.creator.platform, &row.creator.name);
        let mut names = Names::new();
        names.push(creator_name(creator, row.creator.platform.into(), row.creator.name.into()));
        let fact = CreatorReport {
            creator,
            first_day: day_number(row.first_day),
            last_day: day_number(row.last_day),
            basis: row.basis,
            figures: row
                .figures
                .into_iter()
                .map(|(figure, cents)| ((*storable::text(figure.into())).into(), cents))
                .collect(),
        };
        Decoded { parsed: Parsed::Report(row.sheet, fact.key(), Box::new(fact)), names }
    }

    fn template_day<'a>(&mut self, row: rows::ChatterDay) -> Decoded<'a> {
        let chatter = self.chatter(row.chatter.as_deref());
        let fact = TemplateDay {
            chatter,
            day: day_number(row.day),
            counts: [row.messages_sent, row.ppvs_sent, row.ppvs_unlocked, row.fans_chatted],
            avg_response_minutes: row.avg_response_minutes.map(f64::to_bits),
        };
        let names = chatter_name(chatter, row.chatter.map(Cow::Owned)).into_iter().collect();
        Decoded { parsed: Parsed::TemplateDay(row.sheet, fact.key(), Box::new(fact)), names }
    }

    fn is_mass(&mut self, source: &str) -> bool {
        if let Some(&mass) = self.mass.get(source) {
            return mass;
        }
        let lower = source.to_lowercase();
        let mass = self.mass_sources.iter().any(|word| lower.contains(word.as_str()));
        remember(&mut self.mass, source.into(), mass)
    }

    fn creator(&mut self, platform: &str, name: &str) -> Id {
        if let Some(&id) = self.creators.get(&PairRef(platform, name)) {
            return id;
        }
        remember(&mut self.creators, (platform.into(), name.into()), identity::creator_id(platform, name))
    }

    fn chatter(&mut self, name: Option<&str>) -> Id {
        let Some(name) = name else { return identity::UNATTRIBUTED };
        if let Some(&id) = self.chatters.get(name) {
            return id;
        }
        remember(&mut self.chatters, name.into(), identity::chatter_id(Some(name)))
    }
}

/// A key of `Decoder::creators`, borrowed.
#[derive(Hash)]
struct PairRef<'a>(&'a str, &'a str);

impl hashbrown::Equivalent<(Box<str>, Box<str>)> for PairRef<'_> {
    fn equivalent(&self, key: &(Box<str>, Box<str>)) -> bool {
        self.0 == &*key.0 && self.1 == &*key.1
    }
}

fn remember<K: std::hash::Hash + Eq, V: Copy>(map: &mut HashMap<K, V>, key: K, value: V) -> V {
    if map.len() >= REMEMBERED {
        map.clear();
    }
    map.insert(key, value);
    value
}

fn creator_name<'a>(id: Id, platform: Cow<'a, str>, name: Cow<'a, str>) -> (NameOf, NameUse<'a>) {
    (NameOf { kind: NameKind::Creator, id }, NameUse::new(platform, name, None))
}

fn chatter_name(id: Id, name: Option<Cow<'_, str>>) -> Option<(NameOf, NameUse<'_>)> {
    let used = NameUse::new(Cow::Borrowed(""), name?, None);
    Some((NameOf { kind: NameKind::Chatter, id }, used))
}

fn fan_name<'a>(
    id: Id,
    platform: Cow<'a, str>,
    username: Cow<'a, str>,
    nickname: Option<Cow<'a, str>>,
) -> (NameOf, NameUse<'a>) {
    (NameOf { kind: NameKind::Fan, id }, NameUse::new(platform, username, nickname))
}
