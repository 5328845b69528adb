//! Who asks, and which rows that lets them see.
//!
//! The guard (`protection`) finds out who asks and runs the handler as that [`Reader`]. Every statement on the views goes through
//! [`Scope::of`] at one place, `Snapshot::query`: for a reader who sees only own rows, each table is replaced by its rows of
//! own creators and chatters. Without a reader nothing is read, and a table that is not named here is refused, so that a new
//! query cannot show too much by being forgotten.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::accounts::second_factor::Standing;
use crate::permissions::{Permission, Role};
use crate::problem::{Kind, Problem};

/// Which rows are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every one.
    Everything,
    /// Those of these creators or of these chatters.
    Own {
        /// Ids of creators.
        creators: Vec<i64>,
        /// Ids of chatters.
        chatters: Vec<i64>,
    },
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Reader {
    /// How the audit trail calls them.
    pub name: String,
    /// Id of the account.
    pub user: Option<String>,
    /// Id of the session.
    pub session: Option<String>,
    /// Id of the key.
    pub key: Option<String>,
    /// The role.
    pub role: Role,
    /// Of a key that may do less than its role: what it may do.
    pub only: Option<Vec<Permission>>,
    /// Which rows are seen.
    pub scope: Scope,
    /// How the account stands with its second factor; none of a key.
    pub second_factor: Option<Standing>,
    /// The token against forged requests; none where no browser sends its credentials by itself.
    pub csrf: Option<String>,
}

/// What stands for the id of the key that the process was started with.
pub const START_KEY: &str = "start";

tokio::task_local! {
    static READER: Arc<Reader>;
}

impl Reader {
    /// Runs something as this reader.
    pub async fn run<F: Future>(self: Arc<Reader>, what: F) -> F::Output {
        READER.scope(self, what).await
    }

    /// Whoever runs the system, by a key of theirs or by a command.
    pub fn operator(name: &str, key: Option<&str>) -> Reader {
        Reader {
            name: name.to_owned(),
            user: None,
            session: None,
            key: key.map(str::to_owned),
            role: Role::Admin,
            only: None,
            scope: Scope::Everything,
            second_factor: None,
            csrf: None,
        }
    }

    /// Who asks at present. None outside of a request, and in the body of an answer that is made while it is sent: find
    /// the reader before, and make the body with [`Reader::run`].
    pub fn current() -> Option<Arc<Reader>> {
        READER.try_with(Arc::clone).ok()
    }

    /// Whether it is the key that the process was started with.
    pub fn is_operator(&self) -> bool {
        self.key.as_deref() == Some(START_KEY)
    }

    /// Whether they may.
    pub fn may(&self, permission: Permission) -> bool {
        permission.roles().contains(&self.role) && self.only.as_ref().is_none_or(|only| only.contains(&permission))
    }

    /// That they may give somebody these permissions: nobody gives what they do not have. The own account is not given, but comes with one.
    ///
    /// # Errors
    /// 403 with what they do not have.
    pub fn gives(&self, permissions: impl IntoIterator<Item = Permission>) -> Result<(), Problem> {
        let beyond = |permission: &Permission| *permission != Permission::AccountOwn && !self.may(*permission);
        let beyond: Vec<&str> = permissions.into_iter().filter(beyond).map(Permission::name).collect();
        if beyond.is_empty() {
            return Ok(());
        }
        tracing::info!(reader = self.name, "permissions beyond their own were refused");
        let detail = format!("whoever asks may not do themselves what this would permit: {}", beyond.join(", "));
        Err(Problem::new(Kind::Forbidden, detail))
    }

