-- What a source says of its content beside size and time: a checksum, or the number of a revision.
alter table app.uploads add column fingerprint text;

-- Every source of files, and whether it can be looked at.
create table app.sources (
    source          text primary key,            -- the source, such as 'inbox' or 'drive'
    state           text not null check (state in ('ok', 'partly', 'failed')),
                                                 -- all of it can be looked at, a part of it, nothing
    troubles        jsonb not null default '[]', -- each {"what": which part, "reason", "remedy": what to do,
                                                 -- "permanent": whether it stays until somebody does that}
    since           timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);

-- What a source knows of Google Drive, always as of one moment: a listing that was read to its end, and all changes up to
-- the page tokens. A change of these tables is one transaction, which moves the generation on.
create table app.drive_listings (
    source          text primary key,
    generation      bigint not null,
    folders         text not null,               -- which folders were listed; where others are, the listing is of no use
    listed_at       timestamptz not null         -- of the last full listing
);
create table app.drive_feeds (
    source          text not null references app.drive_listings on delete cascade,
    drive           text not null,               -- the shared drive; '' for the user's own feed
    page_token      text not null,               -- where its changes go on
    primary key (source, drive)
);
create table app.drive_items (
    source          text not null references app.drive_listings on delete cascade,
    item            text not null,               -- the id of a file or folder in Drive
    node            jsonb not null,              -- what Drive says of it
    primary key (source, item)
);
