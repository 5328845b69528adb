//! Places where a test can end the process as `kill -9` would, or let it take memory without end, to prove that nothing is lost or
//! doubled there.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::env::Env;

/// Arms the fail points that the environment names. Without the variable, a fail point does nothing.
///
/// - `FANDOM_FAILPOINTS`: for tests alone: `name=N,name=N`; the process aborts at the N-th time that it passes `name`; with
///   `name=N:hoard` it takes memory instead, until it is refused any, or goes on after a tebibyte.
pub fn arm(env: &mut Env) {
    let Some(list) = env.text("FANDOM_FAILPOINTS") else { return };
    for item in list.split(',') {
        let (place, then) = item.split_once(':').unwrap_or((item, "abort"));
        let parsed = place.split_once('=').map(|(name, nth)| (name.trim(), nth.trim().parse::<u64>()));
        let (Some((name, Ok(nth))), Some(act)) = (parsed, action(then.trim())) else {
            env.problem("FANDOM_FAILPOINTS", format!("`{item}` is neither name=N nor name=N:hoard"));
            continue;
        };
        let passed = AtomicU64::new(0);
        let armed = fail::cfg_callback(name, move || {
            if passed.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                act();
            }
        });
        if let Err(reason) = armed {
            env.problem("FANDOM_FAILPOINTS", format!("`{item}`: {reason}"));
        }
    }
}

fn action(name: &str) -> Option<fn()> {
    match name {
        "abort" => Some(|| std::process::abort()),
        // Zeroed memory that nobody touches is promised and not held, so that the machine does not suffer.
        "hoard" => Some(|| {
            let hoard: Vec<Vec<u8>> = (0..16 << 10).map(|_| vec![0; 64 << 20]).collect();
            std::hint::black_box(hoard);
        }),
        _ => None,
    }
}

/// Passes a fail point.
pub fn pass(name: &'static str) {
    fail::fail_point!(name);
}
