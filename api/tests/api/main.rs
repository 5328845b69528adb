//! The API over a real PostgreSQL: every resource against the same question in SQL, and what happens when things go wrong.

mod cluster;
mod conditional;
mod figures;
mod fixture;
mod forms;
mod health;
mod ingest;
mod lists;
mod live;
mod openapi;
mod outage;
mod overview;
mod page;
mod paging;
mod performance;
mod plans;
mod problems;
mod reconciliation;
mod service;
