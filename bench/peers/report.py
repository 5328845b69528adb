"""Prints the table of what `bench/peers/run` measured, and writes bench/RESULTS.md and docs/bench.svg from it."""

import datetime
import json
import math
import pathlib
import platform
import subprocess
import sys
from importlib import metadata

NAMES = {
    "ours": "Fandom Intelligence Suite",
    "postgres": "PostgreSQL with triggers",
    "pathway": "Pathway",
    "replaced": "pandas on a schedule",
}


def load(directory):
    lines = []
    for path in sorted(pathlib.Path(directory).glob("*.json")):
        lines += [json.loads(line) | {"of": path.stem.split("-")[0]} for line in path.read_text().splitlines()]
    return lines


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def label(result):
    name = NAMES[result["name"]]
    if result["name"] in ("ours", "pathway"):
        name += f", {result['workers']} worker" + ("s" if result["workers"] > 1 else "")
    return name


def equal(result):
    if result["compared"] == 0:
        return "is compared with"
    if result["different"] == 0:
        return f"yes, {result['compared']:,} rows"
    return f"no: {result['different']:,} rows"


def table(peers):
    lines = [
        "| | rows/s | bytes a row, settled | at most | in its own tables | corrected file, ms | p50 ms | p99 ms | equal to ours |",
        "|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for result in peers:
        values = [result["rows_per_second"], result["bytes_per_row"], result["most_bytes_per_row"],
                  result["stored_bytes_per_row"], result["corrected_ms"], result["p50_ms"], result["p99_ms"]]
        lines.append("| " + " | ".join([label(result), *map(number, values), equal(result)]) + " |")
    return "\n".join(lines)


def intervals_table(intervals):
    lines = ["| commit every | rows/s | corrected file, ms | p50 ms | p99 ms | equal to ours |", "|--:|--:|--:|--:|--:|---|"]
    for result in intervals:
        values = [result["rows_per_second"], result["corrected_ms"], result["p50_ms"], result["p99_ms"]]
        lines.append("| " + " | ".join([f"{result['name']} ms", *map(number, values), equal(result)]) + " |")
    return "\n".join(lines)


def correction_table(corrections):
    lines = ["| | rows before | corrected file, ms | equal to ours |", "|---|--:|--:|---|"]
    for result in corrections:
        values = [result["rows"], result["corrected_ms"]]
        lines.append("| " + " | ".join([label(result), *map(number, values), equal(result)]) + " |")
    return "\n".join(lines)


def limits_table(limits):
    lines = ["| Limit | rows | rows/s |", "|---|--:|--:|"]
    for result in limits:
        what = (f"librdkafka and decoding, {result['consumers']} consumer" + ("s" if result["consumers"] > 1 else "")
                if result["what"] == "decode" else "binary COPY of the rows of all our views, no indexes")
        lines.append(f"| {what} | {result['rows']:,} | {result['rows_per_second']:,.0f} |")
    return "\n".join(lines)


def engines_table(engines):
    lines = [
        "| Engine | workers | history, rows/s | bytes a row | files, rows/s | corrected file, ms | one row, µs | equal |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    for result in engines:
        values = [result["history_rows_per_second"], result["bytes_per_row"], result["files_rows_per_second"],
                  result["corrected_ms"], result["row_us"]]
        lines.append(f"| {result['name']} | {result['workers']} | " + " | ".join(map(number, values))
                     + f" | {'yes' if result['equal'] else 'no'} |")
    return "\n".join(lines)


def hardware():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    count = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    return f"{count} × {cpu}, {memory:.0f} GiB, Linux {platform.release()}"


def versions():
    packages = ["pathway", "pandas", "SQLAlchemy", "psycopg2-binary", "confluent-kafka", "orjson"]
    found = [f"{package} {metadata.version(package)}" for package in packages]
    postgres = subprocess.run(["psql", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return f"Python {platform.python_version()}, " + ", ".join(found) + f"; {postgres}"


def plot(peers):
    panels = [
        ("rows/s, history to views", "rows_per_second", "more is better"),
        ("bytes a row, resident", "bytes_per_row", "less is better"),
        ("a corrected file readable, ms", "corrected_ms", "less is better"),
        ("freshness p99, ms", "p99_ms", "less is better"),
    ]
    left, width, bar, gap = 230, 560, 16, 6
    high = 34 + len(peers) * (bar + gap) + 14
    parts = []
    for place, (title, field, better) in enumerate(panels):
        top = 10 + place * high
        parts.append(f'<text x="10" y="{top + 18}" class="t">{title} <tspan class="s">({better}; logarithmic)</tspan></text>')
        values = [result[field] for result in peers if result[field]]
        if not values:
            continue
        low = math.floor(math.log10(max(min(values), 1)))
        span = max(math.log10(max(values)) - low, 0.1)
        for row, result in enumerate(peers):
            y = top + 30 + row * (bar + gap)
            parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{label(result)}</text>')
            value = result[field]
            if value is None:
                parts.append(f'<text x="{left}" y="{y + 12}" class="s">not measured</text>')
                continue
            long = max(2, (math.log10(max(value, 1)) - low) / span * (width - 90))
            colour = "#2563eb" if result["name"] == "ours" else "#9ca3af"
            parts.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="{bar}" rx="2" fill="{colour}"/>')
            parts.append(f'<text x="{left + long + 6:.1f}" y="{y + 12}">{number(value)}</text>')
    height = 10 + len(panels) * high
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width} {height}" '
            f'font-family="sans-serif" font-size="12">'
            '<style>text{fill:#374151}.t{font-size:14px;font-weight:bold}.s{fill:#6b7280;font-weight:normal;font-size:12px}</style>'
            f'<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n')


RESULTS = """# Results of `make bench-peers`

{date}, revision {revision}. {hardware}.
{versions}; Apache Kafka 4.4. Broker, database and the design under test share the machine.

{rows:,} message rows of the format of `schemas/`, on the log before the design starts. The common views: `chatter_day` (creator, chatter,
local day: messages, PPVs sent and unlocked, their price in cents) and `fan_measures` (creator, fan: messages, spend in cents, first and last seen), over
rows of which the newest version of a file counts. **Ours keeps all of its views meanwhile, and atomically, each
peer only these two.** A peer also takes every version of a row as live that is newest by its key; it does not wait for manifests.

{peers}

- *rows/s*: until the sums of both views are right. Ours counts from the start of its process, a peer from when it is ready to read.
- *bytes a row*: resident memory of the design's process, less what it holds without rows. PostgreSQL's and pandas' rows are
  in the database, in the column beside it.
- *corrected file*: a new version of a file of {corrected:,} rows, until both views have it.
- *p50, p99*: {rate:,} rows/s in 50 files/s, from the moment a file was to be sent until `chatter_day` counts it. For each design the n-th file is
  seen when the view counts the rows of n files, which is not the measure of `fandom-bench freshness` (that looks for each file).
- *equal*: rows of both views against ours, on the same log, after the correction and the open loop.
- One run each. Most of what a correction costs pandas is waiting for its schedule of 10 s.

## A corrected file in a longer history

{corrections}

## Pathway's commit interval

With one worker, for what a row's way costs at other intervals than the 20 ms of the table above:

{intervals}

## Limits

{limits}

## Engine against engine

In one process, without log and database: {engine_rows:,} rows and the same two views with dedup and corrections, each engine over the same changes (`fandom-bench
engine`), with the operators of this suite's dataflow and with Feldera's dbsp in memory.

{engines}

- *history*: until both views of it are consolidated and taken in. *files*: 100 files of 5,000 rows, an epoch each. *corrected file*, *one row*: medians of 20 and
  1,000 corrections, each a retraction and a new row, an epoch each. *equal*: every row of both views at the end.

## Settings

The settings of each peer stand at the head of its file in `bench/peers/`. PostgreSQL is the one that `make run` starts: `shared_buffers = 256MB`,
`fsync` and `synchronous_commit` on, for every design.
{skipped}"""

SKIPPED = """
## Not measured

- **Flink**: the connector of Kafka on Maven Central goes up to 5.0.0-2.2; there is none for Flink 2.3 (`5.0.0-2.3` answers 404). An older Flink was not measured.
"""


def main():
    results = load(sys.argv[1])
    corrections = [result for result in results if result["of"] == "correction"]
    intervals = sorted((result for result in results if result["of"] == "interval"), key=lambda result: int(result["name"]))
    results = [result for result in results if result["of"] not in ("correction", "interval")]
    order = list(NAMES)
    peers = sorted((result for result in results if result["measure"] == "peer"),
                   key=lambda result: (order.index(result["name"]), result["workers"]))
    limits = [result for result in results if result["measure"] == "limits"]
    engines = [result for result in results if result["measure"] == "engine"]
    if not peers:
        sys.exit("no design was measured")
    extra = {"corrections": correction_table(corrections), "intervals": intervals_table(intervals)}
    print("\n\n".join([table(peers), limits_table(limits), engines_table(engines), *extra.values()]))
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    pathlib.Path("bench/RESULTS.md").write_text(RESULTS.format(
        date=datetime.date.today().isoformat(), revision=revision.stdout.strip(), hardware=hardware(),
        versions=versions(), rows=peers[0]["rows"], corrected=peers[0]["corrected_rows"],
        rate=peers[0]["rows_per_second_live"], peers=table(peers), limits=limits_table(limits), engines=engines_table(engines), **extra,
        engine_rows=max((result["rows"] for result in engines), default=0), skipped=SKIPPED))
    pathlib.Path("docs/bench.svg").write_text(plot(peers))


main()
