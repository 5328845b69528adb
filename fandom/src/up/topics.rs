//! Waits until topics can be used.

use std::time::{Duration, Instant};

use fandom_schemas::topics::TOPICS;
use fandom_services::kafka::KafkaSettings;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

/// What cannot be used by then is left to the parts, which wait for it themselves.
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until every partition of every topic has a leader that answers. A broker answers, and confirms that it has made a
/// topic, a little earlier, and the parts would begin with warnings.
pub async fn wait(kafka: &KafkaSettings) {
    let kafka = kafka.clone();
    let asking = move || {
        let Ok(admin) = kafka.client().create::<AdminClient<DefaultClientContext>>() else { return };
        let begun = Instant::now();
        for topic in TOPICS {
            for partition in 0..i32::try_from(kafka.partitions).unwrap_or(i32::MAX) {
                while admin.inner().fetch_watermarks(topic.name, partition, Duration::from_secs(5)).is_err() {
                    if begun.elapsed() > PATIENCE {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
        }
    };
    let _ = tokio::task::spawn_blocking(asking).await;
}
