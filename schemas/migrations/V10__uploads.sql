-- Files that were uploaded through the API. Each lies in the folder of uploads, which is a source like any other: where it stands is
-- said by its row of app.uploads, under the same id of the file.
create table app.received (
    id              text primary key,            -- of the upload: ascends with time
    file            text not null unique,        -- the file's id, 'uploads:<folder>/<id>/<name>'
    name            text not null,               -- as it was uploaded, made safe
    folder          text not null,               -- where it was put among the uploads; '' for none
    size_bytes      bigint,
    received_at     timestamptz not null default now(),
    stored_at       timestamptz,                 -- none while it is being received
    deleted_at      timestamptz
);

-- Whoever shows progress is told of each change of a file's state.
create function app.tell_of_file() returns trigger language plpgsql as $$
begin
    perform pg_notify('fandom_files', new.file);
    return null;
end $$;
create trigger tell_of_file after insert or update on app.uploads for each row execute function app.tell_of_file();
create trigger tell_of_file after insert or update on app.received for each row execute function app.tell_of_file();

-- What the API asks of the connector that serves a source. They may run on different machines.
create table app.ingest_requests (
    id              bigint generated always as identity primary key,
    source          text not null,
    what            text not null check (what in ('sync', 'reprocess', 'suggest', 'preview')),
    file            text,                        -- the file's id, of every request but sync
    mapping         jsonb,                       -- of a preview
    state           text not null default 'waiting' check (state in ('waiting', 'done', 'failed')),
    answer          jsonb,                       -- of a suggestion and a preview
    error           text,                        -- why it failed, and what to do
    made_at         timestamptz not null default now(),
    done_at         timestamptz
);
create index ingest_requests_waiting on app.ingest_requests (source) where state = 'waiting';
create function app.tell_connectors() returns trigger language plpgsql as $$
begin
    perform pg_notify('fandom_ingest', '');
    return null;
end $$;
create trigger tell_connectors after insert on app.ingest_requests for each statement execute function app.tell_connectors();
