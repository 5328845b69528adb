//! Live streams: so many at once, and of them no more than a part for one account or key, and for one address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::Asker;
use super::limits::Who;
use crate::problem::{Kind, Problem};
use crate::reader::Reader;

/// However few there may be of all, so many are for anybody.
const LEAST: usize = 8;

/// The places.
pub struct Streams {
    all: Arc<Semaphore>,
    taken: Arc<Mutex<HashMap<Who, usize>>>,
    /// For one account or key.
    own: usize,
    /// For one address.
    address: usize,
}

/// A place, given back when it is dropped.
pub struct Seat {
    _of_all: OwnedSemaphorePermit,
    taken: Arc<Mutex<HashMap<Who, usize>>>,
    whose: Vec<Who>,
}

impl Streams {
    /// So many at once: an eighth of them for one account or key, a half for one address.
    pub fn new(all: usize) -> Streams {
        let taken = Arc::default();
        Streams { all: Arc::new(Semaphore::new(all)), taken, own: (all / 8).max(LEAST), address: (all / 2).max(LEAST) }
    }

    /// A place for whoever asks now. Who runs the system is bound by the number of all alone.
    ///
    /// # Errors
    /// 503 when all are taken, 429 when theirs are.
    pub fn seat(&self, asker: &Asker) -> Result<Seat, Problem> {
        let of_all = self.all.clone().try_acquire_owned().map_err(|_| {
            let detail = "as many live streams are open as may be; close one, or raise FANDOM_API_LIVE_STREAMS";
            Problem::new(Kind::Unavailable, detail)
        })?;
        let reader = Reader::current();
        let bounds: Vec<(Who, usize)> = match reader.as_deref() {
            Some(reader) if reader.is_operator() => Vec::new(),
            reader => {
                let own = reader.and_then(Who::of).map(|who| (who, self.own));
                own.into_iter().chain([(Who::Address(asker.network()), self.address)]).collect()
            }
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if bounds.iter().any(|(who, most)| taken.get(who).is_some_and(|open| open >= most)) {
            let detail = "as many live streams are open as one account, key or address may have; close one";
            return Err(Problem::new(Kind::TooManyRequests, detail).retry_after(2));
        }
        let whose: Vec<Who> = bounds.into_iter().map(|(who, _)| who).collect();
        for who in &whose {
            *taken.entry(who.clone()).or_default() += 1;
        }
        Ok(Seat { _of_all: of_all, taken: self.taken.clone(), whose })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for who in &self.whose {
            if let Some(open) = taken.get_mut(who) {
                *open -= 1;
                if *open == 0 {
                    taken.remove(who);
                }
            }
        }
    }
}
