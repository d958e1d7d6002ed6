//! Forms of what may be changed about a tenant, and what each change would mean.

use cotas::catalog::Gate;
use cotas::{Status, TenantReport, words};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::catalog::refused;
use super::super::form::Form;
use super::super::parts::{Field, badge, empty, section, select};
use super::super::visit::Visit;
use crate::problem::Problem;

/// What each status would permit, and the move there.
pub(super) fn status(visit: &Visit<'_>, report: &TenantReport) -> Result<Markup, Problem> {
    if !visit.may("set_status") {
        return Ok(html! {});
    }
    let catalog = visit.catalog()?;
    let from = report.status;
    let next: Vec<_> = Status::ALL.into_iter().filter(|&to| to != from).collect();
    let gates = [
        (Gate::Access, visit.say("access", "acesso")),
        (Gate::Send, visit.say("send", "enviar")),
        (Gate::Receive, visit.say("receive", "receber")),
        (Gate::Consume, visit.say("consume", "consumir")),
    ];
    let permits = |to: Status| {
        let row = catalog.statuses.row(to);
        let words: Vec<_> =
            gates.iter().filter(|(gate, _)| row.open(*gate)).map(|(_, word)| *word).collect();
        let billed = if row.billed {
            visit.say("billed", "cobrada")
        } else {
            visit.say("not billed", "sem cobrança")
        };
        let may = if words.is_empty() {
            visit.say("nothing", "nada").to_owned()
        } else {
            words.join(", ")
        };
        format!("{may}; {billed}")
    };
    let title = visit.say("Change the status", "Mudar a situação");
    let label = visit.say("Reason, for people", "Motivo");
    let content = html! {
        form method="post" action=(visit.of_tenant("console/tenants", "/status")) {
            (visit.hidden())
            fieldset.choices {
                legend {
                    (visit.say("New status, and what it permits", "Nova situação e o que permite"))
                }
                @for to in next {
                    label.choice {
                        input type="radio" name="status" value=(to.code()) required;
                        span {
                            (words::status(to.code(), visit.language))
                            @if !from.may_become(to) {
                                " "
                                (badge("quiet", visit.say("as operator only", "só operador")))
                            }
                            span.small.muted { " – " (permits(to)) }
                        }
                    }
                }
            }
            (Field { name: "reason", label, ..Field::default() }.show())
            label.choice {
                input type="checkbox" name="as_operator" value="yes";
                (visit.say("As operator, though the rules do not have this move",
                    "Como operador, mesmo que as regras não prevejam"))
            }
            p.actions { button.primary type="submit" { (title) } }
        }
    };
    Ok(section("status", title, &html! { details { summary { (title) } (content) } }))
}

/// The arguments of a change of plan, or of its quote.
pub(super) fn of_plan(tenant: &str, form: &Form) -> Value {
    let mut arguments = Map::new();
    arguments.insert("tenant".to_owned(), json!(tenant));
    arguments.insert("plan".to_owned(), json!(form.text("plan")));
    let usage = form.given("usage").unwrap_or("restart");
    arguments.insert("usage".to_owned(), json!(usage));
    if let Some(due) = form.given("first_due").filter(|_| usage == "restart") {
        arguments.insert("first_due".to_owned(), json!(due));
    }
    Value::Object(arguments)
}

/// The change of plan: chosen first, then shown with what it costs and what would be over its
/// limit, then made.
pub(super) fn plan(visit: &Visit<'_>, report: &TenantReport) -> Result<Markup, Problem> {
    if !visit.may("change_plan") {
        return Ok(html! {});
    }
    let catalog = visit.catalog()?;
    let present = report.subscription.as_ref().map_or("", |it| it.plan.as_str());
    let asked = visit.query.given("plan");
    let plans: Vec<_> =
        catalog.plans.iter().map(|(name, plan)| (name.clone(), plan.title.clone())).collect();
    let usage = [
        ("restart", visit.say("A new period begins now", "Um novo período começa agora")),
        ("carry", visit.say("The period goes on", "O período continua")),
    ]
    .map(|(code, name)| (code.to_owned(), name.to_owned()));
    let title = visit.say("Change the plan", "Mudar o plano");
    let label =
        visit.say("First due date, of a new period", "Primeiro vencimento, se novo período");
    let value = visit.query.text("first_due");
    let due = Field { name: "first_due", label, value, of: "date", ..Field::default() };
    let content = html! {
        form.inline method="get" action={ (visit.of_tenant("console/tenants", "")) "#plan" } {
            (select("plan", visit.say("Plan", "Plano"), asked.unwrap_or(present), &plans))
            (select("usage", visit.say("Usage", "Consumo"), visit.query.text("usage"), &usage))
            (due.show())
            button type="submit" { (visit.say("Show what it means", "Ver o que significa")) }
        }
        @if asked.is_some() { (what_if(visit)?) }
    };
    let is_open = asked.is_some();
    Ok(section("plan", title, &html! { details open[is_open] { summary { (title) } (content) } }))
}

