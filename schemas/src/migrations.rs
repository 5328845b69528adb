//! The schemas of the Postgres database, `views` and `app`, applied in order.

use tokio_postgres::Client;

use crate::rights;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Brings the database to the newest schema, and gives the parts' accounts their rights; safe to call again, and from several
/// processes at once.
///
/// # Errors
/// When a migration fails, or the database has one that this program does not know.
pub async fn run(client: &mut Client) -> Result<Vec<String>, MigrationError> {
    client.batch_execute(&format!("select pg_advisory_lock({LOCK})")).await?;
    let report = embedded::migrations::runner().set_migration_table_name("fandom_migrations").run_async(client).await;
    let granted = if report.is_ok() { rights::grant(client).await } else { Ok(()) };
    client.batch_execute(&format!("select pg_advisory_unlock({LOCK})")).await?;
    let report = report?;
    granted?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// Brings an empty database to an earlier schema, for tests of what an update makes of it.
///
/// # Errors
/// When a migration fails.
pub async fn run_up_to(client: &mut Client, version: i32) -> Result<(), MigrationError> {
    let mut runner = embedded::migrations::runner().set_target(refinery::Target::Version(version));
    runner.set_migration_table_name("fandom_migrations").run_async(client).await?;
    Ok(())
}

/// The advisory lock that keeps two migrations apart.
const LOCK: i64 = 0x0066_616e_646f_6d00;

/// Why the database could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database did not answer as it should.
    #[error("the database refused the lock for migrations, or the accounts their rights")]
    Database(#[from] tokio_postgres::Error),
    /// A migration failed or is unknown.
    #[error("a migration failed")]
    Migration(#[from] refinery::Error),
}
