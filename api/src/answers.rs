//! Answers that are made once an epoch and shared by all who ask the same.
//!
//! An answer is known by its entity tag, which names the epoch and what is asked; so nothing is ever shared that a tag would
//! tell apart. While one is being made, others who ask for it wait and get the same. Those of an epoch go when another epoch
//! comes, and all go when they are [`MOST_BYTES`]: then they are made anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedMutexGuard;

use crate::meters;
use crate::problem::Problem;
use crate::tags::{tag, tagged, unchanged};

/// Bytes of all answers that are kept, and of one.
const MOST_BYTES: usize = 64 << 20;
const LARGEST: usize = 4 << 20;
/// How many are kept.
const MOST: usize = 4096;

/// The answers of the present epoch.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    epoch: i64,
    bytes: usize,
    by_tag: HashMap<HeaderValue, Arc<Slot>>,
}

#[derive(Default)]
struct Slot {
    made: OnceLock<Made>,
    making: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone)]
struct Made {
    tag: HeaderValue,
    body: Bytes,
}

/// What becomes of a request.
pub enum Turn {
    /// It is answered.
    Answered(Response),
    /// Whoever has this makes the answer.
    Make(Making),
}

/// The task to make an answer. Dropped without one, the next who waits has it.
pub struct Making {
    answers: Answers,
    slot: Arc<Slot>,
    asked: u64,
    _alone: OwnedMutexGuard<()>,
}

impl Answers {
    /// Answers what `asked` stands for, if that is known at this epoch.
    pub async fn turn(&self, headers: &HeaderMap, epoch: i64, asked: u64) -> Turn {
        let tag = tag(&format!("{epoch}-{asked:016x}"));
        if let Some(unchanged) = unchanged(headers, &tag) {
            meters::answered("unchanged");
            return Turn::Answered(unchanged);
        }
        let slot = self.slot(epoch, tag);
        if let Some(made) = slot.made.get() {
            meters::answered("shared");
            return Turn::Answered(made.answer());
        }
        let alone = slot.making.clone().lock_owned().await;
        match slot.made.get() {
            Some(made) => {
                meters::answered("shared");
                Turn::Answered(made.answer())
            }
            None => Turn::Make(Making { answers: self.clone(), slot, asked, _alone: alone }),
        }
    }

    fn slot(&self, epoch: i64, tag: HeaderValue) -> Arc<Slot> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.epoch != epoch || kept.bytes > MOST_BYTES || kept.by_tag.len() > MOST {
            *kept = Kept { epoch, ..Kept::default() };
        }
        kept.by_tag.entry(tag).or_default().clone()
    }
}

impl Making {
    /// The answer, which was read at this epoch: that of the turn, or a later one.
    ///
    /// # Errors
    /// When it cannot be written as JSON: a defect.
    pub fn answer(self, epoch: i64, body: &impl serde::Serialize) -> Result<Response, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| {
            tracing::error!(%error, "an answer could not be written as JSON");
            Problem::internal()
        })?;
        let made = Made { tag: tag(&format!("{epoch}-{:016x}", self.asked)), body: body.into() };
        meters::answered("made");
        let answer = made.answer();
        let size = made.body.len();
        if size <= LARGEST && self.slot.made.set(made).is_ok() {
            self.answers.0.lock().unwrap_or_else(PoisonError::into_inner).bytes += size;
        }
        Ok(answer)
    }
}

impl Made {
    fn answer(&self) -> Response {
        let kind = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::VARY, HeaderValue::from_static("accept")),
        ];
        tagged(self.tag.clone(), (kind, self.body.clone())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn body(response: Response) -> Bytes {
        to_bytes(response.into_body(), 1 << 20).await.expect("a body")
    }

    async fn make(answers: &Answers, epoch: i64, asked: u64) -> Option<Making> {
        match answers.turn(&HeaderMap::new(), epoch, asked).await {
            Turn::Answered(_) => None,
            Turn::Make(making) => Some(making),
        }
    }

    #[tokio::test]
    async fn an_answer_is_made_once_an_epoch() {
        let answers = Answers::default();
        let making = make(&answers, 1, 7).await.expect("nothing is known yet");
        let others: Vec<_> = (0..20)
            .map(|_| {
                let answers = answers.clone();
                tokio::spawn(async move { answers.turn(&HeaderMap::new(), 1, 7).await })
            })
            .collect();
        tokio::task::yield_now().await;
        making.answer(1, &"seven").expect("JSON");
        for other in others {
            let Turn::Answered(response) = other.await.expect("no panic") else { panic!("it was made twice") };
            assert_eq!(body(response).await, "\"seven\"");
        }
        assert!(make(&answers, 1, 8).await.is_some(), "another question");
        assert!(make(&answers, 2, 7).await.is_some(), "another epoch");
    }

    #[tokio::test]
    async fn who_fails_leaves_it_to_the_next() {
        let answers = Answers::default();
        let first = make(&answers, 1, 7).await.expect("nothing is known yet");
        let waiting = tokio::spawn({
            let answers = answers.clone();
            async move { make(&answers, 1, 7).await.is_some() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.expect("no panic"));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let answers = Answers::default();
        let large = "x".repeat(LARGEST - 2);
        for asked in 0..40 {
            make(&answers, 1, asked).await.expect("another one").answer(1, &large).expect("JSON");
            let kept = answers.0.lock().expect("no panic");
            let bytes: usize =
                kept.by_tag.values().filter_map(|slot| slot.made.get()).map(|made| made.body.len()).sum();
            assert!(bytes <= MOST_BYTES + LARGEST);
        }
    }
}
