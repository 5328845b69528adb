//! The tables in Postgres against the truth, record by record.
//!
//! Every record of the truth must be in its table with equal values, and the table must hold no other. Ratios are
//! compared to six decimals, quantiles of reply times to the 2 % that METRICS.md allows, everything else exactly.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::{Client, Row};

/// A table and its truth.
#[derive(Clone, Copy)]
struct Truth {
    /// The key of the list in the truth.
    list: &'static str,
    /// The table, or view, in the schema `views`.
    table: &'static str,
    /// What tells a record from the others.
    key: &'static [&'static str],
}

const fn truth(list: &'static str, table: &'static str, key: &'static [&'static str]) -> Truth {
    Truth { list, table, key }
}

const TRUTHS: [Truth; 12] = [
    truth("chatter_hour", "chatter_hour", &["creator", "chatter", "hour"]),
    truth("chatter_day", "chatter_day", &["creator", "chatter", "day"]),
    truth("chatter_week", "chatter_week", &["creator", "chatter", "week"]),
    truth("chatter_month", "chatter_month", &["creator", "chatter", "month"]),
    truth("chatter_all", "chatter_all", &["creator", "chatter"]),
    truth("sales_day", "sales_day", &["creator", "chatter", "day", "type"]),
    truth("hours_day", "hours_day", &["creator", "chatter", "day"]),
    truth("creator_day", "creator_day", &["creator", "day"]),
    truth("fans", "fans", &["creator", "platform", "username"]),
    truth("reconciliation", "reconciliation", &["file", "sheet", "row"]),
    truth("files", "files", &["file", "sheet"]),
    truth("template_day", "template_day", &["chatter", "day"]),
];

/// Of what adds up, the totals of each table that has it: a table a row, none missing a row that another one has.
const TOTALS: &str = "select array[messages, mass, net, gross, sales, clocked]::text, string_agg(name, ', ' order by name) from (
    select 'chatter_hour' as name, sum(messages_sent) as messages, sum(mass_messages) as mass, sum(sales_net_cents) as net,
        sum(sales_gross_cents) as gross, sum(sales_count + reversed_count) as sales,
        (select sum(clocked_minutes) from views.hours_day) as clocked from views.chatter_hour
    union all select 'chatter_day', sum(messages_sent), sum(mass_messages), sum(sales_net_cents), sum(sales_gross_cents),
        sum(sales_count + reversed_count), sum(clocked_minutes) from views.chatter_day
    union all select 'chatter_week', sum(messages_sent), sum(mass_messages), sum(sales_net_cents), sum(sales_gross_cents),
        sum(sales_count + reversed_count), sum(clocked_minutes) from views.chatter_week
    union all select 'chatter_month', sum(messages_sent), sum(mass_messages), sum(sales_net_cents), sum(sales_gross_cents),
        sum(sales_count + reversed_count), sum(clocked_minutes) from views.chatter_month
    union all select 'chatter_all', sum(messages_sent), sum(mass_messages), sum(sales_net_cents), sum(sales_gross_cents),
        sum(sales_count + reversed_count), sum(clocked_minutes) from views.chatter_all
    union all select 'sales_day', (select sum(messages_sent) from views.chatter_all), (select sum(mass_messages) from views.chatter_all),
        sum(net_cents), sum(gross_cents), sum(count + reversed_count), (select sum(clocked_minutes) from views.hours_day)
        from views.sales_day having count(*) > 0
    ) totals group by 1";

/// The fans whose days do not add up to what is known of them.
const DAYS_OF_FANS: &str = "select creator_id::text, fan_id::text, days::text, fan::text from
    (select creator_id, fan_id, array[sum(messages_received), sum(messages_replied), sum(ppvs_received), sum(ppvs_unlocked),
        sum(ppv_spend_cents), sum(sales_net_cents), sum(tips_net_cents)] as days from views.fan_day group by 1, 2) d
    full join (select creator_id, fan_id, array[messages_received, messages_replied, ppvs_received, ppvs_unlocked, ppv_spend_cents,
        sales_net_cents, tips_net_cents]::numeric[] as fan from views.fan_measures) f using (creator_id, fan_id)
    where coalesce(days, '{0,0,0,0,0,0,0}') <> coalesce(fan, '{0,0,0,0,0,0,0}')";

