//! Places where a test can end the process as `kill -9` would, to prove that nothing is lost or doubled there.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::env::Env;

/// Arms the fail points that the environment names. Without the variable, a fail point does nothing.
///
/// - `FANDOM_FAILPOINTS`: for tests alone: `name=N,name=N`; the process aborts at the N-th time that it passes `name`.
pub fn arm(env: &mut Env) {
    let Some(list) = env.text("FANDOM_FAILPOINTS") else { return };
    for item in list.split(',') {
        let Some((name, Ok(nth))) = item.split_once('=').map(|(name, nth)| (name.trim(), nth.trim().parse::<u64>()))
        else {
            env.problem("FANDOM_FAILPOINTS", format!("`{item}` is not name=N"));
            continue;
        };
        let passed = AtomicU64::new(0);
        let armed = fail::cfg_callback(name, move || {
            if passed.fetch_add(1, Ordering::SeqCst) + 1 == nth {
                std::process::abort();
            }
        });
        if let Err(reason) = armed {
            env.problem("FANDOM_FAILPOINTS", format!("`{item}`: {reason}"));
        }
    }
}

/// Passes a fail point.
pub fn pass(name: &'static str) {
    fail::fail_point!(name);
}
