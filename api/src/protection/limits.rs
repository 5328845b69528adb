//! How much may be asked: a rate by account, key or address, and requests at once.
//!
//! `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Asker;
use crate::reader::Reader;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// A burst may be so many seconds' worth.
const BURST_SECONDS: u32 = 5;
/// After so many requests, whoever has not asked lately is forgotten.
const CLEAN_EVERY: u32 = 10_000;

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Account(String),
    Key(String),
    Address(IpAddr),
}

type Limiter = RateLimiter<Who, DefaultKeyedStateStore<Who>, DefaultClock, StateInformationMiddleware>;

/// What is counted.
pub struct Limits {
    rate: Option<Limiter>,
    per_second: u32,
    counted: AtomicU32,
    under_way: Semaphore,
}

/// What is left to somebody.
pub struct Rate {
    per_second: u32,
    left: u32,
    wait_seconds: u64,
}

impl Limits {
    /// So many requests a second for each, none counted with 0; and so many at once of all.
    pub fn new(per_second: u32, at_once: usize) -> Limits {
        let quota = NonZeroU32::new(per_second).zip(NonZeroU32::new(per_second.saturating_mul(BURST_SECONDS)));
        let rate = quota.map(|(rate, burst)| {
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
                .with_middleware::<StateInformationMiddleware>()
        });
        Limits { rate, per_second, counted: AtomicU32::new(0), under_way: Semaphore::new(at_once) }
    }

    /// Room for one more request, given back when its answer begins; none when it must be turned away.
    pub fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.under_way.try_acquire().ok()
    }

    /// Counts a request.
    ///
    /// # Errors
    /// What is left, and the seconds to wait, when it was one too many.
    pub fn count(&self, reader: Option<&Reader>, asker: &Asker) -> Result<Option<Rate>, (Option<Rate>, u64)> {
        let Some(limiter) = &self.rate else { return Ok(None) };
        if self.counted.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY == CLEAN_EVERY - 1 {
            limiter.retain_recent();
        }
        let who = match reader {
            Some(Reader { user: Some(user), .. }) => Who::Account(user.clone()),
            Some(Reader { key: Some(key), .. }) => Who::Key(key.clone()),
            _ => Who::Address(asker.address),
        };
        let per_second = self.per_second;
        match limiter.check_key(&who) {
            Ok(state) => Ok(Some(Rate { per_second, left: state.remaining_burst_capacity(), wait_seconds: 1 })),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                let seconds = wait.as_secs() + 1;
                Err((Some(Rate { per_second, left: 0, wait_seconds: seconds }), seconds))
            }
        }
    }
}

impl Rate {
    /// Tells it in headers.
    pub fn show(&self, headers: &mut HeaderMap) {
        let Rate { per_second, left, wait_seconds } = self;
        let burst = per_second.saturating_mul(BURST_SECONDS);
        let policy = format!("\"default\";q={burst};w={BURST_SECONDS}");
        let limit = format!("\"default\";r={left};t={wait_seconds}");
        for (name, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}
