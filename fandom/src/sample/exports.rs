//! When the agency exports its messages, and which days each export holds.

use jiff::Timestamp;

use super::agency::Agency;

/// One export of the message dashboard: whole days, as they stood at one moment.
pub(super) struct Export {
    pub(super) first_day: u32,
    pub(super) last_day: u32,
    pub(super) moment: i64,
}

impl Export {
    /// The name that the tool gives to a part of the export.
    pub(super) fn file_name(&self, part: u32) -> String {
        let stamp = Timestamp::from_second(self.part_moment(part)).unwrap_or_default().strftime("%Y%m%d%H%M%S");
        format!("({})Message_Dashboard_Report_{stamp}.xlsx", super::words::AGENCY)
    }

    /// When a part was exported: the tool needs some seconds for each.
    pub(super) fn part_moment(&self, part: u32) -> i64 {
        self.moment + i64::from(part) * 7
    }
}

/// Every export in order of time: one a week, more often in a short calendar. Each repeats `overlap_days` of those before it.
pub(super) fn exports(agency: &Agency, overlap_days: u32) -> Vec<Export> {
    let (last_day, last_moment) = (agency.days - 1, agency.exported_at());
    let step = if agency.days < 14 { (agency.days / 2).max(1) } else { 7 };
    let mut exports: Vec<Export> = Vec::new();
    let mut first_new = 0;
    for day in (step - 1..last_day).step_by(step as usize) {
        let moment = agency.at(day + 1, 8) + 15 * 60;
        if moment < last_moment - 3600 {
            exports.push(Export { first_day: overlapped(first_new, overlap_days), last_day: day, moment });
            first_new = day + 1;
        }
    }
    exports.push(Export { first_day: overlapped(first_new, overlap_days), last_day, moment: last_moment });
    exports
}

fn overlapped(first_new: u32, overlap_days: u32) -> u32 {
    first_new.saturating_sub(overlap_days)
}

/// By day: the moment of the last export that holds it.
pub(super) fn last_seen(agency: &Agency, exports: &[Export]) -> Vec<i64> {
    (0..agency.days)
        .map(|day| {
            let holds = |export: &&Export| (export.first_day..=export.last_day).contains(&day);
            exports.iter().rev().find(holds).map_or(agency.exported_at(), |export| export.moment)
        })
        .collect()
}
