//! Natural keys (METRICS.md §2), hashed to 128 bits.
//!
//! A key leaves out what can change between two exports of the same thing. Rows of equal key within one sheet are
//! numbered in the order in which they stand, and the number is part of the key.
//!
//! The first 32 bits say which worker holds the key. Those of a message are the ones of its creator and fan, so that what
//! is computed by fan is computed where the message is; the other 96 tell the keys of a fan apart.

use fandom_schemas::identity::Id;
use fandom_schemas::rows::{Basis, Granularity};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_128_with_seed};

use crate::views::names::NameOf;

/// 128 bits of XXH3 over a natural key, the first 32 of them replaced for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key(pub [u64; 2]);

impl Key {
    /// The key of the row that stands `occurrence` equal rows (0-based) after the first in its sheet.
    pub fn occurrence(self, occurrence: u32) -> Key {
        if occurrence == 0 {
            return self;
        }
        let bytes: Vec<u8> = self.0.iter().flat_map(|half| half.to_le_bytes()).collect();
        Key::from_bits(xxh3_128_with_seed(&bytes, u64::from(occurrence))).routed(self.route())
    }

    /// Where the key's worker is found.
    pub fn route(&self) -> u64 {
        self.0[0] >> 32
    }

    fn routed(self, route: u64) -> Key {
        Key([route << 32 | self.0[0] & u64::from(u32::MAX), self.0[1]])
    }

    fn from_bits(bits: u128) -> Key {
        Key([(bits >> 64) as u64, bits as u64])
    }
}

/// Where the worker of a creator's fan is found.
pub fn route_of_fan(creator: Id, fan: Id) -> u64 {
    // Both are well mixed already; the product mixes the two (the multiplier is 2^64 divided by the golden ratio).
    (creator ^ fan.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Hashes the parts of a natural key, each with its length or in a fixed width, so that no two lists of parts run together.
struct Parts(Xxh3Default);

impl Parts {
    fn of(kind: u8) -> Parts {
        let mut hasher = Xxh3Default::new();
        hasher.update(&[kind]);
        Parts(hasher)
    }

    fn number(mut self, number: u64) -> Parts {
        self.0.update(&number.to_le_bytes());
        self
    }

    fn signed(self, number: i64) -> Parts {
        self.number(number.cast_unsigned())
    }

    fn text(self, text: &str) -> Parts {
        let mut parts = self.number(text.len() as u64);
        parts.0.update(text.as_bytes());
        parts
    }

    fn key(self) -> Key {
        Key::from_bits(self.0.digest128())
    }
}

impl super::Message {
    /// The natural key of a message, of which source and text are not in the fact.
    pub fn key(&self, source: &str, text_hash: &str) -> Key {
        Parts::of(b'm')
            .number(self.creator)
            .number(self.chatter)
            .number(self.fan)
            .signed(self.sent_at)
            .signed(self.price_cents)
            .text(source)
            .text(text_hash)
            .key()
            .routed(route_of_fan(self.creator, self.fan))
    }
}

impl super::Sale {
    /// The natural key of a sale.
    pub fn key(&self) -> Key {
        Parts::of(b's')
            .signed(self.sold_at)
            .number(self.chatter)
            .number(self.creator)
            .number(self.fan.unwrap_or(0))
            .text(&self.sale_type)
            .signed(self.gross_cents)
            .signed(self.net_cents)
            .key()
    }
}

impl super::Period {
    /// The natural key of an employee's period.
    pub fn key(&self) -> Key {
        let granularity = match self.granularity {
            Granularity::ByEmployee => 0,
            Granularity::ByTimeAndEmployee => 1,
            Granularity::DetailedBreakdown => 2,
        };
        let mut creators = self.creators.clone();
        creators.sort_unstable();
        let parts = Parts::of(b'p').number(granularity).number(self.chatter).number(creators.len() as u64);
        creators
            .iter()
            .fold(parts, |parts, creator| parts.number(*creator))
            .signed(self.start_at)
            .signed(self.end_at)
            .key()
    }
}

impl super::CreatorReport {
    /// The natural key of a creator's reported day or period.
    pub fn key(&self) -> Key {
        let basis = match self.basis {
            Basis::Net => 0,
            Basis::Gross => 1,
        };
        let days = Parts::of(b'c').number(self.creator).signed(self.first_day.into()).signed(self.last_day.into());
        days.number(basis).key()
    }
}

impl NameOf {
    /// The key under which files hold a name.
    pub fn key(&self) -> Key {
        Key([self.id, self.kind as u64])
    }
}

impl super::TemplateDay {
    /// The natural key of a day in the agency's template.
    pub fn key(&self) -> Key {
        Parts::of(b't').number(self.chatter).signed(self.day.into()).key()
    }
}
