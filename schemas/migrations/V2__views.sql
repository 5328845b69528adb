-- views.*: what the dataflow maintains. Nothing else writes here.
--
-- Keys are ids (64-bit hashes of folded names); the names as they are shown stand beside them. Money is in cents,
-- durations are in seconds, worked hours in minutes. A ratio whose denominator is zero is null.
create schema views;

-- One row: where the views stand. Changed in the transaction that changes them.
create table views.progress (
    only_row     boolean primary key default true check (only_row),
    generation   bigint not null default 0,      -- of the writer; an older one cannot commit
    epoch        bigint not null default 0,      -- milliseconds since the Unix epoch
    committed_at timestamptz,
    bindings     jsonb not null default '{}',    -- by partition of fandom.rows: the next offset to read
    views        jsonb not null default '{}',    -- by view: {"rows", "checksum", "epoch" of its last change}
    version      integer not null default 1      -- of the layout of this row
);
insert into views.progress default values;

-- One row: up to which epoch the changelogs of the views (topics fandom.views.*) are written. A row of its own, so that
-- writing it waits for no commit.
create table views.published (
    only_row boolean primary key default true check (only_row),
    epoch    bigint not null default 0
);
insert into views.published default values;

-- One row: what the dataflow is doing, refreshed about once a second and at each change of state.
create table views.status (
    only_row     boolean primary key default true check (only_row),
    state        text not null default 'stopped' check (state in ('stopped', 'hydrating', 'live')),
    records_done bigint not null default 0,      -- of those that hydration has to read
    records_due  bigint not null default 0,
    lag          jsonb not null default '{}',    -- by partition of fandom.rows: records not yet read
    heartbeat_at timestamptz
);
insert into views.status default values;

create function views.ratio(part bigint, whole bigint) returns double precision
    language sql immutable parallel safe return part::double precision / nullif(whole, 0);
create function views.hourly(part bigint, minutes bigint) returns double precision
    language sql immutable parallel safe return part::double precision * 60 / nullif(minutes, 0);

-- Names as they are shown: the latest seen.
create table views.creators (
    creator_id bigint primary key,
    creator    text not null,                    -- with its platform: 'Tania (OF)'
    name       text not null,
    platform   text not null
);
create table views.chatters (
    chatter_id bigint primary key,
    chatter    text not null
);
create table views.fan_names (
    fan_id   bigint primary key,
    platform text not null,
    username text not null,
    nickname text
);

-- Measures of a chatter by creator and local hour; chatter_id 0 with a null name is the unattributed chatter. A group is
-- listed when it has a message; worked time is known by day alone.
create table views.chatter_hour (
    creator_id        bigint not null,
    chatter_id        bigint not null,
    hour              timestamptz not null,      -- the instant at which the local hour begins
    creator           text,
    chatter           text,
    messages_sent     bigint not null,
    ppvs_sent         bigint not null,
    ppvs_unlocked     bigint not null,
    ppv_sales_cents   bigint not null,
    characters        bigint not null,
    replies           bigint not null,
    reply_seconds_sum bigint not null,
    mass_messages     bigint not null,
    fans_chatted      bigint not null default 0,           -- distinct in the window
    fans_spent        bigint not null default 0,
    reply_seconds_p50 bigint,
    reply_seconds_p90 bigint,
    sales_gross_cents bigint not null default 0,
    sales_net_cents   bigint not null default 0,
    sales_count       bigint not null default 0,
    reversed_net_cents bigint not null default 0,
    reversed_count    bigint not null default 0,
    golden_ratio      double precision generated always as (views.ratio(ppvs_sent, messages_sent)) stored,
    unlock_rate       double precision generated always as (views.ratio(ppvs_unlocked, ppvs_sent)) stored,
    fan_cvr           double precision generated always as (views.ratio(fans_spent, fans_chatted)) stored,
    avg_earnings_per_spender_cents double precision generated always as (views.ratio(ppv_sales_cents, fans_spent)) stored,
    reply_seconds_mean double precision generated always as (views.ratio(reply_seconds_sum, replies)) stored,
    primary key (creator_id, chatter_id, hour)
);
create index chatter_hour_by_hour on views.chatter_hour (hour);
create index chatter_hour_by_chatter on views.chatter_hour (chatter_id, hour);