    /// What tells their rows from those of others: nothing for who sees all.
    pub fn fingerprint(&self) -> Option<String> {
        match &self.scope {
            Scope::Everything => None,
            own => Some(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(format!("{own:?}").as_bytes()))),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Reader, Problem> {
        let reader = parts.extensions.get::<Arc<Reader>>();
        reader.map(|reader| Reader::clone(reader)).ok_or_else(|| Problem::new(Kind::Unauthenticated, "sign in first"))
    }
}

/// Whose a table's rows are.
enum Rows {
    /// Of a creator and a chatter.
    Both,
    /// Of a creator.
    Creator,
    /// Of a chatter.
    Chatter,
    /// Of an employee and several creators.
    Report,
    /// The creators, and those with whom own chatters work.
    Creators,
    /// The chatters, and those who work for own creators.
    Chatters,
    /// Names of fans, those of own creators.
    Fans,
    /// Of all together, so of nobody alone.
    Nobody,
    /// Not of anybody: seen by all who may.
    Open,
}

/// Every table, view and function that a statement of a resource may name.
const TABLES: &[(&str, Rows)] = &[
    ("views.chatter_hour", Rows::Both),
    ("views.chatter_day", Rows::Both),
    ("views.chatter_week", Rows::Both),
    ("views.chatter_month", Rows::Both),
    ("views.chatter_all", Rows::Both),
    ("views.sales_day", Rows::Both),
    ("views.hours_day", Rows::Both),
    ("views.creator_day", Rows::Creator),
    ("views.fans", Rows::Creator),
    ("views.fan_measures", Rows::Creator),
    ("views.fan_day", Rows::Creator),
    ("views.fan_names", Rows::Fans),
    ("views.template_day", Rows::Chatter),
    ("views.reconciliation", Rows::Report),
    ("views.reconciliation_rows", Rows::Report),
    ("views.creators", Rows::Creators),
    ("views.chatters", Rows::Chatters),
    ("views.fan_clusters", Rows::Nobody),
    ("views.fan_cluster_sums", Rows::Nobody),
    ("views.fan_moves", Rows::Nobody),
    ("views.files", Rows::Open),
    ("views.progress", Rows::Open),
    ("views.status", Rows::Open),
    ("views.as_of", Rows::Open),
    ("views.ratio", Rows::Open),
    ("views.hourly", Rows::Open),
    ("app.archive_messages", Rows::Both),
    ("app.archive_files", Rows::Open),
    ("app.archive_texts", Rows::Open),
    ("app.uploads", Rows::Open),
    ("app.received", Rows::Open),
    ("app.rejects", Rows::Open),
    ("app.mappings", Rows::Open),
    ("app.mappings_generation", Rows::Open),
    ("app.folder_settings", Rows::Open),
    ("app.ingest_requests", Rows::Open),
    ("app.folders", Rows::Open),
    ("app.sources", Rows::Open),
    ("app.tasks", Rows::Open),
    ("app.settings", Rows::Open),
    // The one statement that names it asks for those of the account that asks.
    ("app.sessions", Rows::Open),
];

impl Scope {
    /// The statement as this scope lets it be asked.
    ///
    /// # Errors
    /// When it names a table of which nobody has said whose rows it has: a defect.
    pub fn of<'s>(&self, sql: &'s str) -> Result<Cow<'s, str>, Problem> {
        let Scope::Own { creators, chatters } = self else { return Ok(Cow::Borrowed(sql)) };
        let (mut narrowed, mut defined) = (String::with_capacity(sql.len() + 512), Vec::<&str>::new());
        let mut rest = sql;
        while let Some(at) = next_table(rest) {
            let (before, after) = rest.split_at(at);
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.')).unwrap_or(after.len());
            let (name, following) = after.split_at(end);
            narrowed.push_str(before);
            rest = following;
            match TABLES.iter().find(|(table, _)| *table == name) {
                None => {
                    tracing::error!(table = name, "a statement names a table that has no scope");
                    return Err(Problem::internal());
                }
                Some((_, Rows::Open)) => narrowed.push_str(name),
                Some((table, _)) => {
                    narrowed.push_str(&own(table));
                    if !defined.contains(table) {
                        defined.push(table);
                    }
                }
            }
        }
        narrowed.push_str(rest);
        if defined.is_empty() {
            return Ok(Cow::Borrowed(sql));
        }
        let definitions: Vec<String> = (TABLES.iter().filter(|(table, _)| defined.contains(table)))
            .map(|(table, rows)| {
                let condition = condition(rows, creators, chatters);
                format!("{} as not materialized (select * from {table} of_all where {condition})", own(table))
            })
            .collect();
        let definitions = definitions.join(", ");
        let narrowed = narrowed.trim_start();
        Ok(Cow::Owned(match narrowed.strip_prefix("with ") {
            Some(others) => format!("with {definitions}, {others}"),
            None => format!("with {definitions} {narrowed}"),
        }))
    }
}

