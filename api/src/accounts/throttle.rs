//! Sign-ins are slowed: after some failures an account, or an address, waits, twice as long each time. What is counted is the
//! hash of the name that was tried, whether or not such an account exists, so the wait tells nothing.
//!
//! 1. One statement looks whether there is a wait and counts the attempt, for account and address together: of many at once
//!    none slips through.
//! 2. An attempt that is given back takes only the wait with it that it brought itself.

use std::time::SystemTime;

use deadpool_postgres::{Object, Transaction};

use super::tokens::digest;
use crate::database::refused;
use crate::problem::{Kind, Problem};

/// Failures before an account waits, and before an address does.
const FREE: [i32; 2] = [5, 20];
/// The longest wait, in seconds.
const LONGEST: i32 = 900;

/// Who is slowed: the account and the address.
pub fn who(email: &str, address: &str) -> [Vec<u8>; 2] {
    [digest(&format!("account:{}", email.trim().to_lowercase())), digest(&format!("address:{address}"))]
}

/// An attempt that was counted: whose it is, and the wait that it brought to each.
pub struct Attempt([(Vec<u8>, SystemTime); 2]);

/// Counts an attempt before it is made, so that many at once do not slip through together. One that must wait is not counted.
///
/// # Errors
/// 429 while it must wait; when Postgres does not answer.
pub async fn attempt(connection: &mut Object, [account, address]: [Vec<u8>; 2]) -> Result<Attempt, Problem> {
    let change = connection.transaction().await.map_err(|error| refused(&error))?;
    let count = |free| {
        format!(
            "insert into app.sign_in_failures as f (who, failures, until, last_at)
             values ($1, 1, clock_timestamp(), clock_timestamp())
             on conflict (who) do update set last_at = clock_timestamp(),
                failures = case when f.last_at < now() - interval '1 hour' then 1 else f.failures + 1 end,
                until = clock_timestamp() + case
                    when f.last_at < now() - interval '1 hour' or f.failures + 1 < {free} then interval '0'
                    else least({LONGEST}, 2 ^ least(f.failures + 1 - {free}, 12)) * interval '1 second' end
             where f.until <= clock_timestamp() returning f.until"
        )
    };
    let mut untils = Vec::with_capacity(FREE.len());
    for (who, free) in [&account, &address].into_iter().zip(FREE) {
        let counted = change.query_opt(&count(free), &[who]).await.map_err(|error| refused(&error))?;
        untils.extend(counted.map(|row| row.get::<_, SystemTime>(0)));
    }
    if let [of_account, of_address] = untils[..] {
        change.commit().await.map_err(|error| refused(&error))?;
        return Ok(Attempt([(account, of_account), (address, of_address)]));
    }
    change.rollback().await.map_err(|error| refused(&error))?;
    let waiting = "select coalesce(ceil(extract(epoch from max(until) - clock_timestamp())), 0)::bigint
                   from app.sign_in_failures where who = any($1)";
    let row = connection.query_one(waiting, &[&[&account, &address].as_slice()]).await;
    let seconds: i64 = row.map_err(|error| refused(&error))?.get(0);
    Err(Problem::new(Kind::TooManyRequests, "too many sign-ins failed; wait, then try again")
        .retry_after(seconds.max(1).unsigned_abs()))
}

/// Forgets the failures of an account that signed in, and this attempt of its address.
///
/// # Errors
/// When Postgres does not answer.
pub async fn succeeded(connection: &Transaction<'_>, attempt: &Attempt) -> Result<(), Problem> {
    let [(account, _), address] = &attempt.0;
    connection
        .execute("delete from app.sign_in_failures where who = $1", &[account])
        .await
        .map_err(|error| refused(&error))?;
    one_less(connection, address).await
}

/// Takes an attempt back that neither failed nor succeeded; earlier failures stay.
///
/// # Errors
/// When Postgres does not answer.
pub async fn taken_back(connection: &Transaction<'_>, attempt: &Attempt) -> Result<(), Problem> {
    for one in &attempt.0 {
        one_less(connection, one).await?;
    }
    Ok(())
}

async fn one_less(connection: &Transaction<'_>, (who, until): &(Vec<u8>, SystemTime)) -> Result<(), Problem> {
    let one_less = "update app.sign_in_failures set failures = failures - 1,
                        until = case when until = $2 then least(until, clock_timestamp()) else until end
                    where who = $1 and failures > 0";
    connection.execute(one_less, &[who, until]).await.map(drop).map_err(|error| refused(&error))
}
