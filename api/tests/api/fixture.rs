//! Two weeks of an invented agency in the views: three creators, four chatters (one nobody), 120 fans, four files.
//!
//! Figures are formulas of creator, chatter and day, with holes: groups that have sales alone, hours alone, clocked hours that
//! are missing or zero, ratios without a denominator.

use fandom_schemas::identity::{chatter_id, creator_id, fan_id, file_id};

use crate::service::Service;

pub const CREATORS: [(&str, &str); 3] = [("OF", "Tania"), ("Fansly", "Leya"), ("Fanvue", "Mia")];
pub const CHATTERS: [Option<&str>; 4] = [Some("Iva"), Some("Jovan"), Some("Mila Jo"), None];

/// The id of a creator of the fixture, as the database has it.
pub fn creator(place: usize) -> i64 {
    creator_id(CREATORS[place].0, CREATORS[place].1).cast_signed()
}

/// The id of a chatter of the fixture.
pub fn chatter(place: usize) -> i64 {
    chatter_id(CHATTERS[place]).cast_signed()
}

/// Fills the views; the epoch is 1000.
pub async fn fill(service: &Service) {
    let creators: Vec<String> = CREATORS
        .iter()
        .enumerate()
        .map(|(place, (platform, name))| {
            format!("({place}, {}, '{name} ({platform})', '{name}', '{platform}')", creator(place))
        })
        .collect();
    let chatters: Vec<String> = CHATTERS
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let name = name.map_or("null".to_owned(), |name| format!("'{name}'"));
            format!("({place}, {}, {name})", chatter(place))
        })
        .collect();
    let fans: Vec<String> =
        (0..120).map(|n| format!("({n}, {}, 'u{n:04}')", fan_id("OF", &format!("u{n:04}")).cast_signed())).collect();
    service
        .run(&format!(
            "create temporary table c (c, creator_id, creator, name, platform) as values {};
             create temporary table h (h, chatter_id, chatter) as values {};
             create temporary table f (n, fan_id, username) as values {};",
            creators.join(", "),
            chatters.join(", "),
            fans.join(", ")
        ))
        .await;
    service.run(FIGURES).await;
    fold(service).await;
    reports(service).await;
    files(service).await;
    service
        .commit(1000, &["chatter_day", "chatter_week", "chatter_month", "chatter_all", "sales_day", "fans", "files"])
        .await;
}

const FIGURES: &str = r#"
insert into views.creators select creator_id, creator, name, platform from c;
insert into views.chatters select chatter_id, chatter from h where chatter is not null;

create temporary table messages as
    select c.*, h.*, day::date as day, d, (3 * c + 5 * h + 7 * d) % 11 as x
    from c, h, generate_series(date '2026-10-21', date '2026-11-03', interval '1 day') with ordinality as days (day, d)
    where (c + h + d) % 5 > 0;
insert into views.chatter_day
    select creator_id, chatter_id, day, creator, chatter, 10 * x, 2 * x, x / 2, 999 * (x / 2), 100 * x, 4 * x, 400 * x + d,
           d, 5 * x, x / 3, nullif(40 * x, 0), nullif(90 * x, 0)
    from messages;
insert into views.chatter_week
    select creator_id, chatter_id, to_char(day, 'IYYY"-W"IW'), creator, chatter, sum(10 * x), sum(2 * x), sum(x / 2),
           sum(999 * (x / 2)), sum(100 * x), sum(4 * x), sum(400 * x + d), sum(d), max(5 * x) + 3, max(x / 3), 41, 93
    from messages group by 1, 2, 3, 4, 5;
insert into views.chatter_month
    select creator_id, chatter_id, to_char(day, 'YYYY-MM'), creator, chatter, sum(10 * x), sum(2 * x), sum(x / 2),
           sum(999 * (x / 2)), sum(100 * x), sum(4 * x), sum(400 * x + d), sum(d), max(5 * x) + 4, max(x / 3), 42, 94
    from messages group by 1, 2, 3, 4, 5;
insert into views.chatter_all
    select creator_id, chatter_id, creator, chatter, sum(10 * x), sum(2 * x), sum(x / 2),
           sum(999 * (x / 2)), sum(100 * x), sum(4 * x), sum(400 * x + d), sum(d), max(5 * x) + 5, max(x / 3), 43, 95
    from messages where not (c = 2 and h = 1) group by 1, 2, 3, 4;
