//! Files, the names that they use, and the day of the data: `files`, `creators`, `chatters`, `fan_names`, `as_of`.

use std::collections::BTreeMap;

use fandom_dataflows::sink::row::Datum;
use fandom_schemas::identity::{self, Id};
use fandom_schemas::rows::{Creator, Row};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::time::Zone;
use super::winners::Winners;
use super::{Line, LiveFile, Tables, creator_id};

/// The lines of `files`.
pub fn files(live: &[LiveFile], rows: &Winners<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    for manifest in live.iter().map(|file| &file.manifest) {
        for sheet in &manifest.sheets {
            let rejects = sheet.rejects.iter().map(|reject| json!({"row": reject.row, "reason": reject.reason}));
            let duplicates = rows.duplicates.get(&(manifest.file.clone(), sheet.position)).copied().unwrap_or(0);
            let optional = |text: Option<&str>| text.map_or(Datum::Null, Datum::text);
            let line = Line::default()
                .id("file_id", identity::file_id(&manifest.file))
                .with("position", i64::from(sheet.position))
                .text("file", &manifest.name)
                .with("sheet", optional(sheet.name.as_deref()))
                .with("kind", optional(sheet.kind.map(|kind| kind.name())))
                .with("recognised", Datum::Bool(sheet.kind.is_some()))
                .with("version", manifest.version as i64)
                .instant("modified_at", manifest.modified_at)
                .instant("exported_at", manifest.exported_at)
                .with("rows_read", sheet.rows_read as i64)
                .with("accepted", sheet.accepted as i64)
                .with("rejected_count", sheet.rejected as i64)
                .with("rejected", Value::Array(rejects.collect()))
                .with("duplicates", duplicates)
                .with("doubtful_times", sheet.doubtful_times as i64)
                .with("warnings", json!(sheet.warnings));
            lines.push(line);
        }
    }
    lines
}

/// The lines of `creators`, `chatters` and `fan_names`: names as the latest exported file has them that uses them, in its last row.
pub fn names(live: &[LiveFile]) -> Tables {
    let mut creators: BTreeMap<Id, Creator> = BTreeMap::new();
    let mut chatters: BTreeMap<Id, String> = BTreeMap::new();
    let mut fans: BTreeMap<Id, (String, String, Option<String>)> = BTreeMap::new();
    let mut files: Vec<&LiveFile> = live.iter().collect();
    files.sort_by_key(|LiveFile { manifest, .. }| (manifest.exported_at, manifest.modified_at, &manifest.file));
    for row in files.into_iter().flat_map(|file| &file.rows) {
        let (of_row, chatter, fan) = match row {
            Row::Message(row) => (
                vec![creator(&row.platform, &row.creator)],
                row.chatter.as_deref(),
                Some((&row.platform, &row.fan, &row.nickname)),
            ),
            Row::Sale(row) => {
                let fan = row.fan.as_ref().map(|fan| (&row.platform, fan, &row.nickname));
                (vec![creator(&row.platform, &row.creator)], row.chatter.as_deref(), fan)
            }
            Row::EmployeePeriod(row) => (row.creators.clone(), row.chatter.as_deref(), None),
            Row::CreatorDay(row) => (vec![row.creator.clone()], None, None),
            Row::ChatterDay(row) => (Vec::new(), row.chatter.as_deref(), None),
        };
        creators.extend(of_row.into_iter().map(|creator| (creator_id(&creator), creator)));
        chatters.extend(chatter.map(|name| (identity::chatter_id(Some(name)), name.to_owned())));
        fans.extend(fan.map(|(platform, username, nickname)| {
            let shown = (platform.to_string(), username.to_string(), nickname.as_deref().map(str::to_owned));
            (identity::fan_id(platform, username), shown)
        }));
    }
    let creators = creators.into_iter().map(|(id, Creator { name, platform })| {
        let label = format!("{name} ({platform})");
        Line::default().id("creator_id", id).text("creator", &label).text("name", &name).text("platform", &platform)
    });
    let chatters = chatters.into_iter().map(|(id, name)| Line::default().id("chatter_id", id).text("chatter", &name));
    let fans = fans.into_iter().map(|(id, (platform, username, nickname))| {
        let line = Line::default().id("fan_id", id).text("platform", &platform).text("username", &username);
        line.with("nickname", nickname.map_or(Datum::Null, Datum::text))
    });
    [("creators", creators.collect()), ("chatters", chatters.collect()), ("fan_names", fans.collect())].into()
}

fn creator(platform: &str, name: &str) -> Creator {
    Creator { name: name.to_owned(), platform: platform.to_owned() }
}

/// The line of `as_of`; none where it is the last day of no data.
pub fn as_of(rows: &Winners<'_>, zone: &Zone, of_data: bool, today: Date) -> Vec<Line> {
    let line = |day: Date| Line::default().with("only_row", 1).day("day", day);
    as_of_day(rows, zone, of_data, today).map(line).into_iter().collect()
}

/// The day up to which "days since" are counted; none where it is the last of no data.
pub fn as_of_day(rows: &Winners<'_>, zone: &Zone, of_data: bool, today: Date) -> Option<Date> {
    let mut days: Vec<Date> = Vec::new();
    if of_data {
        days.extend(rows.messages.iter().map(|row| zone.day(row.sent_at)));
        days.extend(rows.sales.iter().map(|row| zone.day(row.sold_at)));
        days.extend(rows.periods.iter().map(|(row, _)| row.last_day));
        days.extend(rows.reports.iter().map(|row| row.last_day));
        days.extend(rows.template_days.iter().map(|row| row.day));
    } else {
        days.push(today);
    }
    days.into_iter().max()
}
