//! How every part reaches what it stands on: its settings from the environment, Kafka, Postgres, logs.
//!
//! - [`mod@env`]: reads settings, and reports all problems at once.
//! - [`failpoints`]: where a test can end the process.
//! - [`kafka`]: client configuration and topics.
//! - [`postgres`]: connections, with TLS by `sslmode`, and which errors pass.
//! - [`retry`]: waiting longer after each failure.
//! - [`logs`]: structured logs.
//! - [`metrics`]: metrics, as Prometheus reads them.
//! - [`tasks`]: what the parts do again and again, as `app.tasks` tells it.
//! - [`trace`]: which trace a request or a file belongs to, and spans to a collector.
//! - [`sealing`]: texts encrypted at rest.
//! - [`jwt`]: signed tokens.

pub mod env;
pub mod failpoints;
pub mod jwt;
pub mod kafka;
pub mod logs;
pub mod metrics;
pub mod postgres;
pub mod retry;
pub mod sealing;
pub mod tasks;
pub mod trace;
