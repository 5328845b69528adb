//! The API over a real PostgreSQL: every resource against the same question in SQL, and what happens when things go wrong.

mod accounts;
mod cluster;
mod conditional;
mod figures;
mod fixture;
mod forged;
mod forms;
mod health;
mod ingest;
mod lists;
mod live;
mod mail;
mod openapi;
mod outage;
mod overview;
mod page;
mod paging;
mod people;
mod performance;
mod plans;
mod problems;
mod protection;
mod reconciliation;
mod scopes;
mod service;
mod walk;
