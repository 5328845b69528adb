-- What the parts do again and again. Each notes itself here; whoever asks sees by the heartbeat whether it still runs.
create table app.tasks (
    task            text primary key,            -- 'source inbox', 'dataflow', 'archive'
    kind            text not null,               -- source, dataflow or archive
    state           text not null check (state in ('ok', 'failing', 'stopped')),
    since           timestamptz not null default now(), -- when it came to that state
    heartbeat_at    timestamptz not null default now(), -- when it was last noted
    last_success_at timestamptz,
    last_error_at   timestamptz,
    last_error      text,                        -- why it failed then
    next_run_at     timestamptz                  -- when it is done next, where that is known
);