insert into views.chatter_hour
    select creator_id, chatter_id, (day + time '01:00' + x * interval '1 hour') at time zone 'UTC', creator, chatter,
           10 * x, 2 * x, x / 2, 999 * (x / 2), 100 * x, 4 * x, 400 * x, d, 5 * x, x / 3, nullif(40 * x, 0), nullif(90 * x, 0),
           300 * x, 240 * x, x, 80 * (x % 2), x % 2
    from messages;
-- The hour that occurs twice in Belgrade.
insert into views.chatter_hour
    select creator_id, chatter_id, hour, creator, chatter, 1, 0, 0, 0, 12, 0, 0, 0 from c, h,
           unnest(array[timestamptz '2026-10-25 00:00Z', '2026-10-25 01:00Z']) hour where c = 0 and h = 0
    on conflict do nothing;

insert into views.sales_day
    select creator_id, chatter_id, day::date, type, creator, chatter, 1000 * (c + h + d), 800 * (c + h + d), c + h + 1,
           case when d % 4 = 0 then 480 else 0 end, case when d % 4 = 0 then 1 else 0 end
    from c, h, generate_series(date '2026-10-21', date '2026-11-03', interval '1 day') with ordinality as days (day, d),
         unnest(array['Messages', 'Tips', 'Subscription']) with ordinality as types (type, t)
    where (c + 2 * h + d + t) % 4 = 0;
insert into views.hours_day
    select creator_id, chatter_id, day::date, creator, chatter,
           case when d % 6 = 0 then null when d % 6 = 1 then 0 else 450 + 7 * d end, 480, 0, 0, 0
    from c, h, generate_series(date '2026-10-21', date '2026-11-03', interval '1 day') with ordinality as days (day, d)
    where chatter is not null and (c + h + d) % 3 > 0;

insert into views.creator_day
    select creator_id, day::date, creator, 100 + 10 * c + d, 999 * d, d % 2, 480 * (d % 2), 3, 20 + d,
           jsonb_build_object('Tips', jsonb_build_object('count', d, 'gross_cents', 1000 * d, 'net_cents', 800 * d)),
           jsonb_build_object('net', jsonb_build_object('tips', 800 * d, 'streams', null))
    from c, generate_series(date '2026-10-21', date '2026-11-03', interval '1 day') with ordinality as days (day, d)
    where not (c = 1 and d = 5);

insert into views.fan_measures
    select creator_id, fan_id, creator, platform, username, case when n % 4 > 0 then 'Nick' || n % 7 end,
           n % 9, n % 5, least(n % 5, n % 3), n % 4, 500 * (n % 6), 700 * (n % 13), 100 * (n % 3), n % 3, spend,
           case when spend >= 100000 then 'whale' when spend >= 10000 then 'regular' when spend > 0 then 'spender'
                else 'non-spender' end,
           timestamptz '2026-10-21 08:00Z' + n * interval '1 hour', seen, purchase,
           (purchase at time zone 'Europe/Belgrade')::date,
           case when purchase is not null then 1 + n % 5 end, case when purchase is not null then 1 + n % 4 end,
           case when purchase is not null then 1 + n % 3 end,
           case when purchase is not null then (array['Champions', 'Can''t Lose', 'Lost', 'Others'])[1 + n % 4] end,
           'Cluster ' || n % 5
    from (select f.*, c.*, (case when n % 3 = 0 then 0 else n * n * 13 end)::bigint as spend,
                 timestamptz '2026-10-24 20:00Z' + n * interval '1 hour' as seen,
                 case when n % 5 > 1 then timestamptz '2026-10-24 20:30Z' + (n / 2) * interval '1 hour' end as purchase
          from f join c on c = n % 3) fans;
insert into views.as_of values (1, date '2026-11-04');

-- Seven days of every fan, with the creator of above, and some with another one too.
insert into views.fan_day
    select fan_id, creator_id, day::date, creator, platform, username, case when n % 4 > 0 then 'Nick' || n % 7 end, (n + d) % 9, (n + d) % 4,
           (n + d) % 3, (n + d) % 2, 500 * ((n + d) % 2), 700 * ((n * d) % 13), 100 * (n % 3), n % 3, case when d = 4 then 1 else 0 end
    from f join c on c = n % 3 or n % 10 = 1 and c = 0,
         generate_series(date '2026-10-24', date '2026-10-30', interval '1 day') with ordinality as days (day, d);

