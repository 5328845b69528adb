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
    "alike": "the same, these two views alone",
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
    if result["name"] in ("ours", "alike", "pathway"):
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


def api_table(answers):
    lines = ["| | If-None-Match | peak, requests/s | open loop, requests/s | p50 ms | p99 ms |", "|---|---|--:|--:|--:|--:|"]
    for result in answers:
        values = [result["peak_per_second"], result["open_per_second"], result["p50_ms"], result["p99_ms"]]
        name = {"ours": "this API", "peer": "FastAPI, SQLAlchemy 2, asyncpg"}[result["server"]]
        lines.append(f"| {name} | {'yes' if result['if_none_match'] else 'no'} | " + " | ".join(map(number, values)) + " |")
    return "\n".join(lines)


def scale_table(results):
    lines = ["| Rows | Workers | First start, rows/s | Restart, rows/s | Bytes a row |", "|--:|---|--:|--:|--:|"]
    for result in results:
        workers = f"{result['processes']} processes of {result['workers']}" if result["processes"] > 1 else result["workers"]
        values = [result["rows"] / result["first_start_seconds"], result["rows"] / result["restart_seconds"], result["bytes_per_row"]]
        lines.append(f"| {result['rows']:,} | {workers} | " + " | ".join(map(number, values)) + " |")
    return "\n".join(lines)


def aims_table(peers, corrections, limits, engines, answers):
    """What is aimed at, what was measured, and whether that reaches it. Left out where a measurement is missing."""
    lines = ["| Aim | Measured | |", "|---|---|---|"]

    def aim(text, measured, value, reached):
        lines.append(f"| {text} | {measured.format(value)} | {'reached' if reached(value) else 'missed'} |")

    def best(results, field, pick, **fixed):
        values = [result[field] for result in results
                  if all(result[key] == value for key, value in fixed.items()) and result[field] is not None]
        return pick(values) if values else None

    alike, pathway = (best(peers, "rows_per_second", max, name=name) for name in ("alike", "pathway"))
    if alike and pathway:
        aim("rows/s of the same views at least 10 × Pathway's", "{:.1f} ×", alike / pathway, lambda value: value >= 10)
    decode = best(limits, "rows_per_second", max, what="decode")
    every = best(peers, "rows_per_second", max, name="ours")
    if decode and every:
        aim("all views at least at half of what librdkafka reads and decodes", "{:.2f} ×", every / decode, lambda value: value >= 0.5)
    alike, pathway = (best(peers, "bytes_per_row", min, name=name) for name in ("alike", "pathway"))
    if alike and pathway:
        aim("bytes a row of the same views at most 1/5 of Pathway's", "1/{:.1f}", pathway / alike, lambda value: value >= 5)
    alike = best(peers, "p99_ms", min, name="alike")
    others = [result["p99_ms"] for result in peers if result["name"] not in ("ours", "alike") and result["p99_ms"]]
    if alike and others:
        aim("p99 of the same views under 50 ms", "{:.0f} ms", alike, lambda value: value < 50)
        aim("and at most 1/5 of the best peer's", "{:.2f} ×", alike / min(others), lambda value: value <= 0.2)
    ours, replaced = (best(corrections, "corrected_ms", min, name=name) for name in ("ours", "replaced"))
    if ours and replaced:
        aim("a corrected file in 2,000,000 rows at most 1/100 of the replaced design's", "1/{:.0f}", replaced / ours,
            lambda value: value >= 100)
    own, dbsp = (max((result["history_rows_per_second"] for result in engines
                      if result["workers"] == 2 and result["name"].startswith(name)), default=None) for name in ("ours", "dbsp"))
    if own and dbsp:
        aim("two workers at least 1.5 × dbsp's rows/s, in process", "{:.1f} ×", own / dbsp, lambda value: value >= 1.5)
    full, given, peer = (best(answers, "peak_per_second", max, server=server, if_none_match=tag)
                         for server, tag in (("ours", False), ("ours", True), ("peer", False)))
    if full and given and peer:
        aim("a page of fans at least 20 × as often a second as with FastAPI", "{:.0f} ×", full / peer, lambda value: value >= 20)
        aim("with If-None-Match at least 40 × as often", "{:.0f} ×", given / peer, lambda value: value >= 40)
        aim("p99 at half of the peak under 10 ms", "{:.1f} ms",
            best(answers, "p99_ms", max, server="ours", if_none_match=False), lambda value: value < 10)
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
            colour = {"ours": "#2563eb", "alike": "#60a5fa"}.get(result["name"], "#9ca3af")
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
peer only these two**; so ours is measured a second time with `FANDOM_VIEWS` naming these two alone, of which `fan_measures` still has
segments and clusters. A peer also takes every version of a row as live that is newest by its key; it does not wait for manifests.