/// How the totals of the tables differ from each other; nothing when they agree.
async fn disagreements(client: &Client) -> anyhow::Result<Vec<String>> {
    let totals = client.query(TOTALS, &[]).await?;
    let line = |row: &Row| format!("totals: {} in {}", row.get::<_, String>(0), row.get::<_, String>(1));
    let mut found: Vec<String> = if totals.len() > 1 { totals.iter().map(line).collect() } else { Vec::new() };
    for row in client.query(DAYS_OF_FANS, &[]).await? {
        let [creator, fan, days, known] =
            [0, 1, 2, 3].map(|place| row.get::<_, Option<String>>(place).unwrap_or_default());
        found.push(format!("fan_day: creator {creator}, fan {fan}: {days}, but {known}"));
    }
    Ok(found)
}

/// How the tables differ from the whole truth (stage `b`); nothing when they are right.
pub async fn differences(client: &Client, expected: &Value) -> anyhow::Result<Vec<String>> {
    let mut found = disagreements(client).await?;
    for truth in TRUTHS {
        let mut records = expected[truth.list].as_array().cloned().unwrap_or_default();
        if truth.list == "files" {
            let live = expected["stages"]["b"]["files"].as_array().cloned().unwrap_or_default();
            records.retain(|record| live.contains(&record["file"]));
        }
        found.extend(compare(client, truth, &records).await?);
    }
    Ok(found)
}

/// How the tables differ from what the truth says of a stage (`a` to `d`): chatters' days, and fans' spend.
pub async fn differences_at(client: &Client, expected: &Value, stage: &str) -> anyhow::Result<Vec<String>> {
    if stage == "b" {
        return differences(client, expected).await;
    }
    let mut found = disagreements(client).await?;
    for truth in TRUTHS.iter().filter(|truth| ["chatter_day", "fans"].contains(&truth.list)) {
        let records = expected["stages"][stage][truth.list].as_array().cloned().unwrap_or_default();
        found.extend(compare(client, *truth, &records).await?);
    }
    let files = expected["stages"][stage]["files"].as_array().cloned().unwrap_or_default();
    let rows = client.query("select distinct to_jsonb(file) from views.files order by 1", &[]).await?;
    let there: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    found.extend(files.iter().filter(|file| !there.contains(file)).map(|file| format!("files: {file} is missing")));
    found.extend(there.iter().filter(|file| !files.contains(file)).map(|file| format!("files: {file} should be gone")));
    Ok(found)
}

async fn compare(client: &Client, truth: Truth, records: &[Value]) -> anyhow::Result<Vec<String>> {
    // Of chatters the truth has the groups with messages alone; that the others are right shows in the totals.
    let listed = if truth.list.starts_with("chatter_") { "messages_sent + mass_messages > 0" } else { "true" };
    let query = format!("select to_jsonb(t) from views.{} t where {listed}", truth.table);
    let mut there: BTreeMap<String, Value> = BTreeMap::new();
    let mut found = Vec::new();
    for row in client.query(&query, &[]).await? {
        let value: Value = row.get(0);
        let key = key_of(&value, truth.key);
        if there.insert(key.clone(), value).is_some() {
            found.push(format!("{}: {key} is there twice", truth.list));
        }
    }
    for record in records {
        let key = key_of(record, truth.key);
        let Some(row) = there.remove(&key) else {
            found.push(format!("{}: {key} is missing", truth.list));
            continue;
        };
        for (name, right) in record.as_object().into_iter().flatten() {
            match row.get(name) {
                None => found.push(format!("{}: there is no column {name}", truth.list)),
                Some(value) if same(name, value, right) => {}
                Some(value) => found.push(format!("{}: {key}: {name} is {value}, should be {right}", truth.list)),
            }
        }
    }
    found.extend(there.keys().map(|key| format!("{}: {key} should not be there", truth.list)));
    Ok(found)
}

fn key_of(record: &Value, names: &[&str]) -> String {
    let part = |name: &&str| match record.get(*name) {
        Some(Value::String(text)) => instant(text).map_or_else(|| text.clone(), |at| at.to_string()),
        Some(value) => value.to_string(),
        None => "null".to_owned(),
    };
    names.iter().map(part).collect::<Vec<_>>().join(" | ")
}

fn same(name: &str, value: &Value, right: &Value) -> bool {
    match (value, right) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
            match name {
                "reply_seconds_p50" | "reply_seconds_p90" => (a - b).abs() <= 0.02 * b,
                _ => (a - b).abs() <= 1.5e-6 * b.abs().max(1.0) && (a.fract() != 0.0 || b.fract() != 0.0 || a == b),
            }
        }
        (Value::String(a), Value::String(b)) => a == b || (instant(a).is_some() && instant(a) == instant(b)),
        _ => value == right,
    }
}

/// Instants are written in several ways; a day is none.
fn instant(text: &str) -> Option<jiff::Timestamp> {
    (text.len() > 10).then(|| text.parse().ok()).flatten()
}
