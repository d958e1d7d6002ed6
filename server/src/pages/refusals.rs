//! What was refused to all tenants, by reason and hour; and payments that match no invoice.

use std::collections::BTreeMap;

use cotas::{Interval, Metric, words};
use maud::{Markup, html};

use super::answer::Reply;
use super::layout;
use super::parts::{empty, numbers_of, or_dash, section, table, words_of};
use super::usage::{begin, drawing, interval_of, intervals};
use super::visit::Visit;
use crate::problem::Problem;

/// The chart of refusals, their sums, and money that pays nothing.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let interval = interval_of(visit, Interval::Hour);
    let since = begin(interval, visit.engine.now());
    let report = visit.engine.refusals(interval, Some(since), None)?;
    let title = visit.say("Refusals", "Recusas");
    let content = html! {
        h1 { (title) }
        p.lead {
            (visit.say(
                "What was refused to all tenants together, and why.",
                "O que foi recusado a todas as empresas, e por quê.",
            ))
        }
        (intervals(visit, interval))
        (drawing(visit, &report)?)
        (sums(visit, &report)?)
        (unmatched(visit)?)
    };
    Ok(Reply::page(layout::page(visit, title, &content)))
}

fn sums(visit: &Visit<'_>, report: &cotas::UsageReport) -> Result<Markup, Problem> {
    let catalog = visit.catalog()?;
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for bucket in &report.buckets {
        if let Metric::Denied(reason) = bucket.metric {
            let key = (words::reason(reason, visit.language), bucket.resource.as_str());
            let sum = sums.entry(key).or_default();
            *sum = sum.saturating_add(bucket.count);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let head = [
        words_of(visit.say("Why", "Motivo")),
        words_of(visit.say("Resource", "Recurso")),
        numbers_of(visit.say("Times", "Vezes")),
    ];
    let row = |((why, resource), count): ((&str, &str), u64)| {
        let title = catalog.title(resource);
        let title = if resource.is_empty() { "" } else { title.text(visit.language) };
        vec![html! { (why) }, or_dash(title), html! { (visit.number(count)) }]
    };
    let rows: Vec<_> = sums.into_iter().map(row).collect();
    let title = visit.say("By reason", "Por motivo");
    Ok(html! { @if !rows.is_empty() { (section("sums", title, &table(title, &head, &rows))) } })
}

/// Money that came and pays nothing.
fn unmatched(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let title = visit.say("Payments without an invoice", "Pagamentos sem fatura");
    let charges = visit.engine.unmatched_payments(None)?;
    if charges.is_empty() {
        let none = visit.say("Every payment has its invoice.", "Todo pagamento tem sua fatura.");
        return Ok(section("unmatched", title, &empty(none)));
    }
    let currency = visit.catalog()?.currency;
    let head = [
        words_of("Gateway"),
        words_of(visit.say("Payment", "Pagamento")),
        words_of(visit.say("Tenant", "Empresa")),
        numbers_of(visit.say("Amount", "Valor")),
        words_of(visit.say("Paid on", "Pago em")),
    ];
    let row = |it: &cotas::Charge| {
        let amount = it.amount.map(|it| visit.money(it, &currency)).unwrap_or_default();
        let paid_on = it.paid_on.map(|day| visit.date(day)).unwrap_or_default();
        let tenant = it.tenant.as_deref().unwrap_or_default();
        vec![
            html! { (it.gateway.code()) },
            html! { (it.payment) },
            html! {
                @if tenant.is_empty() { (or_dash("")) } @else {
                    a href={ "/console/tenants/" (super::form::segment(tenant)) } { (tenant) }
                }
            },
            or_dash(&amount),
            or_dash(&paid_on),
        ]
    };
    let rows: Vec<_> = charges.iter().map(row).collect();
    Ok(section("unmatched", title, &table(title, &head, &rows)))
}