{peers}

- *rows/s*: until the sums of both views are right. Ours counts from the start of its process, a peer from when it is ready to read.
- *bytes a row*: resident memory of the design's process, less what it holds without rows. PostgreSQL's and pandas' rows are
  in the database, in the column beside it.
- *corrected file*: a new version of a file of {corrected:,} rows, until both views have it.
- *p50, p99*: {rate:,} rows/s in 50 files/s, from the moment a file was to be sent until `chatter_day` counts it. For each design the n-th file is
  seen when the view counts the rows of n files, which is not the measure of `fandom-bench freshness` (that looks for each file).
- *equal*: rows of both views against ours, on the same log, after the correction and the open loop.
- One run each. Most of what a correction costs pandas is waiting for its schedule of 10 s.

## Aims

{aims}

{corrections}{intervals}## A page of the API

100 fans of {rows:,} rows' history: the same endpoint, the same database, the same items answered. The peak is of a closed loop over 64 connections; the open loop
runs at half of it and counts from when a request was to be sent. The client shares the two cores.

{answers}

{scale}## Limits

{limits}

{engines}## Settings

The settings of each peer stand at the head of its file in `bench/peers/`. PostgreSQL is the one that `make run` starts: `shared_buffers = 256MB`,
`fsync` and `synchronous_commit` on, for every design.
{skipped}"""

CORRECTIONS = """## A corrected file in a longer history

{table}

"""

INTERVALS = """## Pathway's commit interval

With one worker, for what a row's way costs at other intervals than the 20 ms of the table above:

{table}

"""

SCALE = """## Sizes

{table}

"""

ENGINES = """## Engine against engine

In one process, without log and database: {rows:,} rows and the same two views with dedup and corrections, each engine over the same changes (`fandom-bench
engine`), with the operators of this suite's dataflow and with Feldera's dbsp in memory.

{table}

- *history*: until both views of it are consolidated and taken in. *files*: 100 files of 5,000 rows, an epoch each. *corrected file*, *one row*: medians of 20 and
  1,000 corrections, each a retraction and a new row, an epoch each. *equal*: every row of both views at the end.

"""

SKIPPED = """
## Not measured

- **Flink**: the connector of Kafka on Maven Central goes up to 5.0.0-2.2; there is none for Flink 2.3 (`5.0.0-2.3` answers 404). An older Flink was not measured.
"""


def main():
    results = load(sys.argv[1])
    corrections = [result for result in results if result["of"] == "correction"]
    intervals = sorted((result for result in results if result["of"] == "interval"), key=lambda result: int(result["name"]))
    answers = [result for result in results if result["measure"] == "api"]
    scale = sorted((result for result in results if result["of"] == "scale"),
                   key=lambda result: (result["rows"], result["processes"], result["workers"]))
    results = [result for result in results if result["of"] not in ("correction", "interval")]
    order = list(NAMES)
    peers = sorted((result for result in results if result["measure"] == "peer"),
                   key=lambda result: (order.index(result["name"]), result["workers"]))
    limits = [result for result in results if result["measure"] == "limits"]
    engines = [result for result in results if result["measure"] == "engine"]
    if not peers:
        sys.exit("no design was measured")
    # A section of what was not measured this time is left out.
    sections = {
        "corrections": CORRECTIONS.format(table=correction_table(corrections)) if corrections else "",
        "intervals": INTERVALS.format(table=intervals_table(intervals)) if intervals else "",
        "scale": SCALE.format(table=scale_table(scale)) if scale else "",
        "engines": ENGINES.format(table=engines_table(engines), rows=engines[0]["rows"]) if engines else "",
    }
    aims = aims_table(peers, corrections, limits, engines, answers)
    print("\n\n".join([table(peers), limits_table(limits), api_table(answers), aims, *filter(None, sections.values())]))
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    pathlib.Path("bench/RESULTS.md").write_text(RESULTS.format(
        date=datetime.date.today().isoformat(), revision=revision.stdout.strip(), hardware=hardware(),
        versions=versions(), rows=peers[0]["rows"], corrected=peers[0]["corrected_rows"],
        rate=peers[0]["rows_per_second_live"], peers=table(peers), limits=limits_table(limits), answers=api_table(answers), aims=aims,
        skipped=SKIPPED, **sections))
    pathlib.Path("docs/bench.svg").write_text(plot(peers))


main()
