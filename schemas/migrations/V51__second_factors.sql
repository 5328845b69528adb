-- Second factors, and secrets that only a holder of FANDOM_SECRETS_KEY can read.

-- The secret of an authenticator (TOTP, RFC 6238), sealed.
create table app.second_factors (
    user_id      text primary key references app.users on delete cascade,
    key_id       text not null,                  -- the key that it is sealed with
    secret       bytea not null,
    last_step    bigint not null default 0,      -- codes of this step (of 30 seconds since 1970) and before hold no more
    created_at   timestamptz not null default now(),
    confirmed_at timestamptz                     -- none until a code has come: it is asked of nobody before
);

-- For who has lost the authenticator. A code holds once.
create table app.recovery_codes (
    hash    bytea primary key,                   -- SHA-256, of 120 random bits
    user_id text not null references app.second_factors on delete cascade
);
create index recovery_codes_by_user on app.recovery_codes (user_id);

-- Keys that sign tokens are sealed from now on. Those that were not are gone: access tokens last 15 minutes, sessions stay.
delete from app.signing_keys;
alter table app.signing_keys add column key_id text not null;
comment on column app.signing_keys.private is 'PKCS #8, sealed with the key of key_id';
