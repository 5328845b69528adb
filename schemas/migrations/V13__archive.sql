-- The message archive: the texts of live messages, encrypted, with the facts that they are found by. It follows fandom.rows and
-- fandom.texts by itself; the dataflow never sees a text.

-- How far each partition was read, as of the same transaction as all else.
create table app.archive_progress (
    topic       text not null,
    partition   integer not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

-- The keys that texts are sealed with, by id. The keys themselves are never here.
create table app.archive_keys (
    key_id        text primary key,
    first_used_at timestamptz not null default now()
);

-- Every file of the log: its newest complete version.
create table app.archive_files (
    file_id      bigint primary key,
    file         text not null,
    settled      bigint not null,                -- the newest version that is complete, or that took the file back
    live_version bigint,                         -- the version whose rows count; none once the file is gone
    exported_at  bigint not null,                -- seconds since 1970
    modified_at  bigint not null
);

-- Manifests of versions whose rows are not all there yet.
create table app.archive_waiting (
    file_id  bigint not null,
    version  bigint not null,
    manifest text not null,
    primary key (file_id, version)
);

-- The rows of versions that are not complete that are no messages: all that is needed of them is that they are there.
create table app.archive_others (
    file_id  bigint not null,
    version  bigint not null,
    ordinal  bigint not null,
    checksum bigint not null,                    -- the record's share of the version's checksum
    primary key (file_id, version, ordinal)
);

-- The messages of every live version, and of those that are not complete yet.
create table app.archive_messages (
    file_id       bigint not null,
    version       bigint not null,
    ordinal       bigint not null,
    sheet         integer not null,
    checksum      bigint not null,
    natural_key   bytea not null,                -- 128 bits over all that two exports of one message agree in
    occurrence    integer not null default 0,    -- how many rows of equal key stand before it in its sheet
    shadowed      boolean not null default false,-- whether a later export also holds it
    creator_id    bigint not null,
    chatter_id    bigint not null,
    fan_id        bigint not null,
    sent_at       timestamptz not null,
    price_cents   bigint not null,
    purchased     boolean not null,
    source        text not null,
    status        text,
    reply_seconds bigint,
    characters    bigint not null,
    primary key (file_id, version, ordinal)
);
create index archive_messages_by_key on app.archive_messages (natural_key, occurrence);
create index archive_messages_by_time on app.archive_messages (sent_at, file_id, version, ordinal);
create index archive_messages_by_chatter on app.archive_messages (chatter_id, sent_at);
create index archive_messages_by_fan on app.archive_messages (fan_id, sent_at);

-- Their texts: a JSON object with the creator's text and the fan's, sealed with AES-256-GCM.
create table app.archive_texts (
    file_id bigint not null,
    version bigint not null,
    ordinal bigint not null,
    key_id  text not null references app.archive_keys,
    sealed  bytea not null,                      -- nonce, ciphertext, tag; it belongs to this row alone
    primary key (file_id, version, ordinal)
);
alter table app.archive_texts alter column sealed set storage external;
