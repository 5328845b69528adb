-- What happened with a fan, by creator and local day. It fills itself at the next start of the dataflow.
--
-- The fan comes first in the key: one index has a fan's days together, and finds the rows of a fan whose names change.
create table views.fan_day (
    fan_id            bigint not null,
    creator_id        bigint not null,
    day               date not null,
    creator           text,
    platform          text,
    username          text,
    nickname          text,
    messages_received bigint not null,           -- direct ones
    messages_replied  bigint not null,
    ppvs_received     bigint not null,
    ppvs_unlocked     bigint not null,
    ppv_spend_cents   bigint not null,
    sales_net_cents   bigint not null,
    tips_net_cents    bigint not null,
    sales_count       bigint not null,
    reversed_count    bigint not null,
    primary key (fan_id, creator_id, day)
);
comment on table views.fan_day is
    'by fan, creator and local day; a day is listed when it has a direct message, a reply or a sale';
