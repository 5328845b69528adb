-- How sheets that no built-in kind recognises are read; see fandom_schemas::mappings.
create table app.mappings (
    name            text primary key,
    source          text not null,               -- it applies to files of this source
    folder          text not null,               -- and below this folder of it; '' for all
    kind            text not null,
    definition      jsonb not null,              -- the whole of it
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now()
);

-- Moves on with every change, so that connectors see one at a glance.
create table app.mappings_generation (
    only_row        boolean primary key default true check (only_row),
    generation      bigint not null
);
insert into app.mappings_generation (generation) values (1);
create function app.mappings_changed() returns trigger language plpgsql as $$
begin
    update app.mappings_generation set generation = generation + 1;
    perform pg_notify('fandom_ingest', '');
    return null;
end $$;
create trigger mappings_changed after insert or update or delete or truncate on app.mappings
    for each statement execute function app.mappings_changed();