create table views.chatter_day (
    creator_id        bigint not null,
    chatter_id        bigint not null,
    day               date not null,
    creator           text,
    chatter           text,
    messages_sent     bigint not null,
    ppvs_sent         bigint not null,
    ppvs_unlocked     bigint not null,
    ppv_sales_cents   bigint not null,
    characters        bigint not null,
    replies           bigint not null,
    reply_seconds_sum bigint not null,
    mass_messages     bigint not null,
    fans_chatted      bigint not null,           -- distinct in the window
    fans_spent        bigint not null,
    reply_seconds_p50 bigint,
    reply_seconds_p90 bigint,
    sales_gross_cents bigint not null default 0,
    sales_net_cents   bigint not null default 0,
    sales_count       bigint not null default 0,
    reversed_net_cents bigint not null default 0,
    reversed_count    bigint not null default 0,
    clocked_minutes   bigint,
    scheduled_minutes bigint,
    golden_ratio      double precision generated always as (views.ratio(ppvs_sent, messages_sent)) stored,
    unlock_rate       double precision generated always as (views.ratio(ppvs_unlocked, ppvs_sent)) stored,
    fan_cvr           double precision generated always as (views.ratio(fans_spent, fans_chatted)) stored,
    avg_earnings_per_spender_cents double precision generated always as (views.ratio(ppv_sales_cents, fans_spent)) stored,
    reply_seconds_mean double precision generated always as (views.ratio(reply_seconds_sum, replies)) stored,
    sales_per_hour_cents double precision generated always as (views.hourly(sales_net_cents, clocked_minutes)) stored,
    messages_per_hour    double precision generated always as (views.hourly(messages_sent, clocked_minutes)) stored,
    fans_per_hour        double precision generated always as (views.hourly(fans_chatted, clocked_minutes)) stored,
    primary key (creator_id, chatter_id, day)
);
create index chatter_day_by_day on views.chatter_day (day);
create index chatter_day_by_chatter on views.chatter_day (chatter_id, day);

create table views.chatter_week (like views.chatter_day including all);
alter table views.chatter_week rename column day to week;
alter table views.chatter_week alter column week type text;       -- ISO week: '2026-W43'
create table views.chatter_month (like views.chatter_day including all);
alter table views.chatter_month rename column day to month;
alter table views.chatter_month alter column month type text;     -- '2026-10'

create table views.chatter_all (like views.chatter_day including defaults including generated);
alter table views.chatter_all drop column day;
alter table views.chatter_all add primary key (creator_id, chatter_id);
create index chatter_all_by_chatter on views.chatter_all (chatter_id);

-- Sales by creator, chatter, local day and type.
create table views.sales_day (
    creator_id         bigint not null,
    chatter_id         bigint not null,
    day                date not null,
    type               text not null,
    creator            text,
    chatter            text,
    gross_cents        bigint not null,
    net_cents          bigint not null,
    count              bigint not null,
    reversed_net_cents bigint not null,
    reversed_count     bigint not null,
    primary key (creator_id, chatter_id, day, type)
);
create index sales_day_by_day on views.sales_day (day);
create index sales_day_by_chatter on views.sales_day (chatter_id, day);

-- Worked time as reported by creator, chatter and day, and the measures per clocked hour.
create table views.hours_day (
    creator_id        bigint not null,
    chatter_id        bigint not null,
    day               date not null,
    creator           text,
    chatter           text,
    clocked_minutes   bigint,
    scheduled_minutes bigint,
    sales_net_cents   bigint not null,
    messages_sent     bigint not null,
    fans_chatted      bigint not null,
    sales_per_hour_cents double precision generated always as (views.hourly(sales_net_cents, clocked_minutes)) stored,
    messages_per_hour    double precision generated always as (views.hourly(messages_sent, clocked_minutes)) stored,
    fans_per_hour        double precision generated always as (views.hourly(fans_chatted, clocked_minutes)) stored,
    primary key (creator_id, chatter_id, day)
);
create index hours_day_by_day on views.hours_day (day);
create index hours_day_by_chatter on views.hours_day (chatter_id, day);

