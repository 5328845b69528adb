//! Names and settings of the topics.

/// Rows and manifests: the source of truth.
pub const ROWS: &str = "fandom.rows";
/// Texts of messages, under the keys and on the partitions of their rows.
pub const TEXTS: &str = "fandom.texts";
/// The dead-letter topic.
pub const REJECTS: &str = "fandom.rejects";

/// What the names of the views' changelogs begin with.
pub const VIEWS: &str = "fandom.views.";

/// The changelog of a view: compacted, its keys and values as JSON.
pub fn of_view(view: &str) -> String {
    format!("{VIEWS}{view}")
}

/// Partitions of a new topic, unless set otherwise.
pub const DEFAULT_PARTITIONS: u32 = 12;
/// Partitions of a new changelog of a view.
pub const VIEW_PARTITIONS: u32 = 3;

/// A topic that the suite needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// Its settings, as Kafka names them.
    pub config: &'static [(&'static str, &'static str)],
}

/// Settings of a topic that keeps the last record of each key for ever.
pub const COMPACTED: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    ("compression.type", "producer"),
    // Who reads a topic from its start finds every record that stood there when it began, if it is done within six hours.
    ("min.compaction.lag.ms", "21600000"),
];
const DEAD_LETTERS: &[(&str, &str)] = &[("cleanup.policy", "delete"), ("retention.ms", "2592000000")];

/// Every topic of the suite.
pub const TOPICS: [Topic; 3] = [
    Topic { name: ROWS, config: COMPACTED },
    Topic { name: TEXTS, config: COMPACTED },
    Topic { name: REJECTS, config: DEAD_LETTERS },
];

/// Names of the record headers.
pub mod header {
    /// The kind of a record: a row's kind, or `manifest`.
    pub const KIND: &str = "kind";
    /// The version of the schema of the value.
    pub const SCHEMA: &str = "schema";
    /// The media type of the value.
    pub const CONTENT_TYPE: &str = "content-type";
    /// The trace that a manifest belongs to, as the W3C has it.
    pub const TRACE: &str = "traceparent";
    /// The epoch of the commit in which a view changed.
    pub const EPOCH: &str = "epoch";
    /// The media type of every value.
    pub const JSON: &str = "application/json";
}
