//! Sign-ins are slowed: after some failures an account, or an address, waits, twice as long each time. What is counted is the
//! hash of the name that was tried, whether or not such an account exists, so the wait tells nothing.

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

/// Counts an attempt before it is made, so that many at once do not slip through together.
///
/// # Errors
/// 429 while it must wait; when Postgres does not answer.
pub async fn attempt(connection: &Object, who: &[Vec<u8>; 2]) -> Result<(), Problem> {
    let all = who.as_slice();
    let waiting = "select ceil(extract(epoch from max(until) - now()))::bigint from app.sign_in_failures
                   where who = any($1) and until > now()";
    let row = connection.query_one(waiting, &[&all]).await.map_err(|error| refused(&error))?;
    if let Some(seconds) = row.get::<_, Option<i64>>(0) {
        return Err(Problem::new(Kind::TooManyRequests, "too many sign-ins failed; wait, then try again")
            .retry_after(seconds.max(1).unsigned_abs()));
    }
    for (who, free) in who.iter().zip(FREE) {
        let count = "insert into app.sign_in_failures as f (who, failures, until) values ($1, 1, now())
            on conflict (who) do update set last_at = now(),
                failures = case when f.last_at < now() - interval '1 hour' then 1 else f.failures + 1 end,
                until = now() + case when f.last_at < now() - interval '1 hour' or f.failures + 1 < $2 then interval '0'
                    else least($3, 2 ^ least(f.failures + 1 - $2, 12)) * interval '1 second' end";
        let longest = f64::from(LONGEST);
        connection.execute(count, &[who, &free, &longest]).await.map_err(|error| refused(&error))?;
    }
    Ok(())
}

/// Forgets the failures of an account that signed in, and this attempt of its address.
///
/// # Errors
/// When Postgres does not answer.
pub async fn succeeded(connection: &Transaction<'_>, who: &[Vec<u8>; 2]) -> Result<(), Problem> {
    let [account, address] = who;
    connection
        .execute("delete from app.sign_in_failures where who = $1", &[account])
        .await
        .map_err(|error| refused(&error))?;
    one_less(connection, &[address]).await
}

/// Takes an attempt back that neither failed nor succeeded; earlier failures stay.
///
/// # Errors
/// When Postgres does not answer.
pub async fn taken_back(connection: &Transaction<'_>, who: &[Vec<u8>; 2]) -> Result<(), Problem> {
    one_less(connection, &who.each_ref()).await
}

async fn one_less(connection: &Transaction<'_>, who: &[&Vec<u8>]) -> Result<(), Problem> {
    let one_less =
        "update app.sign_in_failures set failures = failures - 1, until = now() where who = any($1) and failures > 0";
    connection.execute(one_less, &[&who]).await.map(drop).map_err(|error| refused(&error))
}
