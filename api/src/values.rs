//! Values as Postgres sends them and JSON shows them: ids, instants, days; and records made of them.

use std::borrow::Cow;
use std::error::Error;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use serde::{Serialize, Serializer};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_util::bytes::BytesMut;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type as SchemaType};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

type SqlError = Box<dyn Error + Sync + Send>;

/// A row that becomes an item of an answer.
pub trait Record: Sized + Serialize + Send {
    /// The columns that it reads, separated by commas.
    fn columns() -> String;

    /// The members of the item, in the order in which a table has them.
    fn fields() -> &'static [&'static str];

    /// Reads a row.
    ///
    /// # Errors
    /// When a column is missing or of another type: a defect.
    fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error>;
}

/// Declares a record whose fields are named as the columns.
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        $(#[$meta])*
        $vis struct $name { $($(#[$field_meta])* pub $field: $type,)* }

        impl $crate::values::Record for $name {
            fn columns() -> String {
                Self::fields().join(", ")
            }

            fn fields() -> &'static [&'static str] {
                &[$(stringify!($field)),*]
            }

            fn from_row(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                Ok($name { $($field: row.try_get(stringify!($field))?,)* })
            }
        }
    };
}
pub(crate) use record;

/// How the documentation describes a type that JSON shows as a text.
macro_rules! text_schema {
    ($type:ty, $format:expr, $pattern:expr, $example:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(SchemaType::String).format($format).pattern($pattern);
                text.examples([$example]).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }
    };
}

text_schema!(Id, None, Some("^-?[0-9]{1,19}$"), "4611686018427387904");
text_schema!(Instant, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)), None::<String>, "2026-10-21T05:00:00Z");
text_schema!(Hour, Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)), None::<String>, "2026-10-21T05:00:00+02:00");
text_schema!(Day, Some(SchemaFormat::KnownFormat(KnownFormat::Date)), None::<String>, "2026-10-21");

/// An id: a string in JSON, since a JavaScript number does not hold 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(pub i64);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Id, SqlError> {
        i64::from_sql(ty, raw).map(Id)
    }

    fn accepts(ty: &Type) -> bool {
        <i64 as FromSql<'_>>::accepts(ty)
    }
}

/// An instant: `2026-10-21T05:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Instant(pub Timestamp);

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl<'a> FromSql<'a> for Instant {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Instant, SqlError> {
        let since_2000 = i64::from_sql(ty, raw)?;
        let micros = since_2000.checked_add(POSTGRES_EPOCH).ok_or("an infinite instant")?;
        Ok(Instant(Timestamp::from_microsecond(micros)?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

impl ToSql for Instant {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, SqlError> {
        (self.0.as_microsecond() - POSTGRES_EPOCH).to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

/// The beginning of an hour, with the offset of the reporting zone: `2026-10-21T05:00:00+02:00`. Where an hour occurs
/// twice, the offset tells the two apart.
#[derive(Clone, Debug)]
pub struct Hour {
    instant: Timestamp,
    zone: TimeZone,
}

impl Hour {
    /// The same hour, shown in this zone.
    pub fn in_zone(&mut self, zone: &TimeZone) {
        self.zone = zone.clone();
    }
}

impl Serialize for Hour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.instant.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z"))
    }
}

impl<'a> FromSql<'a> for Hour {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Hour, SqlError> {
        Ok(Hour { instant: Instant::from_sql(ty, raw)?.0, zone: TimeZone::UTC })
    }

    fn accepts(ty: &Type) -> bool {
        <Instant as FromSql<'_>>::accepts(ty)
    }
}

/// A day: `2026-10-21`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Day(pub Date);

const POSTGRES_FIRST_DAY: Date = jiff::civil::date(2000, 1, 1);

impl<'a> FromSql<'a> for Day {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Day, SqlError> {
        let days = i32::from_sql(ty, raw)?;
        Ok(Day(POSTGRES_FIRST_DAY.checked_add(Span::new().try_days(days)?)?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::DATE
    }
}

impl ToSql for Day {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, SqlError> {
        POSTGRES_FIRST_DAY.until(self.0)?.get_days().to_sql(ty, out)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::DATE
    }

    to_sql_checked!();
}

impl Day {
    /// The instant at which the day begins in a zone.
    pub fn start(self, zone: &TimeZone) -> Option<Instant> {
        Some(Instant(self.0.to_zoned(zone.clone()).ok()?.timestamp()))
    }

    /// So many days before.
    pub fn back(self, days: i32) -> Option<Day> {
        self.0.checked_sub(Span::new().try_days(days).ok()?).ok().map(Day)
    }

    /// The day after.
    pub fn next(self) -> Option<Day> {
        self.0.checked_add(1.day()).ok().map(Day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &(dyn ToSql + Sync), ty: &Type) -> Vec<u8> {
        let mut out = BytesMut::new();
        value.to_sql_checked(ty, &mut out).expect("a value in range");
        out.to_vec()
    }

    #[test]
    fn days_and_instants_survive_postgres() {
        for text in ["0001-01-01", "1999-12-31", "2000-01-01", "2026-10-25", "9999-12-31"] {
            let day = Day(text.parse().expect("a date"));
            assert_eq!(Day::from_sql(&Type::DATE, &sent(&day, &Type::DATE)).expect("a day"), day);
        }
        for text in ["1970-01-01T00:00:00Z", "2026-10-25T00:59:59.000001Z"] {
            let instant = Instant(text.parse().expect("an instant"));
            let back = Instant::from_sql(&Type::TIMESTAMPTZ, &sent(&instant, &Type::TIMESTAMPTZ)).expect("an instant");
            assert_eq!(back, instant);
            assert_eq!(serde_json::to_value(back).expect("text"), text);
        }
        assert!(Instant::from_sql(&Type::TIMESTAMPTZ, &i64::MAX.to_be_bytes()).is_err());
    }

    #[test]
    fn an_hour_that_occurs_twice_is_told_apart() {
        let zone = TimeZone::get("Europe/Belgrade").expect("a zone");
        let shown = |text: &str| {
            let mut hour = Hour { instant: text.parse().expect("an instant"), zone: TimeZone::UTC };
            hour.in_zone(&zone);
            serde_json::to_value(hour).expect("text")
        };
        assert_eq!(shown("2026-10-25T00:00:00Z"), "2026-10-25T02:00:00+02:00");
        assert_eq!(shown("2026-10-25T01:00:00Z"), "2026-10-25T02:00:00+01:00");
    }
}