fn what_if(visit: &Visit<'_>) -> Result<Markup, Problem> {
    let arguments = of_plan(visit.tenant(), &visit.query);
    let quote = match visit.call("quote_plan_change", &arguments) {
        Ok(quote) => quote,
        Err(problem) => return Ok(refused(visit, &problem)),
    };
    let over = visit.engine.what_if(visit.tenant(), visit.query.text("plan"))?;
    let catalog = visit.catalog()?;
    let cents = |value: Option<&Value>| {
        let cents =
            value.and_then(Value::as_i64).and_then(|it| cotas::billing::Cents::new(it).ok());
        cents.map_or(String::new(), |it| visit.money(it, &catalog.currency))
    };
    let invoices = quote.get("invoices").and_then(Value::as_array).cloned().unwrap_or_default();
    let withdrawn = quote.get("withdrawn").and_then(Value::as_array).map_or(0, Vec::len);
    Ok(html! {
        div.quote {
            p.figure {
                strong { (cents(quote.get("due_now_cents"))) }
                " " span.of { (visit.say("due today", "a pagar hoje")) }
            }
            ul.lines {
                @for invoice in &invoices {
                    @let due = invoice.get("due").and_then(Value::as_str).unwrap_or_default();
                    @let due = due.parse().map_or(due.to_owned(), |day| visit.date(day));
                    li {
                        (visit.say("invoice due", "fatura com vencimento")) " " (due) ": "
                        (cents(invoice.get("amount_cents")))
                    }
                }
                @if withdrawn > 0 {
                    li {
                        (withdrawn) " "
                        (visit.say("invoices are owed no more", "faturas deixam de ser devidas"))
                    }
                }
            }
            @if over.is_empty() {
                (empty(visit.say("Nothing would be over its limit.", "Nada passaria do limite.")))
            }
            @for it in &over {
                p {
                    (badge("over", visit.say("over the limit", "acima do limite"))) " "
                    (catalog.title(&it.resource).text(visit.language)) ": "
                    (visit.number(it.used)) " " (visit.say("of", "de")) " " (visit.number(it.limit))
                }
            }
            form method="post" action=(visit.of_tenant("console/tenants", "/plan")) {
                (visit.hidden())
                @for name in ["plan", "usage", "first_due"] {
                    input type="hidden" name=(name) value=(visit.query.text(name));
                }
                button.primary type="submit" { (visit.say("Change the plan", "Mudar o plano")) }
            }
        }
    })
}

/// Giving units on top of the plan's.
pub(super) fn grant(visit: &Visit<'_>, report: &TenantReport) -> Result<Markup, Problem> {
    if !visit.may("grant") {
        return Ok(html! {});
    }
    let catalog = visit.catalog()?;
    let resources: Vec<_> = report
        .balances
        .iter()
        .filter(|it| matches!(it.kind, "allowance" | "session" | "seat"))
        .map(|it| {
            let title = catalog.title(&it.resource).text(visit.language).to_owned();
            (it.resource.clone(), title)
        })
        .collect();
    if resources.is_empty() {
        return Ok(html! {});
    }
    let title = visit.say("Grant units", "Conceder unidades");
    let label = visit.say("How many?", "Quantas?");
    let content = html! {
        form.inline method="post" action=(visit.of_tenant("console/tenants", "/grant")) {
            (visit.hidden())
            (select("resource", visit.say("Resource", "Recurso"), "", &resources))
            (Field { name: "units", label, is_required: true, ..Field::default() }.show())
            button.primary type="submit" { (visit.say("Grant", "Conceder")) }
        }
    };
    Ok(section("grant", title, &html! { details { summary { (title) } (content) } }))
}