insert into views.template_day
    select chatter_id, day::date, chatter, 10 * d, d, nullif(d / 2, 0), null, 2.5 * d
    from h, generate_series(date '2026-10-21', date '2026-10-24', interval '1 day') with ordinality as days (day, d)
    where chatter is not null;
"#;

/// Adds sales and worked time to the measures of each window, as the dataflow does.
pub async fn fold(service: &Service) {
    for (window, column, period) in [
        ("day", "day, ", "day, "),
        ("week", "week, ", "to_char(day, 'IYYY\"-W\"IW'), "),
        ("month", "month, ", "to_char(day, 'YYYY-MM'), "),
        ("all", "", ""),
    ] {
        let key = format!("creator_id, chatter_id, {column}").trim_end_matches(", ").to_owned();
        let of_sales = "sales_gross_cents, sales_net_cents, sales_count, reversed_net_cents, reversed_count";
        let of_both = format!("{of_sales}, clocked_minutes, scheduled_minutes");
        let sums = "sum(gross_cents), sum(net_cents), sum(count), sum(reversed_net_cents), sum(reversed_count), \
                    sum(clocked_minutes), sum(scheduled_minutes)";
        let kept: Vec<String> = of_both.split(", ").map(|name| format!("{name} = excluded.{name}")).collect();
        service
            .run(&format!(
                "with parts as (
                     select creator_id, chatter_id, creator, chatter, day, gross_cents, net_cents, count, reversed_net_cents,
                            reversed_count, null::bigint as clocked_minutes, null::bigint as scheduled_minutes
                     from views.sales_day
                     union all
                     select creator_id, chatter_id, creator, chatter, day, 0, 0, 0, 0, 0, clocked_minutes, scheduled_minutes
                     from views.hours_day)
                 insert into views.chatter_{window} (creator_id, chatter_id, {column}creator, chatter, messages_sent, ppvs_sent,
                     ppvs_unlocked, ppv_sales_cents, characters, replies, reply_seconds_sum, mass_messages, fans_chatted,
                     fans_spent, {of_both})
                 select creator_id, chatter_id, {period}max(creator), max(chatter), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {sums}
                 from parts group by {period}creator_id, chatter_id
                 on conflict ({key}) do update set {}",
                kept.join(", ")
            ))
            .await;
    }
}

/// Sixty rows of employees' reports, of days and of weeks, in two sheets of three files, two of which have one name. One row
/// in three agrees; some report no figure at all; some are of two creators, one of whom has no name.
async fn reports(service: &Service) {
    let id = |file: &str| file_id(file).cast_signed();
    service
        .run(&format!(
            "insert into views.reconciliation_rows
             select (array[{may}, {june}, {other}])[1 + n % 3], n % 2, 2 + n / 6, (array['may.xlsx', 'june.xlsx', 'may.xlsx'])[1 + n % 3],
                    (array['Detailed breakdown', null])[1 + n % 2], chatter_id, chatter,
                    case n / 3 % 4 when 0 then '[{tania}]' when 1 then '[{leya}, {tania}]' when 2 then '[{mia}, 77]' else '[{leya}]'
                    end::jsonb,
                    day, day + length, day || ' 00:00:00', day + length || ' 23:59:59',
                    x + off, x / 3 + off / 2, nullif(x / 7, 2), case when n % 5 > 0 then x / 2 - off end, 999 * (x / 7) + 100 * off,
                    1700 * x - 333 * off,
                    x, x / 3, x / 7, x / 2, 999 * (x / 7), 1700 * x
             from generate_series(0, 59) n join h on h = n % 4,
                  lateral (select n * 7 % 41 as x, date '2026-10-21' + n % 10 as day, case when n % 5 = 1 then 6 else 0 end as length,
                                  case when n % 3 = 0 then 0 when n % 11 = 1 then null else n % 7 - 3 end as off) figures;
             update views.reconciliation_rows set reported_ppvs_unlocked = null where reported_messages_sent is null",
            may = id("inbox:may.xlsx"),
            june = id("inbox:june.xlsx"),
            other = id("drive:may.xlsx"),
            tania = creator(0),
            leya = creator(1),
            mia = creator(2),
        ))
        .await;
}

