"""PostgreSQL alone: a staging table whose triggers keep the views. The process only carries rows from the topic to COPY.

Settings: statement-level triggers over transition tables (not row by row); batches of up to 20,000 records, 5 ms of
waiting at most; the version that is newest wins by `on conflict`; the first and last time of a fan are widened by
inserts, and looked up again, by an index, only for fans of whom a row changed. The local day is UTC.
"""

import io
import os

import psycopg2

import topic

SETUP = """
create table peer.rows (
    file text, ordinal bigint, version bigint, creator text, fan text, chatter text, sent_at bigint, price_cents bigint,
    purchased boolean, primary key (file, ordinal));
create index on peer.rows (creator, fan);
alter table peer.chatter_day set (fillfactor = 50);
alter table peer.fan_measures set (fillfactor = 70);

create function peer.add_to_views() returns trigger language plpgsql as $$
begin
    insert into peer.chatter_day as v
    select creator, chatter, sent_at / 86400, count(*), count(*) filter (where price_cents > 0),
        count(*) filter (where purchased), coalesce(sum(price_cents) filter (where purchased), 0)
    from added group by 1, 2, 3
    on conflict (creator, chatter, day) do update set
        messages_sent = v.messages_sent + excluded.messages_sent, ppvs_sent = v.ppvs_sent + excluded.ppvs_sent,
        ppvs_unlocked = v.ppvs_unlocked + excluded.ppvs_unlocked,
        ppv_sales_cents = v.ppv_sales_cents + excluded.ppv_sales_cents;
    insert into peer.fan_measures as v
    select creator, fan, count(*), coalesce(sum(price_cents) filter (where purchased), 0), min(sent_at), max(sent_at)
    from added group by 1, 2
    on conflict (creator, username) do update set
        messages_received = v.messages_received + excluded.messages_received,
        spend_cents = v.spend_cents + excluded.spend_cents,
        first_seen = least(v.first_seen, excluded.first_seen), last_seen = greatest(v.last_seen, excluded.last_seen);
    return null;
end $$;

create function peer.change_views() returns trigger language plpgsql as $$
begin
    if not exists (select from before) then return null; end if;
    insert into peer.chatter_day as v
    select creator, chatter, day, sum(n), sum(n * (price_cents > 0)::int), sum(n * purchased::int),
        sum(n * purchased::int * price_cents)
    from (select 1 as n, sent_at / 86400 as day, * from added union all select -1, sent_at / 86400, * from before) changes
    group by 1, 2, 3
    on conflict (creator, chatter, day) do update set
        messages_sent = v.messages_sent + excluded.messages_sent, ppvs_sent = v.ppvs_sent + excluded.ppvs_sent,
        ppvs_unlocked = v.ppvs_unlocked + excluded.ppvs_unlocked,
        ppv_sales_cents = v.ppv_sales_cents + excluded.ppv_sales_cents;
    delete from peer.chatter_day where messages_sent = 0;
    with touched as (select creator, fan from added union select creator, fan from before)
    insert into peer.fan_measures as v
    select t.creator, t.fan, count(r.file), coalesce(sum(r.price_cents) filter (where r.purchased), 0),
        coalesce(min(r.sent_at), 0), coalesce(max(r.sent_at), 0)
    from touched t left join peer.rows r on r.creator = t.creator and r.fan = t.fan group by 1, 2
    on conflict (creator, username) do update set messages_received = excluded.messages_received,
        spend_cents = excluded.spend_cents, first_seen = excluded.first_seen, last_seen = excluded.last_seen;
    delete from peer.fan_measures where messages_received = 0;
    return null;
end $$;

create trigger added after insert on peer.rows referencing new table as added
    for each statement execute function peer.add_to_views();
create trigger changed after update on peer.rows referencing new table as added old table as before
    for each statement execute function peer.change_views();
create temporary table batch (like peer.rows) on commit delete rows;
"""

MERGE = """
insert into peer.rows as r select distinct on (file, ordinal) * from batch order by file, ordinal, version desc
on conflict (file, ordinal) do update set version = excluded.version, creator = excluded.creator, fan = excluded.fan,
    chatter = excluded.chatter, sent_at = excluded.sent_at, price_cents = excluded.price_cents,
    purchased = excluded.purchased
where excluded.version > r.version
"""


def main():
    database = psycopg2.connect(os.environ["DATABASE_URL"])
    cursor = database.cursor()
    cursor.execute(SETUP)
    database.commit()
    print("ready", flush=True)
    for rows in topic.batches(20_000, 0.005):
        if rows:
            cursor.copy_expert("copy batch from stdin", io.StringIO(topic.copy_text(rows)))
            cursor.execute(MERGE)
            database.commit()


main()
