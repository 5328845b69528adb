//! How much may be asked: a rate by account, key or address, and requests at once.
//!
//! `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Asker;
use super::streams::Streams;
use crate::reader::Reader;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// A burst may be so many seconds' worth.
const BURST_SECONDS: u32 = 5;
/// After so many requests, whoever has not asked lately is forgotten.
const CLEAN_EVERY: u32 = 10_000;

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// An account.
    Account(String),
    /// A key.
    Key(String),
    /// An address, or what is counted as one.
    Address(IpAddr),
}

impl Who {
    /// The account or key of a reader.
    pub fn of(reader: &Reader) -> Option<Who> {
        let account = reader.user.clone().map(Who::Account);
        account.or_else(|| reader.key.clone().map(Who::Key))
    }
}

type Limiter = RateLimiter<Who, DefaultKeyedStateStore<Who>, DefaultClock, StateInformationMiddleware>;

/// What is counted.
pub struct Limits {
    counting: RwLock<Counting>,
    counted: AtomicU32,
    under_way: Semaphore,
    /// Live streams.
    pub streams: Streams,
}

/// By which rate is counted.
#[derive(Clone)]
struct Counting {
    per_second: u32,
    limiter: Option<Arc<Limiter>>,
}

impl Counting {
    fn by(per_second: u32) -> Counting {
        let quota = NonZeroU32::new(per_second).zip(NonZeroU32::new(per_second.saturating_mul(BURST_SECONDS)));
        let limiter = quota.map(|(rate, burst)| {
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
                .with_middleware::<StateInformationMiddleware>()
        });
        Counting { per_second, limiter: limiter.map(Arc::new) }
    }
}

/// What is left to somebody.
pub struct Rate {
    per_second: u32,
    left: u32,
    wait_seconds: u64,
}

impl Limits {
    /// So many requests at once of all, and so many live streams.
    pub fn new(at_once: usize, streams: usize) -> Limits {
        let counting = RwLock::new(Counting::by(0));
        Limits {
            counting,
            counted: AtomicU32::new(0),
            under_way: Semaphore::new(at_once),
            streams: Streams::new(streams),
        }
    }

    /// What counts by that rate; where it is another one than before, from the start.
    fn counting(&self, per_second: u32) -> Counting {
        let counting = self.counting.read().unwrap_or_else(PoisonError::into_inner).clone();
        if counting.per_second == per_second {
            return counting;
        }
        let mut counting = self.counting.write().unwrap_or_else(PoisonError::into_inner);
        if counting.per_second != per_second {
            *counting = Counting::by(per_second);
        }
        counting.clone()
    }

    /// Room for one more request, given back when its answer begins; none when it must be turned away.
    pub fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.under_way.try_acquire().ok()
    }

    /// Counts a request, of so many a second for each; none is counted with 0.
    ///
    /// # Errors
    /// What is left, and the seconds to wait, when it was one too many.
    pub fn count(
        &self,
        per_second: u32,
        reader: Option<&Reader>,
        asker: &Asker,
    ) -> Result<Option<Rate>, (Option<Rate>, u64)> {
        let Some(limiter) = self.counting(per_second).limiter else { return Ok(None) };
        if self.counted.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY == CLEAN_EVERY - 1 {
            limiter.retain_recent();
        }
        let who = reader.and_then(Who::of).unwrap_or_else(|| Who::Address(asker.network()));
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