-- A creator's day: from rows, and as reported by basis.
create table views.creator_day (
    creator_id         bigint not null,
    day                date not null,
    creator            text,
    messages           bigint not null,
    ppv_sales_cents    bigint not null,
    reversed_count     bigint not null,
    reversed_net_cents bigint not null,
    active_chatters    bigint not null,
    active_fans        bigint not null,
    sales              jsonb not null,           -- by type: {"count", "gross_cents", "net_cents"}
    reported           jsonb not null,           -- by basis: cents by figure
    primary key (creator_id, day)
);
create index creator_day_by_day on views.creator_day (day);

-- A fan by creator. views.fans adds what depends on the as-of day.
create table views.fan_measures (
    creator_id        bigint not null,
    fan_id            bigint not null,
    creator           text,
    platform          text,
    username          text,
    nickname          text,
    messages_received bigint not null,
    ppvs_received     bigint not null,
    ppvs_unlocked     bigint not null,
    messages_replied  bigint not null,
    ppv_spend_cents   bigint not null,
    sales_net_cents   bigint not null,
    tips_net_cents    bigint not null,
    purchase_days     bigint not null,
    spend_cents       bigint not null,
    spend_class       text not null,
    first_seen        timestamptz not null,
    last_seen         timestamptz not null,
    last_purchase     timestamptz,
    last_purchase_day date,                      -- local
    r                 bigint,                    -- scores 1 to 5, 5 best; null without a purchase
    f                 bigint,
    m                 bigint,
    segment           text,
    cluster           text,
    unlock_rate       double precision generated always as (views.ratio(ppvs_unlocked, ppvs_received)) stored,
    primary key (creator_id, fan_id)
);
create index fan_measures_by_fan on views.fan_measures (fan_id);
create index fan_measures_by_spend on views.fan_measures (spend_cents desc, creator_id, fan_id);
create index fan_measures_by_creator_spend on views.fan_measures (creator_id, spend_cents desc, fan_id);
create index fan_measures_by_segment on views.fan_measures (segment, creator_id);
create index fan_measures_by_cluster on views.fan_measures (cluster, creator_id);
create index fan_measures_by_last_seen on views.fan_measures (last_seen desc, creator_id, fan_id);

-- One row: the day up to which "days since" are counted.
create table views.as_of (
    only_row integer primary key,
    day      date not null
);

create view views.fans as
    select f.*, (select day from views.as_of) - f.last_purchase_day as r_days from views.fan_measures f;

-- Clusters of fans, summed; views.fan_clusters shows them in natural units.
create table views.fan_cluster_sums (
    cluster                text primary key,
    fans                   bigint not null,
    spend_cents            bigint not null,
    messages_received      bigint not null,
    purchase_days          bigint not null,
    unlock_rate_millionths bigint not null,
    tenure_seconds         bigint not null,
    last_seen_days         bigint not null       -- each day counted from 1970-01-01
);

-- Size, means of what fans are clustered by, spend and share of all spend.
create view views.fan_clusters as
    select cluster, fans as size, spend_cents,
        spend_cents::double precision / nullif(sum(spend_cents) over (), 0)::double precision as share_of_spend,
        spend_cents::double precision / fans as mean_spend_cents,
        messages_received::double precision / fans as mean_messages_received,
        purchase_days::double precision / fans as mean_purchase_days,
        unlock_rate_millionths::double precision / fans / 1e6 as mean_unlock_rate,
        tenure_seconds::double precision / fans / 86400 as mean_tenure_days,
        (select day - date '1970-01-01' from views.as_of) - last_seen_days::double precision / fans
            as mean_days_since_seen
    from views.fan_cluster_sums;

-- What stands in the sheets of every live file.
create table views.files (
    file_id        bigint not null,
    position       bigint not null,              -- of the sheet in the workbook
    file           text not null,                -- name or path, as the source shows it
    sheet          text,
    kind           text,
    recognised     boolean not null,
    version        bigint not null,
    modified_at    timestamptz not null,
    exported_at    timestamptz not null,
    rows_read      bigint not null,
    accepted       bigint not null,
    rejected_count bigint not null,
    rejected       jsonb not null,               -- the first of them: [{"row", "reason"}]
    duplicates     bigint not null,              -- accepted rows that an earlier exported live file also holds
    doubtful_times bigint not null,
    warnings       jsonb not null,
    primary key (file_id, position)
);
create index files_by_name on views.files (file, position);

