//! The API over a real PostgreSQL: every resource against the same question in SQL, and what happens when things go wrong.

mod accounts;
mod cluster;
mod conditional;
mod fixture;
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
mod permissions;
mod problems;
mod protection;
mod reconciliation;
mod service;
