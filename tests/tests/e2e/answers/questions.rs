//! What the API is asked, and the same question in SQL: over the tables of the views, with names and ratios made anew.

/// A question to the API, and the statement that selects the list it must answer, in its order.
pub struct Question {
    /// The path below `/api/v1/`.
    pub path: String,
    /// The parameters.
    pub parameters: Vec<(&'static str, String)>,
    /// Selects the items as one JSON array.
    pub sql: String,
}

fn question(path: &str, parameters: &[(&'static str, &str)], sql: String) -> Question {
    let parameters = parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Question { path: path.to_owned(), parameters, sql }
}

const CREATOR: &str = "(select creator from views.creators n where n.creator_id = g.creator_id)";
const CHATTER: &str = "(select chatter from views.chatters n where n.chatter_id = g.chatter_id)";

/// A list of `item` (members of an object, as SQL) over `from`, in this order.
fn list(members: &str, from: &str, order: &str) -> String {
    format!("select coalesce(jsonb_agg(jsonb_build_object({members}) order by {order}), '[]') from {from}")
}

/// Members that are columns.
fn columns(names: &str) -> String {
    names.split_whitespace().map(|name| format!("'{name}', g.{name}")).collect::<Vec<_>>().join(", ")
}

fn ids() -> String {
    format!(
        "'creator_id', g.creator_id::text, 'creator', {CREATOR}, 'chatter_id', g.chatter_id::text, 'chatter', {CHATTER}"
    )
}

fn ratio(name: &str, part: &str, whole: &str) -> String {
    format!("'{name}', {part}::float8 / nullif({whole}, 0)")
}

/// The measures that do not depend on worked time; `g` has the sums.
fn measures() -> String {
    [
        columns(
            "messages_sent ppvs_sent ppvs_unlocked ppv_sales_cents fans_chatted fans_spent characters replies \
             reply_seconds_sum reply_seconds_p50 reply_seconds_p90 mass_messages sales_gross_cents sales_net_cents \
             sales_count reversed_net_cents reversed_count clocked_minutes scheduled_minutes",
        ),
        ratio("golden_ratio", "g.ppvs_sent", "g.messages_sent"),
        ratio("unlock_rate", "g.ppvs_unlocked", "g.ppvs_sent"),
        ratio("fan_cvr", "g.fans_spent", "g.fans_chatted"),
        ratio("avg_earnings_per_spender_cents", "g.ppv_sales_cents", "g.fans_spent"),
        ratio("reply_seconds_mean", "g.reply_seconds_sum", "g.replies"),
        "'sales_per_hour_cents', g.sales_net_cents::float8 * 60 / nullif(g.clocked_minutes, 0)".to_owned(),
        "'messages_per_hour', g.messages_sent::float8 * 60 / nullif(g.clocked_minutes, 0)".to_owned(),
        "'fans_per_hour', g.fans_chatted::float8 * 60 / nullif(g.clocked_minutes, 0)".to_owned(),
    ]
    .join(", ")
}

/// The measures of a window other than the hour: every group that has messages, sales or worked time.
fn performance(window: &str, condition: &str, order: &str) -> String {
    let (own, of_day) = match window {
        "day" => ("day", "day"),
        "week" => ("week", "to_char(day, 'IYYY-\"W\"IW')"),
        "month" => ("month", "to_char(day, 'YYYY-MM')"),
        _ => ("''::text", "''::text"),
    };
    let label = if window == "all" { String::new() } else { format!("'{window}', g.period, ") };
    let from = format!(
        "(select creator_id, chatter_id, period, sum(messages_sent)::bigint as messages_sent, sum(ppvs_sent)::bigint as ppvs_sent,
            sum(ppvs_unlocked)::bigint as ppvs_unlocked, sum(ppv_sales_cents)::bigint as ppv_sales_cents,
            sum(fans_chatted)::bigint as fans_chatted, sum(fans_spent)::bigint as fans_spent, sum(characters)::bigint as characters,
            sum(replies)::bigint as replies, sum(reply_seconds_sum)::bigint as reply_seconds_sum, max(p50) as reply_seconds_p50,
            max(p90) as reply_seconds_p90, sum(mass_messages)::bigint as mass_messages, sum(gross)::bigint as sales_gross_cents,
            sum(net)::bigint as sales_net_cents, sum(count)::bigint as sales_count, sum(reversed_net)::bigint as reversed_net_cents,
            sum(reversed)::bigint as reversed_count, sum(clocked)::bigint as clocked_minutes,
            sum(scheduled)::bigint as scheduled_minutes
          from (
            select creator_id, chatter_id, {own} as period, messages_sent, ppvs_sent, ppvs_unlocked, ppv_sales_cents, fans_chatted,
                fans_spent, characters, replies, reply_seconds_sum, reply_seconds_p50 as p50, reply_seconds_p90 as p90,
                mass_messages, 0 as gross, 0 as net, 0 as count, 0 as reversed_net, 0 as reversed, null::bigint as clocked,
                null::bigint as scheduled
            from views.chatter_{window}
            union all
            select creator_id, chatter_id, {of_day}, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, null, 0, gross_cents, net_cents, count,
                reversed_net_cents, reversed_count, null, null
            from views.sales_day
            union all
            select creator_id, chatter_id, {of_day}, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, null, 0, 0, 0, 0, 0, 0, clocked_minutes,
                scheduled_minutes
            from views.hours_day
          ) parts group by 1, 2, 3) g where {condition}"
    );
    list(&format!("{label}{}, {}", ids(), measures()), &from, order)
}

/// The same of an hour, with the offset of the reporting zone.
fn hours(zone: &str, condition: &str) -> String {
    let local = format!("(g.hour at time zone '{zone}')");
    let shown = format!(
        "to_char({local}, 'YYYY-MM-DD\"T\"HH24:MI:SS') || case when {local} < g.hour at time zone 'UTC' then '-' else '+' end
         || to_char(greatest({local} - g.hour at time zone 'UTC', g.hour at time zone 'UTC' - {local}), 'HH24:MI')"
    );
    let from = format!(
        "(select *, null::bigint as clocked_minutes, null::bigint as scheduled_minutes from views.chatter_hour) g where {condition}"
    );
    list(&format!("'hour', {shown}, {}, {}", ids(), measures()), &from, "g.hour desc, g.creator_id, g.chatter_id")
}

fn fans(condition: &str, order: &str) -> String {
    let members = [
        format!("'creator_id', g.creator_id::text, 'creator', {CREATOR}, 'fan_id', g.fan_id::text"),
        "'platform', n.platform, 'username', n.username, 'nickname', n.nickname".to_owned(),
        columns(
            "messages_received messages_replied ppvs_received ppvs_unlocked ppv_spend_cents sales_net_cents tips_net_cents \
             spend_cents spend_class purchase_days first_seen last_seen last_purchase r f m segment cluster",
        ),
        ratio("unlock_rate", "g.ppvs_unlocked", "g.ppvs_received"),
        "'r_days', (select day from views.as_of) - g.last_purchase_day".to_owned(),
    ];
    let from = format!("views.fan_measures g left join views.fan_names n using (fan_id) where {condition}");
    list(&members.join(", "), &from, order)
}

/// The clusters, made anew of the fans.
fn clusters(zone: &str) -> String {
    let mean = |of: &str| format!("g.{of}::float8 / g.size");
    let members = [
        columns("cluster size spend_cents"),
        ratio(
            "share_of_spend",
            "g.spend_cents",
            "(select sum(spend_cents) from views.fan_measures where cluster is not null)",
        ),
        format!("'mean_spend_cents', {}, 'mean_messages_received', {}", mean("spend_cents"), mean("messages")),
        format!("'mean_purchase_days', {}, 'mean_unlock_rate', {} / 1e6", mean("days"), mean("millionths")),
        format!("'mean_tenure_days', {} / 86400", mean("tenure")),
        "'mean_days_since_seen', (select day - date '1970-01-01' from views.as_of) - g.seen::float8 / g.size"
            .to_owned(),
    ];
    let sums = format!(
        "(select cluster, count(*) as size, sum(spend_cents)::bigint as spend_cents, sum(messages_received) as messages,
            sum(purchase_days) as days, sum(round(1000000.0 * ppvs_unlocked / greatest(ppvs_received, 1))) as millionths,
            sum(extract(epoch from last_seen - first_seen)) as tenure,
            sum((last_seen at time zone '{zone}')::date - date '1970-01-01') as seen
        from views.fan_measures where cluster is not null group by 1) g"
    );
    list(&members.join(", "), &sums, "spend_cents desc, cluster")
}

fn moves(condition: &str) -> String {
    let order = "day desc, from_cluster desc, to_cluster desc";
    list(&columns("day from_cluster to_cluster fans"), &format!("views.fan_moves g where {condition}"), order)
}

fn sales(condition: &str) -> String {
    let members =
        format!("{}, {}", ids(), columns("day type gross_cents net_cents count reversed_net_cents reversed_count"));
    list(&members, &format!("views.sales_day g where {condition}"), "day desc, creator_id, chatter_id, type")
}

fn template(condition: &str) -> String {
    let members = format!(
        "'chatter_id', g.chatter_id::text, 'chatter', {CHATTER}, {}",
        columns("day messages_sent ppvs_sent ppvs_unlocked fans_chatted avg_response_minutes")
    );
    list(&members, &format!("views.template_day g where {condition}"), "day desc, chatter_id")
}

fn daily(condition: &str) -> String {
    let members = format!(
        "'creator_id', g.creator_id::text, 'creator', {CREATOR}, {}",
        columns(
            "day messages ppv_sales_cents reversed_count reversed_net_cents active_chatters active_fans sales reported"
        )
    );
    list(&members, &format!("views.creator_day g where {condition}"), "day, creator_id desc")
}

/// Files with their live sheets. The id of a file is a hash that SQL does not know: it is left out.
fn files(condition: &str) -> String {
    let sheets = "(select coalesce(jsonb_agg(jsonb_build_object('position', position, 'sheet', sheet, 'kind', kind, 'recognised',
            recognised, 'rows_read', rows_read, 'accepted', accepted, 'rejected_count', rejected_count, 'rejected', rejected,
            'duplicates', duplicates, 'doubtful_times', doubtful_times, 'warnings', warnings) order by position), '[]')
        from views.files s where s.file = g.name)";
    let sum = |name: &str| format!("'{name}', (select sum({name})::bigint from views.files s where s.file = g.name)");
    let members = [
        columns(
            "file name source state error version live_version size_bytes modified_at exported_at rows_read accepted warnings \
             attempts first_seen_at updated_at",
        ),
        "'rejected_count', g.rejected".to_owned(),
        sum("duplicates"),
        sum("doubtful_times"),
        format!("'sheets', {sheets}"),
    ];
    list(&members.join(", "), &format!("app.uploads g where {condition}"), "name, file desc")
}

