//! What goes wrong next.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// What goes wrong: each number says how many of the next answers of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Calls refused because of the quota: in turn 403 `userRateLimitExceeded`, 403 `rateLimitExceeded` and 429.
    pub quota: u32,
    /// Calls that fail with 503.
    pub server_errors: u32,
    /// Calls whose access token is refused with 401.
    pub refused_tokens: u32,
    /// Downloads that end early: in turn with a broken connection, and with a length that is too short.
    pub truncated: u32,
    /// Downloads in which a byte is another.
    pub wrong_checksums: u32,
    /// Questions for changes whose page token is not known any more (410).
    pub expired_page_tokens: u32,
    /// Milliseconds by which every answer is late.
    pub slow_ms: u64,
    /// Items that the account may not read (403 `insufficientFilePermissions`).
    pub forbidden: BTreeSet<String>,
    /// Seconds for which an access token holds; 0 stands for 3600.
    pub token_seconds: u64,
    /// Most items of a page; 0 stands for as many as are asked for.
    pub page_size: usize,
}

#[derive(Default)]
pub(crate) struct Armed(Mutex<Faults>);

impl Armed {
    pub fn set(&self, faults: Faults) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    pub fn get(&self) -> Faults {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Uses one of a number up; says which it was, counted down, if any was left.
    pub fn take(&self, which: impl Fn(&mut Faults) -> &mut u32) -> Option<u32> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = which(&mut faults);
        if *left == 0 {
            return None;
        }
        *left -= 1;
        Some(*left)
    }
}
