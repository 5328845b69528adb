"""The design that is replaced: a consumer stages rows through SQLAlchemy; a scheduled task, as Celery beat would start it, reads
all of them with pandas, computes the views, and replaces the tables.

Settings: rows are staged by COPY in batches of up to 50,000; the task begins 10 seconds after the last one began, or when
that has ended, and only when there are new rows; staging goes on in a thread of its own. The task reads by COPY too (not row
by row through the ORM), and replaces both tables in one transaction. The local day is UTC.
"""

import io
import os
import threading
import time

import pandas
from sqlalchemy import create_engine, text

import topic

EVERY_SECONDS = 10
COLUMNS = ["file", "ordinal", "version", "creator", "fan", "chatter", "sent_at", "price_cents", "purchased"]
staged = threading.Event()


def stage(engine):
    with engine.connect() as connection:
        for rows in topic.batches(50_000, 0.05):
            if rows:
                raw = connection.connection.driver_connection
                raw.cursor().copy_expert("copy peer.staging from stdin", io.StringIO(topic.copy_text(rows)))
                raw.commit()
                staged.set()


def recompute(engine):
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        out = io.StringIO()
        raw.cursor().copy_expert("copy peer.staging to stdout (format csv)", out)
        out.seek(0)
        rows = pandas.read_csv(out, names=COLUMNS, true_values=["t"], false_values=["f"], keep_default_na=False)
        rows = rows.sort_values("version", kind="stable").drop_duplicates(["file", "ordinal"], keep="last")
        rows["day"] = rows["sent_at"] // 86_400
        rows["ppv"] = (rows["price_cents"] > 0).astype("int64")
        rows["unlocked"] = rows["purchased"].astype("int64")
        rows["cents"] = rows["price_cents"] * rows["unlocked"]
        days = rows.groupby(["creator", "chatter", "day"]).agg(
            messages=("day", "size"), ppvs=("ppv", "sum"), unlocked=("unlocked", "sum"), cents=("cents", "sum"))
        fans = rows.groupby(["creator", "fan"]).agg(
            messages=("day", "size"), cents=("cents", "sum"), first=("sent_at", "min"), last=("sent_at", "max"))
        cursor = raw.cursor()
        for table, view in [("chatter_day", days), ("fan_measures", fans)]:
            buffer = io.StringIO()
            view.to_csv(buffer, header=False)
            buffer.seek(0)
            cursor.execute(f"delete from peer.{table}")
            cursor.copy_expert(f"copy peer.{table} from stdin (format csv)", buffer)
        raw.commit()


def main():
    # The driver is named, as the default of SQLAlchemy is another.
    address = os.environ["DATABASE_URL"].split("://", 1)[1]
    engine = create_engine(f"postgresql+psycopg2://{address}")
    with engine.begin() as connection:
        connection.execute(text(
            "create table peer.staging (file text, ordinal bigint, version bigint, creator text, fan text, chatter text,"
            " sent_at bigint, price_cents bigint, purchased boolean)"))
    print("ready", flush=True)
    threading.Thread(target=stage, args=[engine], daemon=True).start()
    while True:
        begun = time.monotonic()
        if staged.is_set():
            staged.clear()
            recompute(engine)
        time.sleep(max(0.1, begun + EVERY_SECONDS - time.monotonic()))


main()
