//! The API over a real PostgreSQL: every resource against the same question in SQL, and what happens when things go wrong.

mod accounts;
mod cluster;
mod conditional;
mod fixture;
mod forged;
mod health;
mod ingest;
mod lists;
mod live;
mod mail;
mod outage;
mod overview;
mod page;
mod paging;
mod people;
mod performance;
mod problems;
mod protection;
mod reconciliation;
mod scopes;
mod service;
mod walk;
