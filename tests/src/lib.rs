//! What the end-to-end tests stand on: the real servers, the parts as processes of their own, and the truth.
//!
//! - [`suite`]: a broker, a database and the parts of the suite, each of which can be killed and started again.
//! - [`agency`]: the workbooks of an invented agency, and the truth about them.
//! - [`api`]: the API, asked over HTTP.
//! - [`collector`]: a collector of OpenTelemetry that keeps what it is sent.
//! - [`prometheus`]: Prometheus on a running suite.
//! - [`psql`]: PostgreSQL's own programs.
//! - [`topic`]: a topic of the log, as any client reads it.
//! - [`changelogs`]: the topics of the views against the tables.
//! - [`expected`]: the tables in Postgres against that truth, record by record.

pub mod agency;
pub mod api;
pub mod changelogs;
pub mod collector;
pub mod expected;
pub mod prometheus;
pub mod psql;
pub mod suite;
pub mod topic;
