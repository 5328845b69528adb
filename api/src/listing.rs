//! A page of a list, by keyset: `limit` rows that follow the last row of the page before, in the order of `sort`.
//!
//! Rows are ordered by the sort's key and then by keys that together are unique, so the order is total. What follows
//! a row is a union of ranges, one a key: equal in the keys before it and beyond in this one. Each is a range of an
//! index whose columns are the keys, so a page costs the same wherever it stands, with many ties too. Nulls come last: of a
//! key that can be null, the rows that have it and those that have not are ranges of their own. Within a range no row but
//! those of equal keys needs to be compared, so an index serves it whichever way it puts nulls.

use std::fmt::Write;
use std::hash::{Hash, Hasher};

use tokio_postgres::types::{ToSql, Type};

use crate::cursor::{self, KeyType, KeyValue, Scalar};
use crate::export::Format;
use crate::parameters::Parameters;
use crate::values::Record;

/// Values that a statement refers to as `$1`, `$2`, ….
#[derive(Default)]
pub struct Binds(Vec<(Box<dyn ToSql + Sync + Send>, Type)>);

impl Binds {
    /// Adds a value; returns how the statement refers to it.
    pub fn bind(&mut self, value: impl ToSql + Sync + Send + 'static, ty: Type) -> String {
        self.0.push((Box::new(value), ty));
        format!("${}", self.0.len())
    }

    /// The values, as `query_typed` takes them.
    pub fn values(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.0.iter().map(|(value, ty)| (&**value as &(dyn ToSql + Sync), ty.clone())).collect()
    }

    fn scalar(&mut self, value: &Scalar) -> String {
        match value {
            Scalar::Integer(value) => self.bind(*value, Type::INT8),
            Scalar::Float(value) => self.bind(*value, Type::FLOAT8),
            Scalar::Text(value) => self.bind(value.clone(), Type::TEXT),
            Scalar::Day(value) => self.bind(*value, Type::DATE),
            Scalar::Instant(value) => self.bind(*value, Type::TIMESTAMPTZ),
        }
    }
}

/// A key that rows are ordered by.
#[derive(Clone, Debug)]
pub struct Key {
    /// What `sort` calls it; of a tie breaker, nothing that is shown.
    pub name: &'static str,
    /// The expression.
    pub sql: &'static str,
    /// Its type.
    pub ty: KeyType,
    /// Whether it can be null.
    pub nullable: bool,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Whether the expression falls where what `sort` names rises.
    pub opposite: bool,
}

impl Key {
    /// A key that is never null, the least first.
    pub const fn new(name: &'static str, sql: &'static str, ty: KeyType) -> Key {
        Key { name, sql, ty, nullable: false, descending: false, opposite: false }
    }

    /// The same key, null where there is none.
    pub const fn nullable(self) -> Key {
        Key { nullable: true, ..self }
    }

    /// The same key, whose expression falls where what `sort` names rises.
    pub const fn opposite(self) -> Key {
        Key { opposite: true, ..self }
    }

    /// The same key, the greatest first.
    pub const fn descending(self) -> Key {
        Key { descending: true, ..self }
    }
}

/// What a list is asked for.
pub struct Listing {
    /// Values of the statement.
    pub binds: Binds,
    /// `with …`, or nothing.
    pub with: String,
    /// What is listed: a table, view or name of `with`.
    pub from: String,
    /// Conditions, all of which hold.
    pub filters: Vec<String>,
    /// How many rows at most; of a page never `None`.
    pub limit: Option<usize>,
    /// The form of the answer.
    pub format: Format,
    /// The members of an item that are asked for.
    pub fields: Vec<&'static str>,
    /// Whether these are fewer than there are.
    pub sparse: bool,
    /// What else than statement and values the answer depends on, such as a zone.
    pub besides: String,
    limited: bool,
    keys: Vec<Key>,
    after: Option<Vec<KeyValue>>,
    fingerprint: u64,
}

const LIMIT: usize = 100;
const LIMIT_MOST: usize = 1000;

