//! The views: what is computed of the facts.
//!
//! ```text
//!  facts ──▶ daily (shared by several) ──▶ a file a view ──▶ rows of its table (±1) ──▶ sink
//! ```
//!
//! A view is a function from [`Sources`] to a collection of rows, and a [`Table`]. To add one: write its file, give its
//! table a migration, and add its line to [`all`].

pub mod as_of;
pub mod chatter;
pub mod clusters;
pub mod contacts;
pub mod creator_day;
pub mod daily;
pub mod fan_clusters;
pub mod fan_day;
pub mod fan_history;
pub mod fan_moves;
pub mod fans;
pub mod files;
pub mod hours_day;
pub mod kept;
pub mod names;
pub mod reconciliation;
pub mod reply_times;
pub mod rfm;
pub mod sales_day;
pub mod template_day;

use differential_dataflow::VecCollection;
use fandom_schemas::identity::Id;

use crate::facts::{CreatorReport, Message, Period, Sale, TemplateDay};
use crate::runtime::Epoch;
use crate::settings::DataflowSettings;
use crate::sink::row::Row;
use crate::sink::table::Table;
use daily::Daily;
use files::SheetOfFile;
use names::Name;

/// A collection at epochs, with multiplicities.
pub type Facts<'scope, F> = VecCollection<'scope, Epoch, F, isize>;

/// What the views are computed from.
pub struct Sources<'scope> {
    /// Every live message once.
    pub messages: Facts<'scope, Message>,
    /// Every live sale once.
    pub sales: Facts<'scope, Sale>,
    /// Every live employee's period once.
    pub periods: Facts<'scope, Period>,
    /// Every live report of a creator once.
    pub reports: Facts<'scope, CreatorReport>,
    /// Every live day of the agency's template once.
    pub template_days: Facts<'scope, TemplateDay>,
    /// Rows of a file's sheet that an earlier exported live file also holds.
    pub duplicates: Facts<'scope, (Id, u16)>,
    /// Every name that a live file uses, once.
    pub names: Facts<'scope, Name>,
    /// The sheets of each live file.
    pub sheets: Facts<'scope, SheetOfFile>,
    /// Today in the reporting zone.
    pub today: Facts<'scope, i32>,
    /// The number of the last tick, at which what is computed as a whole is computed anew.
    pub ticks: Facts<'scope, i64>,
    /// The number of the last turn, at which a part of the fans takes over what was.
    pub turns: Facts<'scope, i64>,
}

/// The rows of a view's table.
pub struct View<'scope> {
    /// The table.
    pub table: &'static Table,
    /// Its rows.
    pub rows: Facts<'scope, Row>,
}

/// The tables of all views. The tables of names come first: the others take their labels from them.
pub static TABLES: [&Table; 19] = [
    &names::CREATORS,
    &names::CHATTERS,
    &names::FAN_NAMES,
    &chatter::HOUR,
    &chatter::DAY,
    &chatter::WEEK,
    &chatter::MONTH,
    &chatter::ALL,
    &sales_day::TABLE,
    &hours_day::TABLE,
    &creator_day::TABLE,
    &fans::TABLE,
    &fan_day::TABLE,
    &fan_clusters::TABLE,
    &fan_moves::TABLE,
    &as_of::TABLE,
    &files::TABLE,
    &template_day::TABLE,
    &reconciliation::TABLE,
];

/// Every view that is kept.
pub fn all<'scope>(sources: &Sources<'scope>, settings: &DataflowSettings) -> Vec<View<'scope>> {
    let daily = Daily::new(sources, settings);
    let kept = |table| settings.views.keeps(table);
    let mut views = Vec::with_capacity(TABLES.len());
    views.extend(names::views(sources));
    views.extend(chatter::views(sources, &daily, settings));
    views.extend(kept(&sales_day::TABLE).then(|| sales_day::view(&daily)));
    views.extend(kept(&hours_day::TABLE).then(|| hours_day::view(sources, &daily)));
    views.extend(kept(&creator_day::TABLE).then(|| creator_day::view(sources, &daily)));
    let as_of = as_of::day(sources, &daily, settings);
    if settings.views.keeps_any(&[&fans::TABLE, &fan_clusters::TABLE, &fan_moves::TABLE]) {
        let figures = fan_history::figures(sources, settings);
        let scores = rfm::scores(&figures);
        let clusters = clusters::clusters(sources, &figures, &as_of, settings);
        let fans = fans::fans(&figures, &scores, &clusters.of_fans);
        views.extend(kept(&fans::TABLE).then(|| fans::view(&fans, settings)));
        views.extend(kept(&fan_clusters::TABLE).then(|| fan_clusters::view(&fans)));
        views.extend(clusters.moves.map(|moves| fan_moves::view(&moves)));
    }
    views.extend(kept(&fan_day::TABLE).then(|| fan_day::view(sources, settings)));
    views.extend(kept(&as_of::TABLE).then(|| as_of::view(&as_of)));
    views.push(files::view(sources));
    views.extend(kept(&template_day::TABLE).then(|| template_day::view(sources)));
    views.extend(kept(&reconciliation::TABLE).then(|| reconciliation::view(sources)));
    views
}
