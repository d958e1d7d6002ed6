//! One tenant in the console: how it stands, and what may be changed, each with its consequences
//! first.

mod changes;
mod lists;

use axum::http::StatusCode;
use cotas::{Interval, Pace};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::answer::Reply;
use super::catalog::refused;
use super::parts::{notice, section, status};
use super::visit::Visit;
use super::{layout, subscription};
use crate::problem::Problem;

/// The tenant.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    Ok(Reply::page(show(visit, &done(visit))?))
}

/// What a form has just done.
fn done(visit: &Visit<'_>) -> Markup {
    let (title, text) = match visit.query.text("done") {
        "registered" => (visit.say("Registered.", "Cadastrada."), ""),
        "status" => (
            visit.say("The status has changed.", "A situação mudou."),
            visit.say(
                "Every host decides by it from its next decision on.",
                "Todas as decisões já seguem a nova situação.",
            ),
        ),
        "plan" => (visit.say("The plan has changed.", "O plano mudou."), ""),
        "granted" => (visit.say("Granted.", "Concedido."), ""),
        "paid" => (visit.say("The invoice is paid.", "A fatura está paga."), ""),
        "assigned" => (visit.say("The payment is assigned.", "O pagamento foi atribuído."), ""),
        _ => return html! {},
    };
    notice("good", title, text)
}

fn show(visit: &Visit<'_>, said: &Markup) -> Result<Markup, Problem> {
    let tenant = visit.tenant();
    let statement = visit.engine.statement(tenant)?;
    let report = visit.engine.report(tenant)?;
    let holder = visit.engine.account_holder(tenant)?;
    let since = Some(Pace::since(report.as_of));
    let usage = visit.engine.usage_by(tenant, Interval::Hour, since, None)?;
    let trade_name = holder.as_ref().map_or("", |it| it.trade_name.as_str());
    let balances = html! {
        ul.cards {
            @for line in &statement.balances {
                li.card { (subscription::balance(visit, &statement, line, &usage, &report)) }
            }
        }
        p.actions {
            a.button href=(visit.of_tenant("subscription", "")) {
                (visit.say("As the tenant sees it", "Como a empresa vê"))
            }
            a.button href=(visit.of_tenant("subscription", "/usage")) {
                (visit.say("Usage", "Consumo"))
            }
        }
    };
    let content = html! {
        p.crumbs { a href="/console" { (visit.say("Tenants", "Empresas")) } }
        (said)
        div.head {
            div { h1 { (tenant) } @if !trade_name.is_empty() { p.lead { (trade_name) } } }
            (status(visit, report.status))
        }
        @if !report.status_reason.is_empty() { p.hint { (report.status_reason) } }
        (section("balances", visit.say("Balances", "Saldos"), &balances))
        (changes::status(visit, &report)?)
        (changes::plan(visit, &report)?)
        (changes::grant(visit, &report)?)
        (subscription::grants(visit, &statement))
        (subscription::invoices(visit, &statement))
        (lists::mark_paid(visit, &statement))
        (lists::payments(visit, &statement)?)
        (lists::periods(visit, &statement)?)
        (lists::seats(visit, &statement)?)
        (lists::audit(visit, &statement)?)
    };
    Ok(layout::page(visit, tenant, &content))
}

/// Calls an operation and shows the tenant; what it refuses stands above.
fn change(
    visit: &Visit<'_>,
    operation: &str,
    arguments: &Value,
    done: &str,
) -> Result<Reply, Problem> {
    match visit.call(operation, arguments) {
        Ok(_) => Ok(Reply::see(visit.of_tenant("console/tenants", &format!("?done={done}")))),
        Err(problem) if problem.status() == StatusCode::FORBIDDEN => Err(problem),
        Err(problem) => {
            let page = show(visit, &refused(visit, &problem))?;
            Ok(Reply::status(problem.status(), page))
        }
    }
}

/// `POST`: moves the tenant to another status.
pub(super) fn set_status(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let arguments = json!({
        "tenant": visit.tenant(),
        "status": visit.form.text("status"),
        "reason": visit.form.text("reason"),
        "as_operator": visit.form.is_ticked("as_operator"),
    });
    change(visit, "set_status", &arguments, "status")
}

/// `POST`: puts the tenant on another plan.
pub(super) fn change_plan(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let arguments = changes::of_plan(visit.tenant(), &visit.form);
    change(visit, "change_plan", &arguments, "plan")
}

/// `POST`: gives units on top of the plan's.
pub(super) fn grant(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let arguments = json!({
        "tenant": visit.tenant(),
        "resource": visit.form.text("resource"),
        "units": visit.form.units("units").unwrap_or_default(),
        "source": "manual",
    });
    change(visit, "grant", &arguments, "granted")
}

/// `POST`: pays an invoice that was paid manually. The invoice must be this tenant's.
pub(super) fn mark_paid(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let number = visit.form.text("invoice").parse().unwrap_or(0_i64);
    let invoices = visit.engine.invoices(visit.tenant())?;
    if !invoices.iter().any(|it| it.id == number) {
        return Err(cotas::Error::UnknownInvoice(number).into());
    }
    change(visit, "mark_paid", &json!({ "invoice": number }), "paid")
}

/// `POST`: has money that pays nothing pay an invoice of this tenant's.
pub(super) fn assign(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let number = visit.form.text("invoice").parse().unwrap_or(0_i64);
    let invoices = visit.engine.invoices(visit.tenant())?;
    if !invoices.iter().any(|it| it.id == number) {
        return Err(cotas::Error::UnknownInvoice(number).into());
    }
    let (gateway, payment) = (visit.form.text("gateway"), visit.form.text("payment"));
    let arguments = json!({ "gateway": gateway, "payment": payment, "invoice": number });
    change(visit, "assign_payment", &arguments, "assigned")
}
