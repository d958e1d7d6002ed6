//! A tenant's report, for people.

use cotas::{Balance, GrantView, Mode, Pause, SubscriptionView, TenantReport};

use crate::output::{counted, number, right, table, words};

/// The report in words and tables.
pub fn text(report: &TenantReport) -> String {
    let mut lines = vec![format!("{}, {}", report.name, report.status.code())];
    if !report.status_reason.is_empty() {
        lines.push(format!("reason: {}", report.status_reason));
    }
    lines.push(match &report.subscription {
        Some(subscription) => plan_line(subscription),
        None => "no plan".to_owned(),
    });
    lines.push(format!(
        "as of {} ({}), renewed {}",
        report.as_of,
        report.time_zone,
        counted(report.renewals, "time")
    ));
    if !report.balances.is_empty() {
        lines.push(balances(&report.balances));
    }
    if !report.grants.is_empty() {
        lines.push(grants(&report.grants));
    }
    lines.join("\n")
}

fn plan_line(subscription: &SubscriptionView) -> String {
    let SubscriptionView { plan, due, period_start, .. } = subscription;
    let next = match (subscription.lapsed, subscription.pause, subscription.auto_renew) {
        (true, ..) => "lapsed",
        (false, Pause::InForce, _) => "paused",
        (false, Pause::Requested, _) => "pauses then",
        (false, Pause::None, true) => "renews",
        (false, Pause::None, false) => "does not renew",
    };
    format!("plan {plan} since {period_start}, due {due}, {next}")
}

fn balances(balances: &[Balance]) -> String {
    let header = vec![words("resource"), right("limit"), right("used"), right("available")];
    let rows = balances.iter().map(|it| {
        let (limit, available) = match it.mode {
            Mode::Finite => (number(it.limit().unwrap_or_default()), number(it.available)),
            Mode::Unlimited => (right("unlimited"), right("unlimited")),
            Mode::Disabled => (right("not in plan"), right("")),
        };
        vec![words(&it.resource), limit, number(it.used), available]
    });
    table(header, rows)
}

fn grants(grants: &[GrantView]) -> String {
    let names = ["granted", "consumed", "remaining", "expired", "revoked"];
    let mut header = vec![right("grant"), words("resource"), words("source")];
    header.extend(names.map(right));
    header.push(words("expires"));
    let rows = grants.iter().map(|it| {
        let mut row = vec![number(it.id), words(&it.resource), words(it.source.code())];
        row.extend([it.granted, it.consumed, it.remaining, it.expired, it.revoked].map(number));
        row.push(words(it.expires_at.map(|at| at.to_string()).unwrap_or_default()));
        row
    });
    table(header, rows)
}