/// What platforms reported beside what the rows say; a difference is made anew.
fn reconciliation(condition: &str) -> String {
    let names = "messages_sent ppvs_sent ppvs_unlocked fans_chatted ppv_sales_cents sales_net_cents".split_whitespace();
    let figures = |sql: &dyn Fn(&str) -> String| {
        let members: Vec<String> = names.clone().map(|name| format!("'{name}', {}", sql(name))).collect();
        format!("jsonb_build_object({})", members.join(", "))
    };
    let ids = "(select coalesce(jsonb_agg({} order by place), '[]')
        from jsonb_array_elements_text(g.creator_ids) with ordinality as ids (id, place))";
    let members = [
        "'file_id', g.file_id::text, 'chatter_id', g.chatter_id::text, 'row', g.row_number".to_owned(),
        columns("file position sheet first_day last_day differs"),
        format!("'employee', {CHATTER}, 'start', g.period_start, 'end', g.period_end"),
        format!("'creator_ids', {}", ids.replace("{}", "id")),
        format!(
            "'creators', {}",
            ids.replace("{}", "(select creator from views.creators n where n.creator_id = id::bigint)")
        ),
        format!("'reported', {}", figures(&|name| format!("g.reported_{name}"))),
        format!("'computed', {}", figures(&|name| format!("g.{name}"))),
        format!("'difference', {}", figures(&|name| format!("g.reported_{name} - g.{name}"))),
    ];
    list(
        &members.join(", "),
        &format!("views.reconciliation_rows g where {condition}"),
        "g.file, g.position, g.row_number, g.file_id",
    )
}

