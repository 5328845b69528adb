//! The suite as a whole, over real Kafka and Postgres: one program, so that it is linked once.

mod answers;
mod archive;
mod bad_input;
mod cluster;
mod crashes;
mod deployment;
mod drive;
mod foreign_records;
mod golden;
mod isolation;
mod monitoring;
mod publishing;
mod restore;
mod soak;
mod stall;
mod upgrade;
mod uploads;
mod walk;
