//! `/reconciliation` against the table that it is made of.

use serde_json::{Value, json};

use crate::fixture::{self, chatter, creator};
use crate::service::{Service, assert_same};

const FIGURES: [&str; 6] =
    ["messages_sent", "ppvs_sent", "ppvs_unlocked", "fans_chatted", "ppv_sales_cents", "sales_net_cents"];

/// The rows of which a condition holds, in this order, made of the table alone.
fn expected(condition: &str, order: &str) -> String {
    let object = |figure: &dyn Fn(&str) -> String| {
        let members: Vec<String> = FIGURES.iter().map(|name| format!("'{name}', {}", figure(name))).collect();
        format!("jsonb_build_object({})", members.join(", "))
    };
    let (reported, computed, difference) = (
        object(&|name| format!("reported_{name}")),
        object(&|name| name.to_owned()),
        object(&|name| format!("reported_{name} - {name}")),
    );
    format!(
        "with t as (
            select r.*, exists (select from jsonb_each_text({difference}) d where d.value::bigint <> 0) as differs_by_hand,
                   abs(reported_sales_net_cents - sales_net_cents) as off
            from views.reconciliation_rows r
        )
        select jsonb_agg(jsonb_build_object(
            'file_id', file_id::text, 'file', file, 'position', position, 'sheet', sheet, 'row', row_number,
            'chatter_id', chatter_id::text, 'employee', chatter,
            'creator_ids', (select coalesce(jsonb_agg(id::text), '[]') from jsonb_array_elements_text(creator_ids) id),
            'creators', (select coalesce(jsonb_agg(coalesce((select creator from views.creators c where c.creator_id::text = id), id)), '[]')
                from jsonb_array_elements_text(creator_ids) id),
            'first_day', first_day, 'last_day', last_day, 'start', period_start, 'end', period_end,
            'differs', differs_by_hand, 'reported', {reported}, 'computed', {computed}, 'difference', {difference}
        ) order by {order}) from t where {condition}"
    )
}

const BY_FILE: &str = "file, position, row_number, file_id";

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_by_every_filter() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let (leya, mila) = (creator(1).to_string(), chatter(2).to_string());
    let id = service
        .select("select jsonb_agg(distinct file_id::text) from views.reconciliation_rows where file = 'may.xlsx'")
        .await;
    let id = id[0].as_str().expect("an id").to_owned();
    for (asked, condition, least) in [
        (vec![], "differs_by_hand".to_owned(), 30),
        (vec![("only", "differences")], "differs_by_hand".to_owned(), 30),
        (vec![("only", "all")], "true".to_owned(), 60),
        (vec![("creator", "leya (FS)")], format!("differs_by_hand and creator_ids @> '{leya}'"), 10),
        (vec![("creator", &leya), ("only", "all")], format!("creator_ids @> '{leya}'"), 20),
        (vec![("creator", "77")], "differs_by_hand and creator_ids @> '77'".to_owned(), 5),
        (vec![("chatter", "MILA  jo")], format!("differs_by_hand and chatter_id = {mila}"), 5),
        (vec![("chatter", "0"), ("only", "all")], "chatter is null".to_owned(), 10),
        (vec![("file", "may.xlsx"), ("only", "all")], "file = 'may.xlsx'".to_owned(), 40),
        (vec![("file", &id), ("only", "all")], format!("file_id = {id}"), 20),
        (vec![("file", "may")], "false".to_owned(), 0),
        // Days within the range and weeks that begin before it; neither what ends before nor what begins after.
        (
            vec![("from", "2026-10-23"), ("to", "2026-10-24"), ("only", "all")],
            "daterange(first_day, last_day, '[]') && daterange '[2026-10-23, 2026-10-24]'".to_owned(),
            18,
        ),
        (vec![("from", "2026-10-27"), ("only", "all")], "last_day >= '2026-10-27'".to_owned(), 30),
        (vec![("to", "2026-10-21"), ("only", "all")], "first_day = '2026-10-21'".to_owned(), 5),
        (vec![("to", "2026-10-20"), ("only", "all")], "false".to_owned(), 0),
    ] {
        let stored = service.select(&expected(&condition, BY_FILE)).await;
        assert!(stored.as_array().map_or(0, Vec::len) >= least, "{asked:?} finds too few to prove anything");
        assert_same(&service.walk("/reconciliation", &asked, 7).await, &stored);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greatest_difference_first_whichever_way_it_goes() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let all = service.select("select to_jsonb(count(*)) from views.reconciliation_rows").await;
    for name in FIGURES {
        for direction in ["", "-"] {
            let sort = format!("{direction}difference_{name}");
            let items = service.walk("/reconciliation", &[("sort", &sort), ("only", "all")], 4).await;
            assert_eq!(json!(items.len()), all, "{sort}");
            let off = |item: &Value| item["difference"][name].as_i64().map(i64::abs);
            for pair in items.windows(2) {
                let ordered = match (off(&pair[0]), off(&pair[1])) {
                    (_, None) => true,
                    (None, Some(_)) => false,
                    (Some(before), Some(after)) if direction == "-" => before >= after,
                    (Some(before), Some(after)) => before <= after,
                };
                assert!(ordered, "{sort}: {pair:?}");
            }
        }
    }
    let items = service.walk("/reconciliation", &[("sort", "-difference_sales_net_cents")], 4).await;
    let order = "off desc nulls last, file desc, position desc, row_number desc, file_id desc";
    assert_same(&items, &service.select(&expected("differs_by_hand", order)).await);
    let signs: Vec<bool> =
        items.iter().filter_map(|item| Some(item["difference"]["sales_net_cents"].as_i64()? < 0)).collect();
    assert!(signs.contains(&true) && signs.contains(&false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sheet_leaves_out_differs_from_nothing() {
    let service = Service::start().await;
    fixture::fill(&service).await;
    let items = service.walk("/reconciliation", &[("only", "all")], 1000).await;
    let silent: Vec<&Value> =
        items.iter().filter(|item| FIGURES.iter().all(|name| item["reported"][name].is_null())).collect();
    assert!(!silent.is_empty());
    assert!(silent.iter().all(|item| item["differs"] == false && item["computed"]["messages_sent"].is_i64()));
    let some = items.iter().filter(|item| item["differs"] == true && item["difference"]["fans_chatted"].is_null());
    assert!(some.count() > 0, "a row may differ in one figure and leave another out");
}
