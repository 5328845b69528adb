"""Pathway: its own Kafka input and its own Postgres output. (The file is not named after the package, which it would hide.)

Settings: raw records; one user-defined function a batch decodes them with orjson (the key of a record is not JSON, so
Pathway's own JSON input cannot read the version); a commit every 20 ms; the newest version of a row wins as a maximum of tuples, a
reducer that runs outside Python; money is integer cents; snapshots are written. Workers: PATHWAY_THREADS. The local day is UTC.
"""

import os
import urllib.parse

import pathway as pw

import topic

COMMIT_MS = int(os.environ.get("COMMIT_MS", "20"))
ROW = tuple[str, int, int, str, str, str, int, int, bool]


@pw.udf(max_batch_size=10_000, deterministic=True)
def decode(keys: list[bytes], values: list[bytes]) -> list[ROW]:
    nothing = ("", 0, 0, "", "", "", 0, 0, False)
    return [topic.decode(key, value) or nothing for key, value in zip(keys, values)]


def settings():
    address = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
    query = dict(urllib.parse.parse_qsl(address.query))
    parts = {
        "host": address.hostname or query.get("host"),
        "port": address.port or query.get("port"),
        "user": address.username or query.get("user"),
        "password": address.password or query.get("password"),
        "dbname": address.path.lstrip("/"),
    }
    return {name: urllib.parse.unquote(str(value)) for name, value in parts.items() if value}


def main():
    raw = pw.io.kafka.read(
        {
            "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
            "group.id": "fandom-bench-peer",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": "10",
        },
        topic="fandom.rows", format="raw", autocommit_duration_ms=COMMIT_MS)
    row = decode(pw.this.key, pw.this.data)
    rows = raw.select(row=row).select(
        file=pw.this.row[0], ordinal=pw.this.row[1],
        newest=pw.make_tuple(*(pw.this.row[place] for place in range(2, 9)))).filter(pw.this.file != "")
    rows = rows.groupby(pw.this.file, pw.this.ordinal).reduce(newest=pw.reducers.max(pw.this.newest))
    rows = rows.select(
        creator=pw.this.newest[1], fan=pw.this.newest[2], chatter=pw.this.newest[3], sent_at=pw.this.newest[4],
        day=pw.this.newest[4] // 86_400,
        ppv=pw.cast(int, pw.this.newest[5] > 0), unlocked=pw.cast(int, pw.this.newest[6]),
        cents=pw.if_else(pw.this.newest[6], pw.this.newest[5], 0))
    days = rows.groupby(pw.this.creator, pw.this.chatter, pw.this.day).reduce(
        pw.this.creator, pw.this.chatter, pw.this.day, messages_sent=pw.reducers.count(),
        ppvs_sent=pw.reducers.sum(pw.this.ppv), ppvs_unlocked=pw.reducers.sum(pw.this.unlocked),
        ppv_sales_cents=pw.reducers.sum(pw.this.cents))
    fans = rows.groupby(pw.this.creator, pw.this.fan).reduce(
        pw.this.creator, username=pw.this.fan, messages_received=pw.reducers.count(),
        spend_cents=pw.reducers.sum(pw.this.cents), first_seen=pw.reducers.min(pw.this.sent_at),
        last_seen=pw.reducers.max(pw.this.sent_at))
    for table, name, key in [(days, "chatter_day", ["creator", "chatter", "day"]),
                             (fans, "fan_measures", ["creator", "username"])]:
        pw.io.postgres.write(table, settings(), name, schema_name="peer", output_table_type="snapshot",
                             primary_key=[table[column] for column in key])
    print("ready", flush=True)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


main()
