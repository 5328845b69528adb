-- Who may ask the API: accounts, their sessions and keys, and the trail of what was done.
create table app.users (
    id          text primary key,
    email       text not null,
    name        text not null default '',
    role        text not null check (role in ('admin', 'manager', 'analyst', 'chatter', 'creator')),
    password    text,                            -- argon2id, or bcrypt of an earlier system; none until the invitation is taken up
    creators    bigint[] not null default '{}',  -- whose rows are seen: of a creator, and of a manager's group
    chatters    bigint[] not null default '{}',  -- the same of a chatter, and of a manager's group
    disabled_at timestamptz,
    created_at  timestamptz not null default now()
);
create unique index users_by_email on app.users (lower(email));

-- A sign-in. Of a browser it is known by its cookie, of a program by its refresh tokens.
create table app.sessions (
    id           text primary key,
    user_id      text not null references app.users on delete cascade,
    cookie       bytea unique,                   -- SHA-256
    address      text not null,
    agent        text not null,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at   timestamptz not null,
    ended_at     timestamptz
);
create index sessions_by_user on app.sessions (user_id, created_at);

create table app.refresh_tokens (
    hash       bytea primary key,                -- SHA-256
    session_id text not null references app.sessions on delete cascade,
    issued_at  timestamptz not null default now(),
    used_at    timestamptz
);
create index refresh_tokens_by_session on app.refresh_tokens (session_id);

-- What a message asks its reader to bring back: a new password, or the first one.
create table app.password_tokens (
    hash       bytea primary key,                -- SHA-256
    user_id    text not null references app.users on delete cascade,
    expires_at timestamptz not null
);
create index password_tokens_by_user on app.password_tokens (user_id);

create table app.api_keys (
    id           text primary key,
    name         text not null,
    hash         bytea not null unique,          -- SHA-256
    role         text not null,
    scopes       text[],                         -- permissions, of those of the role; none: all of them
    creators     bigint[] not null default '{}',
    chatters     bigint[] not null default '{}',
    made_by      text references app.users on delete cascade,
    created_at   timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
);

-- Ed25519 keys that access tokens are signed with, as PKCS #8.
create table app.signing_keys (
    kid        text primary key,
    private    bytea not null,
    created_at timestamptz not null default now()
);

-- Failed sign-ins by account and by address, each as a hash.
create table app.sign_in_failures (
    who      bytea primary key,
    failures integer not null,
    until    timestamptz not null,               -- no attempt before
    last_at  timestamptz not null default now()
);

-- Each entry has the hash of the one before in its own.
create table app.audit (
    seq        bigint primary key,
    at_micros  bigint not null,                  -- since 1970
    actor      text not null,
    action     text not null,
    target     text not null,
    address    text not null,
    request_id text not null,
    detail     text not null,                    -- JSON
    previous   bytea not null,
    hash       bytea not null
);

create function app.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'app.audit is append-only';
end
$$;
create trigger audit_is_append_only before update or delete on app.audit
    for each row execute function app.refuse_change();
create trigger audit_is_not_emptied before truncate on app.audit
    for each statement execute function app.refuse_change();
