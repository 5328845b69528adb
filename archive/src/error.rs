//! Why the archive cannot go on, or has to wait.

use rdkafka::error::KafkaError;

/// Why the archive cannot go on. What passes by itself is waited for and is no such error.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Postgres refuses for good.
    #[error("Postgres refuses: {0}; check DATABASE_URL, and that `fandom migrate` was run")]
    Postgres(String),
    /// Kafka refuses for good.
    #[error("Kafka refuses: {0}; check KAFKA_BOOTSTRAP_SERVERS and the FANDOM_KAFKA_ settings")]
    Kafka(String),
    /// Texts are sealed with a key that was not given.
    #[error(
        "texts in the archive are sealed with the key {0}, which is not in FANDOM_ARCHIVE_KEY; add that key to the list, \
         behind the newest one"
    )]
    NoKey(String),
    /// A text cannot be read.
    #[error("the text {file_id}/{version}/{ordinal} of app.archive_texts cannot be read: {reason}")]
    Text {
        /// The file's id.
        file_id: i64,
        /// Its version.
        version: i64,
        /// The row's number in the version.
        ordinal: i64,
        /// Why.
        reason: String,
    },
    /// The log does not hold what is to be read next.
    #[error(
        "partition {partition} of {topic} holds offsets {first} to {end}, but {next} is to be read next: the topic was made \
         anew or shortened; to read it from its start: truncate app.archive_progress, app.archive_files, app.archive_waiting, \
         app.archive_others, app.archive_messages, app.archive_texts"
    )]
    Truncated {
        /// The topic.
        topic: &'static str,
        /// The partition.
        partition: i32,
        /// Its first offset.
        first: i64,
        /// Its end.
        end: i64,
        /// The next offset to read.
        next: i64,
    },
}

/// What ended a session, or kept it from beginning.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("Postgres did not answer as it should")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("Postgres did not answer in time")]
    Time,
    #[error("the broker did not answer as it should")]
    Kafka(#[from] KafkaError),
    #[error("the topic {0} is missing; `fandom topics` makes it")]
    NoTopic(&'static str),
    #[error("partitions were added; beginning again with all of them")]
    MorePartitions,
    #[error(transparent)]
    Permanent(#[from] ArchiveError),
}

impl SessionError {
    /// The error to end with, if there is no use in trying again.
    pub(crate) fn permanent(self) -> Result<ArchiveError, SessionError> {
        match self {
            SessionError::Permanent(error) => Ok(error),
            SessionError::Postgres(error) if !fandom_services::postgres::is_transient(&error) => {
                Ok(ArchiveError::Postgres(fandom_services::postgres::cause(&error)))
            }
            SessionError::Kafka(error @ (KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_))) => {
                Ok(ArchiveError::Kafka(error.to_string()))
            }
            error => Err(error),
        }
    }
}