/// Where a statement first names something of the schemas `views` and `app`.
fn next_table(sql: &str) -> Option<usize> {
    let begins_word = |at: usize| !sql[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let places = ["views.", "app."].into_iter().flat_map(|schema| sql.match_indices(schema));
    places.map(|(at, _)| at).filter(|at| begins_word(*at)).min()
}

/// What the own rows of a table are called in a narrowed statement.
fn own(table: &str) -> String {
    format!("own_{}", table.rsplit('.').next().unwrap_or(table))
}

/// Ids are numbers, so they can stand in a statement as they are.
fn array(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("'{{{}}}'::bigint[]", ids.join(","))
}

/// That a column is one of these ids. One alone is compared as such, so that an index that begins with the column gives the order
/// of what follows in it.
fn is_one_of(column: &str, ids: &[i64]) -> String {
    match ids {
        [] => "false".to_owned(),
        [one] => format!("{column} = '{one}'::bigint"),
        many => format!("{column} = any({})", array(many)),
    }
}

fn condition(rows: &Rows, creators: &[i64], chatters: &[i64]) -> String {
    let of_creators = |column: &str| is_one_of(column, creators);
    let of_chatters = |column: &str| is_one_of(column, chatters);
    match rows {
        Rows::Both => match (creators, chatters) {
            (_, []) => of_creators("creator_id"),
            ([], _) => of_chatters("chatter_id"),
            _ => format!("({} or {})", of_creators("creator_id"), of_chatters("chatter_id")),
        },
        Rows::Creator => of_creators("creator_id"),
        Rows::Chatter => of_chatters("chatter_id"),
        Rows::Report => format!(
            "({} or (jsonb_array_length(creator_ids) > 0 and \
             array(select jsonb_array_elements_text(creator_ids)::bigint) <@ {}))",
            of_chatters("chatter_id"),
            array(creators)
        ),
        Rows::Creators => format!(
            "({} or creator_id in (select a.creator_id from views.chatter_all a where {}))",
            of_creators("creator_id"),
            of_chatters("a.chatter_id")
        ),
        Rows::Chatters => format!(
            "({} or chatter_id in (select a.chatter_id from views.chatter_all a where {}))",
            of_chatters("chatter_id"),
            of_creators("a.creator_id")
        ),
        Rows::Fans => {
            format!("fan_id in (select m.fan_id from views.fan_measures m where {})", of_creators("m.creator_id"))
        }
        Rows::Nobody => "false".to_owned(),
        Rows::Open => "true".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope::Own { creators: vec![7, -8], chatters: Vec::new() }
    }

    #[test]
    fn a_statement_is_narrowed_wherever_it_names_a_table() {
        let sql = "with a as (select views.ratio(1, 2) from views.sales_day where x) select * from a, views.sales_day";
        assert_eq!(
            scope().of(sql).expect("known tables"),
            "with own_sales_day as not materialized (select * from views.sales_day of_all where \
             creator_id = any('{7,-8}'::bigint[])), \
             a as (select views.ratio(1, 2) from own_sales_day where x) select * from a, own_sales_day"
        );
        assert_eq!(Scope::Everything.of(sql).expect("all"), sql);
        let one = |creators: &[i64], chatters: &[i64]| {
            let scope = Scope::Own { creators: creators.to_vec(), chatters: chatters.to_vec() };
            let narrowed = scope.of("select from views.sales_day").expect("a known table").into_owned();
            narrowed.split_once(" where ").expect("a condition").1.split_once(") select").expect("an end").0.to_owned()
        };
        assert_eq!(one(&[-8], &[]), "creator_id = '-8'::bigint");
        assert_eq!(one(&[], &[3]), "chatter_id = '3'::bigint");
        assert_eq!(one(&[7], &[3, 4]), "(creator_id = '7'::bigint or chatter_id = any('{3,4}'::bigint[]))");
        assert_eq!(one(&[], &[]), "false");
        assert!(scope().of(" (select 1 from views.fans)").expect("fans").starts_with("with own_fans as"));
        for unknown in ["select from views.secrets", "select from app.users", "select from app.api_keys"] {
            assert!(scope().of(unknown).is_err(), "{unknown}");
        }
        assert!(
            scope().of("select from app.archive_messages m").expect("messages").contains("from own_archive_messages m")
        );
    }
}
