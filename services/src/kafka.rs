//! Kafka: client configuration and the topics of the suite.
//!
//! - [`statistics`]: what clients tell of themselves, as metrics.

pub mod statistics;

use std::time::Duration;

use fandom_schemas::topics::{COMPACTED, DEFAULT_PARTITIONS, TOPICS, VIEW_PARTITIONS, of_view};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::env::Env;

/// How to reach Kafka.
///
/// - `KAFKA_BOOTSTRAP_SERVERS`: brokers, `host:port,host:port`. Required, but for `fandom up`, which starts a broker.
/// - `FANDOM_KAFKA_<PROPERTY>`: any property of librdkafka but those on which exactness rests, its dots written as underscores, such as
///   `FANDOM_KAFKA_SECURITY_PROTOCOL=SASL_SSL`.
/// - `FANDOM_KAFKA_PARTITIONS`: partitions of topics that are made (12).
/// - `FANDOM_KAFKA_REPLICATION`: copies of topics that are made (1).
#[derive(Clone)]
pub struct KafkaSettings {
    /// Brokers, `host:port` separated by commas.
    pub bootstrap_servers: String,
    /// Further properties of librdkafka.
    pub properties: Vec<(String, String)>,
    /// Partitions of topics that are made.
    pub partitions: u32,
    /// Copies of topics that are made.
    pub replication: i32,
}

const PREFIX: &str = "FANDOM_KAFKA_";
const OWN: [&str; 3] = ["FANDOM_KAFKA_PARTITIONS", "FANDOM_KAFKA_REPLICATION", "FANDOM_KAFKA_JARS"];

impl KafkaSettings {
    /// Reads the settings; notes problems in `env`.
    pub fn from_env(env: &mut Env) -> KafkaSettings {
        let bootstrap_servers = env.text("KAFKA_BOOTSTRAP_SERVERS").unwrap_or_else(|| {
            env.problem("KAFKA_BOOTSTRAP_SERVERS", "is not set; give the brokers as host:port,host:port");
            String::new()
        });
        let partitions =
            env.checked("FANDOM_KAFKA_PARTITIONS", DEFAULT_PARTITIONS, "a number from 1 to 10000", |text| {
                text.parse().ok().filter(|count| (1..=10_000).contains(count))
            });
        let replication = env.parsed("FANDOM_KAFKA_REPLICATION", 1, "a number of copies");
        let mut properties = Vec::new();
        for (variable, value) in env.with_prefix(PREFIX) {
            if OWN.contains(&variable.as_str()) {
                continue;
            }
            let property = variable[PREFIX.len()..].to_lowercase().replace('_', ".");
            let mut probe = ClientConfig::new();
            probe.set(&property, &value);
            match probe.create_native_config() {
                Ok(_) => properties.push((property, value)),
                Err(KafkaError::ClientConfig(_, reason, ..)) => {
                    env.problem(&variable, format!("librdkafka says: {reason}"))
                }
                Err(_) => env.problem(&variable, "librdkafka refuses it"),
            }
        }
        KafkaSettings { bootstrap_servers, properties, partitions, replication }
    }

    /// A client configuration with these settings.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap_servers).set("client.id", "fandom");
        for (property, value) in &self.properties {
            config.set(property, value);
        }
        config
    }
}

/// Why the topics could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The broker did not answer as it should.
    #[error("the broker could not be asked for its topics")]
    Kafka(#[from] KafkaError),
    /// A topic is kept in another way than it must be.
    #[error("the topic {topic} has {setting}={found}, but must have {needed}; change it with kafka-configs --alter")]
    Settings {
        /// The topic.
        topic: String,
        /// Its setting.
        setting: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// The broker refused to make a topic.
    #[error("the broker refused to make the topic {0}: {1}")]
    Refused(String, RDKafkaErrorCode),
}

/// Makes the topics that are missing, with the changelogs of these views, and checks those that are there; returns the
/// names of those that were made.
///
/// # Errors
/// When the broker cannot be reached or refuses, or a topic that is there is not kept as it must be.
pub async fn ensure_topics(settings: &KafkaSettings, views: &[&str]) -> Result<Vec<String>, TopicsError> {
    let admin: AdminClient<DefaultClientContext> = settings.client().create()?;
    let changelogs: Vec<String> = views.iter().map(|view| of_view(view)).collect();
    type Config = &'static [(&'static str, &'static str)];
    let needed: Vec<(&str, u32, Config)> = TOPICS
        .iter()
        .map(|topic| (topic.name, settings.partitions, topic.config))
        .chain(changelogs.iter().map(|name| (name.as_str(), VIEW_PARTITIONS, COMPACTED)))
        .collect();
    let topics: Vec<NewTopic<'_>> = needed
        .iter()
        .map(|(name, partitions, config)| {
            let partitions = i32::try_from(*partitions).unwrap_or(i32::MAX);
            let new = NewTopic::new(name, partitions, TopicReplication::Fixed(settings.replication));
            config.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let mut made = Vec::new();
    for result in admin.create_topics(&topics, &options).await? {
        match result {
            Ok(name) => made.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => return Err(TopicsError::Refused(name, code)),
        }
    }
    let old = needed.iter().filter(|(name, ..)| !made.iter().any(|new| new == name));
    let old: Vec<ResourceSpecifier<'_>> = old.map(|(name, ..)| ResourceSpecifier::Topic(name)).collect();
    if old.is_empty() {
        return Ok(made);
    }
    for described in admin.describe_configs(&old, &options).await? {
        let Ok(described) = described else { continue };
        let OwnedResourceSpecifier::Topic(topic) = &described.specifier else { continue };
        let Some((_, _, config)) = needed.iter().find(|(name, ..)| name == topic) else { continue };
        for (setting, needed) in config.iter().filter(|(setting, _)| *setting == "cleanup.policy") {
            let found = described.get(setting).and_then(|entry| entry.value.clone()).unwrap_or_default();
            if found != *needed {
                return Err(TopicsError::Settings { topic: topic.clone(), setting, found, needed });
            }
        }
    }
    Ok(made)
}
