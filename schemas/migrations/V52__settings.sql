-- What administrators have set while the suite runs, over what the environment says; see fandom_api::settings.
create table app.settings (
    variable        text primary key,
    value           text not null,               -- as it would stand in the environment
    changed_by      text not null,
    changed_at      timestamptz not null default now()
);

-- How the files of a source, or below a folder of it, are read; see fandom_schemas::folders.
create table app.folder_settings (
    source          text not null,
    folder          text not null,               -- a path in the source, or the id of a folder of Drive; '' for the whole source
    zone            text,
    platform        text,
    interval_ms     integer,
    changed_by      text not null,
    changed_at      timestamptz not null default now(),
    primary key (source, folder)
);
create trigger folder_settings_changed after insert or update or delete or truncate on app.folder_settings
    for each statement execute function app.mappings_changed();
comment on table app.mappings_generation is 'Moves on with every change of mappings and of folders'' settings';
