-- app.*: what connectors and API keep for themselves.
create schema app;

-- Every file that a source has shown, and where it stands.
create table app.uploads (
    file            text primary key,            -- the file's id: source and path, or the source's own id
    source          text not null,               -- the source that shows it, such as 'inbox'
    name            text not null,               -- name or path, as the source shows it
    partition       integer not null,            -- of fandom.rows, chosen once
    state           text not null check (state in ('seen', 'publishing', 'live', 'failed', 'gone')),
    version         bigint,                      -- the newest version that was begun
    live_version    bigint,                      -- the version whose rows count; none once it is gone
    live_rows       bigint,                      -- how many rows that version has
    begun           jsonb not null default '[]', -- versions begun since, each {"version", "ordinals": how many rows it may have on
                                                 -- the log, "sealed": whether its manifest may be there too}
    size_bytes      bigint,
    modified_at     timestamptz,
    exported_at     timestamptz,
    sha256          text,                        -- of the content that `version` holds
    reading         text,                        -- what that content was read with: zone, platform, reader; see the connectors
    rows_read       bigint,
    accepted        bigint,
    rejected        bigint,
    warnings        jsonb not null default '{}', -- by name, how often
    error           text,                        -- why it failed, and what to do
    attempts        integer not null default 0,
    first_seen_at   timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);
create index uploads_by_state on app.uploads (state, updated_at desc);
