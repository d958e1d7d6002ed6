//! Lists of one tenant: payments, renewals, seats, the audit trail.

use cotas::{Charge, Statement};
use maud::{Markup, html};

use super::super::parts::{badge, empty, numbers_of, or_dash, section, select, table, words_of};
use super::super::visit::Visit;
use crate::problem::Problem;

/// Entries of the audit trail that are shown.
const ENTRIES: u32 = 50;

/// Invoices that wait to be paid, as the choices of a form.
fn open_invoices(visit: &Visit<'_>, statement: &Statement) -> Vec<(String, String)> {
    let waits = |it: &&cotas::Invoice| {
        matches!(it.status, cotas::InvoiceStatus::Pending | cotas::InvoiceStatus::Overdue)
    };
    let option = |it: &cotas::Invoice| {
        let (amount, due) = (visit.money(it.amount, &it.currency), visit.date(it.due));
        (it.id.to_string(), format!("{} – {} – {amount} – {due}", it.id, it.title))
    };
    statement.invoices.iter().filter(waits).map(option).collect()
}

/// Paying an invoice that was paid manually.
pub(super) fn mark_paid(visit: &Visit<'_>, statement: &Statement) -> Markup {
    let options = open_invoices(visit, statement);
    html! {
        @if !options.is_empty() && visit.may_on_all("mark_paid") {
            form.inline method="post" action=(visit.of_tenant("console/tenants", "/paid")) {
                (visit.hidden())
                (select("invoice", visit.say("Paid manually", "Paga manualmente"), "", &options))
                button type="submit" { (visit.say("Mark as paid", "Marcar como paga")) }
            }
        }
    }
}

/// Charges at gateways, and money that pays nothing yet.
pub(super) fn payments(visit: &Visit<'_>, statement: &Statement) -> Result<Markup, Problem> {
    let charges = visit.engine.payments(visit.tenant())?;
    let title = visit.say("Payments", "Pagamentos");
    if charges.is_empty() {
        let none = visit.say("No gateway reported one.", "Nenhum gateway informou pagamentos.");
        return Ok(section("payments", title, &empty(none)));
    }
    let head = [
        words_of("Gateway"),
        words_of(visit.say("Payment", "Pagamento")),
        numbers_of(visit.say("Amount", "Valor")),
        numbers_of(visit.say("Invoice", "Fatura")),
        words_of(visit.say("Paid on", "Pago em")),
        words_of(""),
    ];
    let options = open_invoices(visit, statement);
    let may_assign = visit.may_on_all("assign_payment") && !options.is_empty();
    let row = |it: &Charge| {
        let amount = it.amount.map(|it| visit.money(it, &statement.currency));
        let invoice = it.invoice.map(|it| it.to_string()).unwrap_or_default();
        let paid_on = it.paid_on.map(|day| visit.date(day)).unwrap_or_default();
        vec![
            html! { (it.gateway.code()) },
            html! { (it.payment) },
            or_dash(&amount.unwrap_or_default()),
            or_dash(&invoice),
            or_dash(&paid_on),
            html! {
                @if it.unmatched.is_some() {
                    (badge("near", visit.say("pays nothing", "sem fatura")))
                    @if may_assign { (assign(visit, it, &options)) }
                }
            },
        ]
    };
    let rows: Vec<_> = charges.iter().map(row).collect();
    Ok(section("payments", title, &table(title, &head, &rows)))
}

fn assign(visit: &Visit<'_>, charge: &Charge, options: &[(String, String)]) -> Markup {
    html! {
        form.inline method="post" action=(visit.of_tenant("console/tenants", "/assign")) {
            (visit.hidden())
            input type="hidden" name="gateway" value=(charge.gateway.code());
            input type="hidden" name="payment" value=(charge.payment);
            label {
                span.small { (visit.say("Invoice", "Fatura")) }
                select name="invoice" {
                    @for (value, text) in options { option value=(value) { (text) } }
                }
            }
            button type="submit" { (visit.say("Assign", "Atribuir")) }
        }
    }
}

/// Closed periods: what each renewal ended.
pub(super) fn periods(visit: &Visit<'_>, statement: &Statement) -> Result<Markup, Problem> {
    let periods = visit.engine.periods(visit.tenant())?;
    let catalog = visit.catalog()?;
    let title = visit.say("Renewals", "Renovações");
    if periods.is_empty() {
        let none = visit.say("No period has ended yet.", "Nenhum período terminou ainda.");
        return Ok(section("periods", title, &empty(none)));
    }
    let head = [
        numbers_of(visit.say("Period", "Período")),
        words_of(visit.say("From", "De")),
        words_of(visit.say("To", "Até")),
        words_of(visit.say("Ended by", "Encerrado por")),
        words_of(visit.say("Used", "Usado")),
    ];
    let row = |it: &cotas::PeriodView| {
        let ended = if it.renewed {
            visit.say("renewal", "renovação")
        } else {
            visit.say("plan", "plano")
        };
        vec![
            html! { (it.period) },
            html! { (visit.day(it.start, statement.time_zone)) },
            html! { (visit.day(it.end.plus_ms(-1), statement.time_zone)) },
            html! { (ended) },
            html! { ul.lines { @for (name, used) in &it.used { li {
                (catalog.title(name).text(visit.language)) ": " (visit.number(*used))
            } } } },
        ]
    };
    let rows: Vec<_> = periods.iter().rev().map(row).collect();
    Ok(section("periods", title, &table(title, &head, &rows)))
}

/// Who holds seats.
pub(super) fn seats(visit: &Visit<'_>, statement: &Statement) -> Result<Markup, Problem> {
    let tenant = visit.engine.tenant(visit.tenant())?;
    let mut rows = Vec::new();
    for line in statement.balances.iter().filter(|it| it.kind == "seat") {
        for seat in tenant.seats(&line.resource)?.list()? {
            rows.push(vec![
                html! { (line.title.text(visit.language)) },
                html! { (seat.holder) },
                html! { (visit.minute(seat.since, statement.time_zone)) },
                html! {
                    @if seat.pending { (badge("quiet", visit.say("invited", "convidado"))) }
                    @if seat.has_token { " " (badge("neutral", "token")) }
                },
            ]);
        }
    }
    let title = visit.say("Seats", "Usuários e canais");
    if rows.is_empty() {
        let none = visit.say("None is taken.", "Nenhum em uso.");
        return Ok(section("seats", title, &empty(none)));
    }
    let head = [
        words_of(visit.say("Resource", "Recurso")),
        words_of(visit.say("Holder", "Titular")),
        words_of(visit.say("Since", "Desde")),
        words_of(""),
    ];
    Ok(section("seats", title, &table(title, &head, &rows)))
}

/// What was changed, when and by whom.
pub(super) fn audit(visit: &Visit<'_>, statement: &Statement) -> Result<Markup, Problem> {
    let entries = visit.engine.audit_trail(Some(visit.tenant()), ENTRIES)?;
    let title = visit.say("Audit trail", "Auditoria");
    let head = [
        words_of(visit.say("When", "Quando")),
        words_of(visit.say("What", "O quê")),
        words_of(visit.say("How", "Como")),
        words_of(visit.say("By", "Por")),
    ];
    let row = |it: &cotas::AuditEntry| {
        let actor = it.actor.as_deref().unwrap_or_default();
        vec![
            html! { (visit.minute(it.at, statement.time_zone)) },
            html! { (it.what) },
            html! { (it.detail) },
            or_dash(actor),
        ]
    };
    let rows: Vec<_> = entries.iter().map(row).collect();
    Ok(section("audit", title, &table(title, &head, &rows)))
}
