-- An index for every order in which a list is shown. Of a list that can be turned around one index serves both directions;
-- where a key can be null, rows with and without it are read as two ranges.
create index creators_by_name on views.creators (lower(creator), creator_id desc);
create index chatters_by_name on views.chatters (lower(chatter), chatter_id desc);

create index fan_measures_by_last_purchase on views.fan_measures (last_purchase desc, creator_id, fan_id);
create index fan_measures_by_messages on views.fan_measures (messages_received desc, creator_id, fan_id);
create index fan_measures_by_r on views.fan_measures (r desc, creator_id, fan_id);
create index fan_measures_by_f on views.fan_measures (f desc, creator_id, fan_id);
create index fan_measures_by_m on views.fan_measures (m desc, creator_id, fan_id);

create index sales_day_by_creator on views.sales_day (lower(creator) desc, day desc, creator_id, chatter_id, type);
create index sales_day_by_chatter_name on views.sales_day (lower(chatter) desc, day desc, creator_id, chatter_id, type);
create index sales_day_by_type on views.sales_day (type desc, day desc, creator_id, chatter_id);
create index sales_day_by_net on views.sales_day (net_cents desc, day desc, creator_id, chatter_id, type);
create index sales_day_by_gross on views.sales_day (gross_cents desc, day desc, creator_id, chatter_id, type);
create index sales_day_by_count on views.sales_day (count desc, day desc, creator_id, chatter_id, type);
create index sales_day_by_reversed on views.sales_day (reversed_net_cents desc, day desc, creator_id, chatter_id, type);

create index template_day_by_chatter on views.template_day (lower(chatter) desc, day desc, chatter_id);
create index reconciliation_rows_by_day on views.reconciliation_rows (first_day, file, position, row_number, file_id);

-- How far a report and the rows are apart, whichever way, as columns by which the list can be sorted.
create or replace view views.reconciliation as
    select r.file_id, r.position, r.file, r.sheet, r.row_number as row, r.chatter_id, r.chatter as employee, r.creator_ids,
        (select jsonb_agg(coalesce(c.creator, e.id) order by e.place)
            from jsonb_array_elements_text(r.creator_ids) with ordinality e (id, place)
            left join views.creators c on c.creator_id = e.id::bigint) as creators,
        r.first_day, r.last_day, r.period_start as start, r.period_end as "end", r.differs,
        jsonb_build_object('messages_sent', r.reported_messages_sent, 'ppvs_sent', r.reported_ppvs_sent, 'ppvs_unlocked', r.reported_ppvs_unlocked, 'fans_chatted', r.reported_fans_chatted, 'ppv_sales_cents', r.reported_ppv_sales_cents, 'sales_net_cents', r.reported_sales_net_cents) as reported,
        jsonb_build_object('messages_sent', r.messages_sent, 'ppvs_sent', r.ppvs_sent, 'ppvs_unlocked', r.ppvs_unlocked, 'fans_chatted', r.fans_chatted, 'ppv_sales_cents', r.ppv_sales_cents, 'sales_net_cents', r.sales_net_cents) as computed,
        jsonb_build_object('messages_sent', r.reported_messages_sent - r.messages_sent, 'ppvs_sent', r.reported_ppvs_sent - r.ppvs_sent, 'ppvs_unlocked', r.reported_ppvs_unlocked - r.ppvs_unlocked, 'fans_chatted', r.reported_fans_chatted - r.fans_chatted, 'ppv_sales_cents', r.reported_ppv_sales_cents - r.ppv_sales_cents, 'sales_net_cents', r.reported_sales_net_cents - r.sales_net_cents) as difference,
        abs(r.reported_messages_sent - r.messages_sent) as apart_messages_sent,
        abs(r.reported_ppvs_sent - r.ppvs_sent) as apart_ppvs_sent,
        abs(r.reported_ppvs_unlocked - r.ppvs_unlocked) as apart_ppvs_unlocked,
        abs(r.reported_fans_chatted - r.fans_chatted) as apart_fans_chatted,
        abs(r.reported_ppv_sales_cents - r.ppv_sales_cents) as apart_ppv_sales_cents,
        abs(r.reported_sales_net_cents - r.sales_net_cents) as apart_sales_net_cents
    from views.reconciliation_rows r;

create index reconciliation_rows_by_messages_sent on views.reconciliation_rows (abs(reported_messages_sent - messages_sent), file, position, row_number, file_id);
create index reconciliation_rows_by_ppvs_sent on views.reconciliation_rows (abs(reported_ppvs_sent - ppvs_sent), file, position, row_number, file_id);
create index reconciliation_rows_by_ppvs_unlocked on views.reconciliation_rows (abs(reported_ppvs_unlocked - ppvs_unlocked), file, position, row_number, file_id);
create index reconciliation_rows_by_fans_chatted on views.reconciliation_rows (abs(reported_fans_chatted - fans_chatted), file, position, row_number, file_id);
create index reconciliation_rows_by_ppv_sales_cents on views.reconciliation_rows (abs(reported_ppv_sales_cents - ppv_sales_cents), file, position, row_number, file_id);
create index reconciliation_rows_by_sales_net_cents on views.reconciliation_rows (abs(reported_sales_net_cents - sales_net_cents), file, position, row_number, file_id);
