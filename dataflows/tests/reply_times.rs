//! Quantiles of reply times.

use fandom_dataflows::views::reply_times::{bucket, nearest_rank, value};

#[test]
fn a_bucket_stands_within_two_percent_of_its_members() {
    let mut last = 0;
    for seconds in (0..20_000u32).chain((20_000..10_000_000).step_by(997)) {
        let bucket = bucket(seconds);
        assert!(bucket >= last, "buckets ascend at {seconds}");
        last = bucket;
        let error = (value(bucket) - i64::from(seconds)).abs() as f64;
        assert!(error <= 0.02 * f64::from(seconds), "{seconds} s is shown as {} s", value(bucket));
    }
    assert!(bucket(u32::MAX - 1) < u16::MAX);
}

#[test]
fn ranks_are_nearest_and_counted_from_one() {
    let buckets: Vec<(u16, isize)> = vec![(1, 1), (5, 2), (9, 1)];
    assert_eq!(nearest_rank(&buckets, 50), Some(5));
    assert_eq!(nearest_rank(&buckets, 90), Some(9));
    assert_eq!(nearest_rank(&buckets[..1], 50), Some(1));
    assert_eq!(nearest_rank(&[], 50), None);
}