-- The agency's own template, by chatter and day. It enters no other figure.
create table views.template_day (
    chatter_id           bigint not null,
    day                  date not null,
    chatter              text,
    messages_sent        bigint,
    ppvs_sent            bigint,
    ppvs_unlocked        bigint,
    fans_chatted         bigint,
    avg_response_minutes double precision,
    primary key (chatter_id, day)
);
create index template_day_by_day on views.template_day (day);

-- What a platform reported of an employee, creators and window beside what the rows say, by row of the winning file.
create table views.reconciliation_rows (
    file_id      bigint not null,
    position     bigint not null,                -- of the sheet in the workbook
    row_number   bigint not null,
    file         text not null,
    sheet        text,
    chatter_id   bigint not null,
    chatter      text,
    creator_ids  jsonb not null,
    first_day    date not null,
    last_day     date not null,
    period_start text not null,                  -- as the sheet writes it
    period_end   text not null,
    reported_messages_sent bigint,
    reported_ppvs_sent bigint,
    reported_ppvs_unlocked bigint,
    reported_fans_chatted bigint,
    reported_ppv_sales_cents bigint,
    reported_sales_net_cents bigint,
    messages_sent bigint not null,
    ppvs_sent bigint not null,
    ppvs_unlocked bigint not null,
    fans_chatted bigint not null,
    ppv_sales_cents bigint not null,
    sales_net_cents bigint not null,
    differs      boolean generated always as (
        coalesce(reported_messages_sent <> messages_sent, false) or
        coalesce(reported_ppvs_sent <> ppvs_sent, false) or
        coalesce(reported_ppvs_unlocked <> ppvs_unlocked, false) or
        coalesce(reported_fans_chatted <> fans_chatted, false) or
        coalesce(reported_ppv_sales_cents <> ppv_sales_cents, false) or
        coalesce(reported_sales_net_cents <> sales_net_cents, false)) stored,
    primary key (file_id, position, row_number)
);
create index reconciliation_rows_by_name on views.reconciliation_rows (file, position, row_number);
create index reconciliation_rows_that_differ on views.reconciliation_rows (file, position, row_number) where differs;

-- The same with the creators' names, and the figures as objects; a difference is reported minus computed.
create view views.reconciliation as
    select r.file_id, r.position, r.file, r.sheet, r.row_number as row, r.chatter_id, r.chatter as employee, r.creator_ids,
        (select jsonb_agg(coalesce(c.creator, e.id) order by e.place)
            from jsonb_array_elements_text(r.creator_ids) with ordinality e (id, place)
            left join views.creators c on c.creator_id = e.id::bigint) as creators,
        r.first_day, r.last_day, r.period_start as start, r.period_end as "end", r.differs,
        jsonb_build_object('messages_sent', r.reported_messages_sent, 'ppvs_sent', r.reported_ppvs_sent, 'ppvs_unlocked', r.reported_ppvs_unlocked, 'fans_chatted', r.reported_fans_chatted, 'ppv_sales_cents', r.reported_ppv_sales_cents, 'sales_net_cents', r.reported_sales_net_cents) as reported,
        jsonb_build_object('messages_sent', r.messages_sent, 'ppvs_sent', r.ppvs_sent, 'ppvs_unlocked', r.ppvs_unlocked, 'fans_chatted', r.fans_chatted, 'ppv_sales_cents', r.ppv_sales_cents, 'sales_net_cents', r.sales_net_cents) as computed,
        jsonb_build_object('messages_sent', r.reported_messages_sent - r.messages_sent, 'ppvs_sent', r.reported_ppvs_sent - r.ppvs_sent, 'ppvs_unlocked', r.reported_ppvs_unlocked - r.ppvs_unlocked, 'fans_chatted', r.reported_fans_chatted - r.fans_chatted, 'ppv_sales_cents', r.reported_ppv_sales_cents - r.ppv_sales_cents, 'sales_net_cents', r.reported_sales_net_cents - r.sales_net_cents) as difference
    from views.reconciliation_rows r;