/// The totals of a day, summed over the measures of that day.
pub fn totals(day: &str, condition: &str) -> String {
    let sum = |name: &str, table: &str| {
        format!("(select coalesce(sum({name}), 0)::bigint from views.{table} g where day = '{day}' and {condition})")
    };
    let measured = |name: &str| sum(name, "chatter_day");
    let members: Vec<String> = [
        ("messages_sent", measured("messages_sent")),
        ("ppvs_sent", measured("ppvs_sent")),
        ("ppvs_unlocked", measured("ppvs_unlocked")),
        ("ppv_sales_cents", measured("ppv_sales_cents")),
        ("characters", measured("characters")),
        ("replies", measured("replies")),
        ("mass_messages", measured("mass_messages")),
        ("sales_gross_cents", sum("gross_cents", "sales_day")),
        ("sales_net_cents", sum("net_cents", "sales_day")),
        ("sales_count", sum("count", "sales_day")),
        ("reversed_net_cents", sum("reversed_net_cents", "sales_day")),
        ("reversed_count", sum("reversed_count", "sales_day")),
        ("golden_ratio", format!("{}::float8 / nullif({}, 0)", measured("ppvs_sent"), measured("messages_sent"))),
        ("unlock_rate", format!("{}::float8 / nullif({}, 0)", measured("ppvs_unlocked"), measured("ppvs_sent"))),
        ("reply_seconds_mean", format!("{}::float8 / nullif({}, 0)", measured("reply_seconds_sum"), measured("replies"))),
        (
            "clocked_minutes",
            format!("(select sum(clocked_minutes)::bigint from views.hours_day g where day = '{day}' and {condition})"),
        ),
        (
            "active_chatters",
            format!(
                "(select count(distinct chatter) from views.chatter_day g where day = '{day}' and messages_sent > 0 and {condition})"
            ),
        ),
    ]
    .into_iter()
    .map(|(name, sql)| format!("'{name}', {sql}"))
    .collect();
    format!("select jsonb_build_object({})", members.join(", "))
}