impl Listing {
    /// Reads `sort`, `limit`, `cursor`, `fields` and `format`. The first of `sorts` is the default, in its own direction; a sort that is named goes
    /// up, with `-` before it down. `ties` makes the order total; they are given for a sort that goes down, and turned around
    /// for one that goes up, so that one index serves both, read forwards and backwards.
    pub fn read<R: Record>(parameters: &mut Parameters, sorts: &[Key], ties: &[Key]) -> Listing {
        Listing::of(parameters, R::fields(), sorts, ties)
    }

    /// The same of items with these members.
    pub fn of(parameters: &mut Parameters, members: &'static [&'static str], sorts: &[Key], ties: &[Key]) -> Listing {
        let format = parameters.format();
        let fields = parameters.words("fields", members);
        let listing = Listing::place(parameters, sorts, ties);
        Listing {
            limit: listing.limit.filter(|_| format == Format::Json || listing.limited),
            format,
            sparse: fields.is_some(),
            fields: fields.unwrap_or_else(|| members.to_vec()),
            ..listing
        }
    }

    /// Where a page begins, and how long it is.
    fn place(parameters: &mut Parameters, sorts: &[Key], ties: &[Key]) -> Listing {
        let names: Vec<&str> = sorts.iter().map(|sort| sort.name).collect();
        let expected = format!("one of {} (with - before it: the greatest first)", names.join(", "));
        let sort = parameters.checked("sort", &expected, |text| {
            let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
            sorts.iter().find(|sort| sort.name == name).map(|sort| Key { descending, ..sort.clone() })
        });
        let sort = sort.unwrap_or_else(|| sorts[0].clone());
        let descending = sort.descending != sort.opposite;
        let turned = |tie: &Key| Key { descending: tie.descending == descending, ..tie.clone() };
        let mut keys: Vec<Key> = ties.iter().filter(|tie| tie.sql != sort.sql).map(turned).collect();
        keys.insert(0, Key { descending, ..sort });
        let limit = parameters.checked("limit", "a number from 1 to 1000", |text| {
            text.parse().ok().filter(|limit| (1..=LIMIT_MOST).contains(limit))
        });
        let fingerprint = parameters.fingerprint();
        let types: Vec<KeyType> = keys.iter().map(|key| key.ty).collect();
        let after = parameters.text("cursor").and_then(|text| match cursor::decode(&text, fingerprint, &types) {
            Ok(after) => Some(after),
            Err(reason) => {
                parameters.wrong("cursor", reason);
                None
            }
        });
        Listing {
            binds: Binds::default(),
            with: String::new(),
            from: String::new(),
            filters: Vec::new(),
            limit: limit.or(Some(LIMIT)),
            limited: limit.is_some(),
            format: Format::Json,
            fields: Vec::new(),
            sparse: false,
            besides: String::new(),
            keys,
            after,
            fingerprint,
        }
    }

    /// Leaves members out that this answer does not have, unless a choice of fields asks for them.
    pub fn leave_out(&mut self, members: &[&str]) {
        if !self.sparse {
            self.fields.retain(|field| !members.contains(field));
        }
    }

    /// Keeps only rows whose column is one of these ids.
    pub fn ids(&mut self, column: &str, ids: Vec<i64>) {
        let ids = self.binds.bind(ids, Type::INT8_ARRAY);
        self.filters.push(format!("{column} = any({ids})"));
    }

    /// Keeps only rows whose column is one of these words, if any are given.
    pub fn one_of(&mut self, column: &str, words: Option<Vec<&'static str>>) {
        if let Some(words) = words {
            let words = self.binds.bind(words, Type::TEXT_ARRAY);
            self.filters.push(format!("{column} = any({words})"));
        }
    }

    /// Keeps only rows for which `<expression> <operator> <value>` holds.
    pub fn compare(
        &mut self,
        expression: &str,
        operator: &str,
        value: Option<impl ToSql + Sync + Send + 'static>,
        ty: Type,
    ) {
        if let Some(value) = value {
            let value = self.binds.bind(value, ty);
            self.filters.push(format!("{expression} {operator} {value}"));
        }
    }

    /// Keeps only rows in one of whose columns the text occurs, in any case.
    pub fn contains(&mut self, columns: &[&str], text: &str) {
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = self.binds.bind(format!("%{escaped}%"), Type::TEXT);
        let any: Vec<String> = columns.iter().map(|column| format!("{column} ilike {pattern}")).collect();
        self.filters.push(format!("({})", any.join(" or ")));
    }

    /// The statement of a page: `columns`, the sort keys as `key_0`, `key_1`, …, and one row more than the limit, which tells
    /// whether there is a next page.
    pub fn sql(&mut self, columns: &str) -> String {
        let rows = self.limit.unwrap_or(LIMIT) + 1;
        let terms = self.keys.iter().enumerate().map(|(place, key)| {
            let direction = if key.descending { " desc" } else { "" };
            let nulls = if key.nullable { " nulls last" } else { "" };
            format!("key_{place}{direction}{nulls}")
        });
        let order = terms.collect::<Vec<_>>().join(", ");
        let ranges = self.ranges();
        let parts: Vec<String> = ranges.iter().map(|range| self.part(columns, range, Some(rows))).collect();
        let (with, from) = (&self.with, &self.from);
        match parts.as_slice() {
            [] => format!("{with} select {columns}{} from {from} where false", self.key_columns()),
            [part] => format!("{with} {part}"),
            parts => {
                let parts: Vec<String> = parts.iter().map(|part| format!("({part})")).collect();
                format!("{with} select * from ({}) page order by {order} limit {rows}", parts.join(" union all "))
            }
        }
    }

    /// The statements whose rows, one after another, are all of the list.
    pub fn parts(&mut self, columns: &str) -> Vec<String> {
        let ranges = self.ranges();
        ranges.iter().map(|range| format!("{} {}", self.with, self.part(columns, range, self.limit))).collect()
    }

    /// The rows of a range, in order.
    fn part(&self, columns: &str, range: &[String], limit: Option<usize>) -> String {
        let conditions: Vec<&str> = self.filters.iter().chain(range).map(String::as_str).collect();
        let filter = if conditions.is_empty() { String::new() } else { format!(" where {}", conditions.join(" and ")) };
        let terms = self.keys.iter().map(|key| format!("{}{}", key.sql, if key.descending { " desc" } else { "" }));
        let order = terms.collect::<Vec<_>>().join(", ");
        let limit = limit.map_or_else(String::new, |limit| format!(" limit {limit}"));
        format!("select {columns}{} from {}{filter} order by {order}{limit}", self.key_columns(), self.from)
    }

    fn key_columns(&self) -> String {
        self.keys.iter().enumerate().fold(String::new(), |mut out, (place, key)| {
            write!(out, ", {} as key_{place}", key.sql).expect("a string takes all");
            out
        })
    }

    /// The ranges that together follow the row before, in their order: each a list of conditions.
    fn ranges(&mut self) -> Vec<Vec<String>> {
        let first = &self.keys[0];
        let Some(after) = &self.after else {
            return if first.nullable {
                vec![vec![format!("{} is not null", first.sql)], vec![format!("{} is null", first.sql)]]
            } else {
                vec![Vec::new()]
            };
        };
        let mut ranges = Vec::new();
        let mut equal: Vec<String> = Vec::new();
        for (key, value) in self.keys.iter().zip(after) {
            let sql = key.sql;
            let Some(value) = value else {
                equal.push(format!("{sql} is null"));
                continue;
            };
            let value = self.binds.scalar(value);
            let beyond = if key.descending { "<" } else { ">" };
            if key.nullable {
                ranges.push([equal.clone(), vec![format!("{sql} is null")]].concat());
            }
            ranges.push([equal.clone(), vec![format!("{sql} {beyond} {value}")]].concat());
            equal.push(format!("{sql} = {value}"));
        }
        // Those that share most with the row before come first.
        ranges.reverse();
        ranges
    }

    /// Tells apart what is answered: two lists with the same number have the same answer at the same epoch, for the same reader.
    pub fn answer_id(&self, sql: &str) -> u64 {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        (sql, self.limit, self.fingerprint, self.format as u8, &self.fields, &self.besides).hash(&mut hasher);
        for (value, ty) in &self.binds.0 {
            (format!("{value:?}"), ty.oid()).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The types of the sort keys, in the order of their columns.
    pub fn key_types(&self) -> Vec<KeyType> {
        self.keys.iter().map(|key| key.ty).collect()
    }

    /// The cursor that follows a row with these sort keys.
    pub fn cursor(&self, epoch: i64, keys: &[KeyValue]) -> String {
        cursor::encode(epoch, self.fingerprint, keys)
    }
}
