//! By which words of a header a field is known.

use fandom_schemas::rows::{Basis, Kind};

/// Words that name a field: the first ones name it best.
pub(super) fn words(kind: Kind, field: &str) -> &'static [&'static str] {
    const CHATTER: &[&str] = &[
        "chatter",
        "employee",
        "agent",
        "operator",
        "sender",
        "mitarbeiter",
        "staff",
        "worker",
        "user",
        "member",
        "name",
    ];
    const CREATOR: &[&str] =
        &["creator", "creators", "model", "talent", "performer", "profile", "page", "account", "project"];
    const FAN: &[&str] =
        &["fan", "customer", "subscriber", "recipient", "buyer", "client", "kunde", "username", "user", "member"];
    const DATE: &[&str] = &["date", "day", "datum", "tag", "timestamp", "datetime", "sent", "created", "at"];
    const MOMENT: &[&str] =
        &["timestamp", "datetime", "date", "datum", "time", "uhrzeit", "sent", "sold", "created", "at"];
    const TIME: &[&str] = &["time", "uhrzeit", "zeit", "timestamp", "datetime", "sent", "created", "at"];
    match (kind, field) {
        (Kind::Message, "sender") | (Kind::Sale, "employee") | (Kind::EmployeePeriod, "employees") => CHATTER,
        (Kind::ChatterDay, "chatter") => CHATTER,
        (_, "creator" | "creators") => CREATOR,
        (Kind::Message, "sent_to") | (Kind::Sale, "fan") => FAN,
        (Kind::Message, "fans_message") => &["reply", "incoming", "received", "question"],
        (Kind::Message, "creator_message") => &["content", "text", "message", "body", "nachricht"],
        (Kind::Message, "sent_time") => TIME,
        (Kind::Message, "sent_date") | (Kind::EmployeePeriod, "period") | (_, "day") => DATE,
        (Kind::Sale, "date_and_time") => MOMENT,
        (Kind::Message, "reply_time") => &["response", "latency"],
        (Kind::Message, "price") => &["price", "preis", "cost", "amount"],
        (Kind::Message, "purchased") => &["purchased", "unlocked", "paid", "bought", "gekauft"],
        (Kind::Message, "source") => &["type", "source", "channel", "art"],
        (_, "status") => &["status", "state"],
        (Kind::Sale, "gross") => &["gross", "brutto", "total", "amount", "revenue"],
        (Kind::Sale, "net") => &["net", "netto", "payout", "earned"],
        (Kind::Sale, "earnings") => &["earnings", "commission"],
        (Kind::Sale, "type") => &["type", "art", "category", "product", "kind"],
        (Kind::Sale, "rule") => &["rule"],
        (Kind::EmployeePeriod, "group") => &["group", "team", "shift"],
        (Kind::EmployeePeriod, "email") => &["email", "mail"],
        (Kind::EmployeePeriod, "sales") => &["sales", "revenue"],
        (Kind::EmployeePeriod, "tips") => &["tips"],
        (Kind::EmployeePeriod, "scheduled_hours") => &["scheduled", "planned"],
        (Kind::EmployeePeriod, "clocked_hours") => &["hours", "worked", "clocked", "duration", "stunden"],
        (_, "messages_sent") => &["messages", "nachrichten"],
        (_, "ppvs_sent") => &["ppvs", "ppv"],
        (_, "ppvs_unlocked") => &["unlocked", "unlocks"],
        (_, "fans_chatted") => &["fans", "customers"],
        (Kind::ChatterDay, "avg_response") => &["response"],
        _ => &[],
    }
}

/// The figure of a creator's day that a money column with these words holds, and its basis if they say it.
pub(super) fn figure(header: &[String]) -> Option<(&'static str, Option<Basis>)> {
    let has = |any: &[&str]| header.iter().any(|word| any.contains(&word.as_str()));
    let basis = match (has(&["net", "netto", "payout"]), has(&["gross", "brutto"])) {
        (true, false) => Some(Basis::Net),
        (false, true) => Some(Basis::Gross),
        _ => None,
    };
    let subscription = has(&["subscription", "subscriptions", "subs", "abo", "abos"]);
    let figure = if subscription && has(&["new", "first", "neue"]) {
        "new_subscriptions"
    } else if subscription && has(&["recurring", "renewal", "renewals", "rebill", "renewed"]) {
        "recurring_subscriptions"
    } else if subscription {
        "subscription"
    } else if has(&["tip", "tips", "trinkgeld"]) {
        "tips"
    } else if has(&["message", "messages", "chat", "chats", "ppv", "ppvs", "nachrichten"]) {
        "message"
    } else if has(&["post", "posts"]) {
        "posts"
    } else if has(&["stream", "streams"]) {
        "streams"
    } else if has(&["refund", "refunds", "chargeback", "chargebacks"]) {
        "refund"
    } else if has(&["total", "earnings", "revenue", "income", "umsatz", "gesamt"]) {
        "total_earnings"
    } else {
        return None;
    };
    Some((figure, basis))
}

/// The words of a header, in lower case: of `chatterName`, `chatter` and `name`.
pub(super) fn of_header(header: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut after_lower = false;
    for c in header.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && after_lower {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_every_style_have_words() {
        for header in ["chatterName", "chatter_name", "Chatter Name", "CHATTER-NAME"] {
            assert_eq!(of_header(header), ["chatter", "name"], "{header}");
        }
        assert_eq!(of_header("customerID"), ["customer", "id"]);
        assert_eq!(of_header(" (net) "), ["net"]);
    }
}
