"""The same by pandas and openpyxl: a Message Dashboard read, typed, its texts taken out of their HTML, each row as JSON.

    fandom-bench parse --keep dashboard.xlsx
    python3 bench/parse.py dashboard.xlsx        # needs pandas and openpyxl
"""

import hashlib
import html
import json
import re
import sys
import time

import pandas as pd

TAG = re.compile(r"<[^>]*>")
REPLY = re.compile(r"(?:(\d+)h )?(?:(\d+)m )?(\d+)s")


def plain(text):
    return html.unescape(TAG.sub("", text))


def seconds(text):
    hours, minutes, rest = REPLY.fullmatch(text).groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def main(path):
    begun = time.perf_counter()
    table = pd.read_excel(path, sheet_name="Message Dashboard", engine="openpyxl", dtype=str)
    read = time.perf_counter()
    at = pd.to_datetime(table["Sent date"] + " " + table["Sent time"], format="%b %d, %Y %H:%M:%S", utc=True)
    sent = at.astype("int64") // 10**9 if at.dtype == "datetime64[ns, UTC]" else at.map(lambda t: int(t.timestamp()))
    fans = table["Sent to"].str.extract(r"^(.*) \((.*)\)$")
    creators = table["Creator"].str.extract(r"^(.*) \((.*)\)$")
    cents = (table["Price"].str.replace(r"[$,]", "", regex=True).astype(float) * 100).round().astype(int)
    texts = table["Creator Message"].map(plain)
    replies = table["Fans Message"].where(table["Fans Message"] != "-").map(plain, na_action="ignore")
    waited = table["Replay time"].map(seconds)
    rows = 0
    for values in zip(
        table["Sender"], creators[0], creators[1], fans[0], fans[1], sent, cents, table["Purchased"] == "yes", table["Source"],
        table["Status"], waited, texts, replies,
    ):
        *facts, text, reply = values
        json.dumps([*facts, len(text), hashlib.md5(text.encode()).hexdigest()], default=str)
        json.dumps([text, reply], default=str)
        rows += 1
    done = time.perf_counter()
    print(f"{rows} rows: read {(read - begun) * 1000:.0f} ms, with types and JSON {(done - begun) * 1000:.0f} ms")


main(sys.argv[1])