/// Four files that a source has shown (live, live with rejects, failed, gone) and one of which only sheets are known.
async fn files(service: &Service) {
    let id = |file: &str| file_id(file).cast_signed();
    service
        .run(&format!(
            r#"
            insert into app.uploads (file, source, name, partition, state, version, live_version, live_rows, size_bytes,
                modified_at, exported_at, rows_read, accepted, rejected, warnings, error, attempts, first_seen_at, updated_at)
            values
            ('inbox:a.xlsx', 'inbox', 'a.xlsx', 3, 'live', 11, 11, 40, 2048, '2026-10-30 08:15Z', '2026-10-30 08:15Z',
                45, 40, 5, '{{"excel error": 2}}', null, 1, '2026-11-01 10:00Z', '2026-11-01 10:00:02Z'),
            ('inbox:later/b.csv', 'inbox', 'later/b.csv', 1, 'publishing', 13, 12, 7, 512, '2026-11-01 08:00Z', null,
                null, null, null, '{{}}', null, 0, '2026-11-01 10:00Z', '2026-11-01 10:00:03Z'),
            ('inbox:broken.xlsx', 'inbox', 'broken.xlsx', 7, 'failed', 1, null, null, 10, '2026-11-01 08:00Z', null,
                null, null, null, '{{}}', 'the file is not a zip archive; export it again', 3, '2026-11-01 10:00Z',
                '2026-11-01 10:00:04Z'),
            ('inbox:old.xlsx', 'inbox', 'old.xlsx', 2, 'gone', 2, null, null, 10, '2026-11-01 08:00Z', null, 3, 3, 0, '{{}}',
                null, 1, '2026-11-01 09:00Z', '2026-11-01 09:30Z');
            insert into views.files values
            ({a}, 1, 'a.xlsx', 'Notes', null, false, 11, '2026-10-30 08:15Z', '2026-10-30 08:15Z', 0, 0, 0, '[]', 0, 0, '{{}}'),
            ({a}, 0, 'a.xlsx', 'Message Dashboard', 'message', true, 11, '2026-10-30 08:15Z', '2026-10-30 08:15Z', 45, 40, 5,
                '[{{"row": 7, "reason": "unreadable price"}}]', 4, 2, '{{"excel error": 2}}'),
            ({b}, 0, 'later/b.csv', null, 'chatter_day', true, 12, '2026-11-01 08:00Z', '2026-11-01 08:00Z', 7, 7, 0, '[]', 1,
                0, '{{}}'),
            ({x}, 0, 'elsewhere.xlsx', 'Sales record', 'sale', true, 5, '2026-11-01 08:00Z', '2026-11-01 08:00Z', 9, 8, 1,
                '[{{"row": 3, "reason": "missing creator"}}]', 0, 0, '{{}}');
            "#,
            a = id("inbox:a.xlsx"),
            b = id("inbox:later/b.csv"),
            x = id("drive:elsewhere"),
        ))
        .await;
}

/// Seven tasks, of which two have never gone well, and seven mappings and settings of folders of two sources.
pub async fn tasks_and_mappings(service: &Service) {
    service
        .run(
            r#"
            insert into app.tasks (task, kind, state, last_success_at)
            select 'source ' || n, case when n < 3 then 'source' else 'archive' end, (array['ok', 'failing', 'stopped'])[1 + n % 3],
                   case when n > 1 then timestamptz '2026-11-01 10:00Z' + n % 3 * interval '1 minute' end
            from generate_series(0, 6) n;
            insert into app.mappings (name, source, folder, kind, definition, created_at)
            select 'mapping ' || n, (array['uploads', 'inbox'])[1 + n % 2], 'crm', 'message',
                   jsonb_build_object('name', 'mapping ' || n, 'kind', 'message', 'columns', '{}'::jsonb),
                   timestamptz '2026-11-01 10:00Z' + n / 2 * interval '1 minute'
            from generate_series(0, 6) n;
            insert into app.folder_settings (source, folder, platform, interval_ms, changed_by, changed_at)
            select (array['uploads', 'inbox'])[1 + n % 2], 'folder ' || n / 2, case when n > 1 then 'OF' end, case when n < 3 then n * 1000 + 10 end,
                   'admin@example.com', timestamptz '2026-11-01 10:00Z' + n / 2 * interval '1 minute'
            from generate_series(0, 6) n;
            "#,
        )
        .await;
}
