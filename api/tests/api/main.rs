//! The API over a real PostgreSQL: every resource against the same question in SQL, and what happens when things go wrong.

mod cluster;
mod conditional;
mod fixture;
mod health;
mod ingest;
mod lists;
mod live;
mod ops;
mod outage;
mod overview;
mod page;
mod paging;
mod performance;
mod problems;
mod reconciliation;
mod service;