/// An agency, as far as questions name something of it.
pub struct Names<'a> {
    /// The reporting zone.
    pub zone: &'a str,
    /// A creator, as it is shown.
    pub creator: &'a str,
    /// A chatter.
    pub chatter: &'a str,
    /// The first and the last day of a range that has figures, and has others around it.
    pub days: (&'a str, &'a str),
    /// An ISO week that has figures.
    pub week: &'a str,
    /// A month that has figures.
    pub month: &'a str,
}

/// A question for every list of the API, in every window, and with each kind of filter.
pub fn questions(names: &Names<'_>) -> Vec<Question> {
    let Names { zone, creator, chatter, days: (from, to), week, month } = *names;
    let path = "chatters/performance";
    let by_ids = "period desc, creator_id, chatter_id";
    let by_name = format!("lower({CREATOR}) nulls last, creator_id desc, chatter_id desc");
    let between = format!("period between '{from}' and '{to}'");
    let of_creator = format!("{CREATOR} = '{creator}'");
    let of_chatter = format!("{CHATTER} = '{chatter}'");
    let net = "g.sales_net_cents desc, period desc, creator_id, chatter_id";
    let clocked = "g.clocked_minutes nulls last, period, creator_id desc, chatter_id desc";
    let in_days = format!("day between '{from}' and '{to}'");
    let hours_from = format!("{from}T05:00:00Z");
    let hours_condition = format!("hour between '{from} 05:00Z' and '{to} 05:00Z'");
    vec![
        question(path, &[], performance("day", "true", by_ids)),
        question(path, &[("window", "day"), ("from", from), ("to", to)], performance("day", &between, by_ids)),
        question(path, &[("creator", creator)], performance("day", &of_creator, by_ids)),
        question(path, &[("chatter", chatter)], performance("day", &of_chatter, by_ids)),
        question(path, &[("sort", "-sales_net_cents")], performance("day", "true", net)),
        question(path, &[("sort", "clocked_minutes")], performance("day", "true", clocked)),
        question(path, &[("window", "week")], performance("week", "true", by_ids)),
        question(
            path,
            &[("window", "week"), ("from", week), ("to", week)],
            performance("week", &format!("period = '{week}'"), by_ids),
        ),
        question(path, &[("window", "month")], performance("month", "true", by_ids)),
        question(
            path,
            &[("window", "month"), ("from", month), ("to", month)],
            performance("month", &format!("period = '{month}'"), by_ids),
        ),
        question(path, &[("window", "all")], performance("all", "true", &by_name)),
        question(path, &[("window", "hour")], hours(zone, "true")),
        question(
            path,
            &[("window", "hour"), ("from", &hours_from), ("to", &format!("{to}T05:00:00Z"))],
            hours(zone, &hours_condition),
        ),
        question("fans", &[], fans("true", "spend_cents desc, creator_id, fan_id")),
        question("fans", &[("creator", creator)], fans(&of_creator, "spend_cents desc, creator_id, fan_id")),
        question(
            "fans",
            &[("segment", "Champions,Lost"), ("sort", "r_days")],
            fans("segment in ('Champions', 'Lost')", "g.last_purchase desc nulls last, creator_id, fan_id"),
        ),
        question("clusters", &[], clusters(zone)),
        question("clusters/moves", &[], moves("true")),
        question("clusters/moves", &[("from", from), ("to", to)], moves(&in_days)),
        question(
            "creators",
            &[],
            list(
                "'creator_id', g.creator_id::text, 'creator', creator, 'name', name, 'platform', platform",
                "views.creators g",
                "lower(creator), creator_id desc",
            ),
        ),
        question(
            "chatters",
            &[],
            list(
                "'chatter_id', g.chatter_id::text, 'chatter', chatter",
                "views.chatters g",
                "lower(chatter), chatter_id desc",
            ),
        ),
        question(&format!("creators/{creator}/daily"), &[], daily(&of_creator)),
        question(
            &format!("creators/{creator}/daily"),
            &[("from", from), ("to", to)],
            daily(&format!("{of_creator} and {in_days}")),
        ),
        question("sales", &[], sales("true")),
        question(
            "sales",
            &[("from", from), ("to", to), ("type", "tips")],
            sales(&format!("{in_days} and type = 'Tips'")),
        ),
        question("files", &[], files("true")),
        question("files", &[("state", "failed,gone")], files("state in ('failed', 'gone')")),
        question("reconciliation", &[], reconciliation("differs")),
        question("reconciliation", &[("only", "all")], reconciliation("true")),
        question(
            "reconciliation",
            &[("only", "all"), ("chatter", chatter), ("from", from), ("to", to)],
            reconciliation(&format!("{of_chatter} and first_day <= '{to}' and last_day >= '{from}'")),
        ),
        question("template", &[], template("true")),
        question("template", &[("from", from), ("to", to)], template(&in_days)),
    ]
}
