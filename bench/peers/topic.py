"""The topic of rows, as the peers that are written in Python read it: every partition from its beginning, in batches."""

import os

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

TOPIC = "fandom.rows"


def consumer():
    made = Consumer({
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": "fandom-bench-peer",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 10,
        "queued.max.messages.kbytes": 65536,
    })
    partitions = made.list_topics(TOPIC, timeout=10).topics[TOPIC].partitions
    made.assign([TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in partitions])
    return made


def decode(key, value):
    """(file, ordinal, version, creator, fan, chatter, sent_at, price_cents, purchased) of a row; None of anything else."""
    row = orjson.loads(value)
    if row.get("kind") != "message":
        return None
    file, version, ordinal = key.decode().rsplit("/", 2)
    creator = f"{row['creator']} ({row['platform']})"
    return (file, int(ordinal), int(version), creator, row["fan"], row["chatter"], row["sent_at"], row["price_cents"],
            row["purchased"])


def batches(most, wait_seconds):
    """Rows as they come, at most so many at once; an empty list when none came for so long."""
    source = consumer()
    while True:
        rows = []
        for message in source.consume(most, wait_seconds):
            if message.error():
                raise RuntimeError(message.error())
            if message.value() is not None and (row := decode(message.key(), message.value())):
                rows.append(row)
        yield rows


def copy_text(rows):
    """Rows as COPY reads them. None of the texts of the load holds a tab or a backslash."""
    return "\n".join("\t".join(map(str, row)) for row in rows) + "\n"
