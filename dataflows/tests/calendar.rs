//! Where instants fall in a zone.

use fandom_dataflows::calendar::{Calendar, day_number, month, month_name, week, week_name};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("a timestamp").as_second()
}

#[test]
fn the_doubled_hour_of_autumn_is_two_hours_of_one_day() {
    let mut calendar = Calendar::new(TimeZone::get("Europe/Belgrade").expect("a zone"));
    let first = calendar.local(at("2026-10-25T00:30:00Z"));
    let second = calendar.local(at("2026-10-25T01:30:00Z"));
    assert_eq!((first.hour, second.hour), (at("2026-10-25T00:00:00Z"), at("2026-10-25T01:00:00Z")));
    assert_eq!((first.day, second.day), (day_number(Date::constant(2026, 10, 25)), first.day));
    assert_eq!(calendar.local(at("2026-10-25T22:59:59Z")).day, first.day);
    assert_eq!(calendar.local(at("2026-10-25T23:00:00Z")).day, first.day + 1);
}

#[test]
fn zones_of_half_hours_cut_at_their_own_hours() {
    let mut calendar = Calendar::new(TimeZone::get("Asia/Kolkata").expect("a zone"));
    assert_eq!(calendar.local(at("2026-10-25T00:29:59Z")).hour, at("2026-10-24T23:30:00Z"));
    assert_eq!(calendar.local(at("2026-10-25T00:30:00Z")).hour, at("2026-10-25T00:30:00Z"));
}

#[test]
fn weeks_belong_to_the_year_of_their_thursday() {
    let name = |y, m, d| week_name(week(day_number(Date::constant(y, m, d))));
    assert_eq!(name(2026, 1, 1), "2026-W01");
    assert_eq!(name(2027, 1, 3), "2026-W53");
    assert_eq!(name(2026, 10, 25), "2026-W43");
    assert_eq!(month_name(month(day_number(Date::constant(2026, 2, 28)))), "2026-02");
}
