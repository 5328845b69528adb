#!/usr/bin/env python3
"""Opens many live streams of the API at once, and measures what they cost.

    bench/streams.py postgresql://postgres@/empty?host=/run/postgresql [--streams 10000] [--commits 20]

Over an empty database, which it brings to the newest schema, it starts `target/release/fandom api`, opens the streams, and then does
what the dataflow does at the end of a transaction, some times. It fails unless every stream is told of every commit, and all of
them end when the API is told to stop. It prints the memory of a stream, the time from a commit until the last stream has been told,
and the time of the end. It needs a file descriptor a stream in each of the two processes (`ulimit -n`), Python 3.10 and psql.
"""

import argparse
import base64
import asyncio
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time

KEY = "key-of-a-measurement-of-live-streams"
OPENING = 200  # at once


def rss(pid: int) -> int:
    """Bytes of memory that a process has, its own and not shared with files."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return int(fields["RssAnon"].split()[0]) * 1024


def psql(database: str, sql: str) -> None:
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql], check=True)


class Stream(asyncio.Protocol):
    """A stream: what it was told, and when it ended."""

    def __init__(self, counts: "Counts"):
        self.counts, self.buffer, self.opened = counts, b"", False

    def connection_made(self, transport):
        self.transport = transport
        transport.write(
            f"GET /api/v1/live HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes):
        self.buffer += data
        if not self.opened and b"\r\n\r\n" in self.buffer:
            if not self.buffer.startswith(b"HTTP/1.1 200"):
                sys.exit(f"a stream was refused: {self.buffer[:200]!r}")
            self.opened = True
            self.counts.opened += 1
        *blocks, self.buffer = self.buffer.split(b"\n\n")
        for block in blocks:
            if b"event: commit" in block or b"event:commit" in block:
                self.counts.told += 1
        self.counts.changed.set()

    def connection_lost(self, _):
        self.counts.ended += 1
        self.counts.changed.set()


class Counts:
    def __init__(self):
        self.opened = self.told = self.ended = 0
        self.changed = asyncio.Event()

    async def until(self, name: str, count: int, seconds: float) -> float:
        """Waits until so many were counted; the seconds that it took."""
        begun = time.monotonic()
        while getattr(self, name) < count:
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), seconds - (time.monotonic() - begun))
            except (asyncio.TimeoutError, TimeoutError):
                sys.exit(f"after {seconds} s only {getattr(self, name)} of {count} streams were {name}")
        return time.monotonic() - begun


async def measure(args, api: subprocess.Popen, port: int) -> None:
    loop, counts = asyncio.get_running_loop(), Counts()
    before = rss(api.pid)
    begun = time.monotonic()
    for first in range(0, args.streams, OPENING):
        many = range(first, min(first + OPENING, args.streams))
        await asyncio.gather(*(loop.create_connection(lambda: Stream(counts), "127.0.0.1", port) for _ in many))
        await counts.until("opened", many.stop, 60)
    print(f"{args.streams} streams were opened in {time.monotonic() - begun:.1f} s")
    await asyncio.sleep(2)
    opened = rss(api.pid)
    print(f"memory: {before / 2**20:.1f} MiB before, {opened / 2**20:.1f} MiB after: {(opened - before) / args.streams / 1024:.1f} KiB a stream")
    took = []
    for commit in range(1, args.commits + 1):
        sql = (
            f"begin; update views.progress set epoch = {commit}, committed_at = now(), views = views || "
            f"jsonb_build_object('fans', jsonb_build_object('rows', 1, 'checksum', '0', 'epoch', {commit})); "
            f"notify fandom_epoch, '{commit}'; commit"
        )
        writing = loop.run_in_executor(None, psql, args.database, sql)
        begun = time.monotonic()
        await counts.until("told", commit * args.streams, 60)
        took.append(time.monotonic() - begun)
        await writing
    print(f"from a commit until the last stream was told: median {statistics.median(took) * 1000:.0f} ms, most {max(took) * 1000:.0f} ms (the client's time included)")
    print(f"memory after {args.commits} commits: {rss(api.pid) / 2**20:.1f} MiB")
    begun = time.monotonic()
    api.send_signal(signal.SIGTERM)
    await counts.until("ended", args.streams, 30)
    ended = time.monotonic() - begun
    code = api.wait(timeout=30)
    print(f"the stop ended all streams in {ended:.1f} s; the API ended after {time.monotonic() - begun:.1f} s with {code}")
    if code != 0:
        sys.exit("the API did not end well")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", help="an empty database, as DATABASE_URL has it")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--commits", type=int, default=20)
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    program = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release", "fandom")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    room = str(args.streams + 200)
    env = dict(
        os.environ, DATABASE_URL=args.database, FANDOM_PORT=str(port), FANDOM_API_KEY=KEY, FANDOM_API_RATE="0",
        FANDOM_SECRETS_KEY=base64.b64encode(os.urandom(32)).decode(), FANDOM_API_LIVE_STREAMS=room, FANDOM_API_CONNECTIONS=room,
    )
    subprocess.run([program, "migrate"], env=env, check=True, stdout=subprocess.DEVNULL)
    api = subprocess.Popen([program, "api"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        asyncio.run(measure(args, api, port))
    finally:
        if api.poll() is None:
            api.kill()


main()
