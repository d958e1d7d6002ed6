//! Buying on top of a plan: packages with their prices and hints (docs/sources.md, Whazing).

use axum::http::StatusCode;
use cotas::billing::Cents;
use cotas::catalog::{Catalog, Package};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::answer::Reply;
use super::layout;
use super::parts::{Field, empty, notice, numbers_of, table, words_of};
use super::visit::Visit;
use super::words;
use crate::problem::Problem;

/// Days before a due date in which the seed advises to wait: the full price comes again.
const SOON_DAYS: i64 = 10;

/// What is for sale, and what a quantity of it costs.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let chosen = visit.query.text("package").to_owned();
    let quantity = visit.query.text("quantity").to_owned();
    Ok(Reply::page(show(visit, &chosen, &quantity, "")?))
}

/// `POST`: buys it. Sent twice, it is bought once.
pub(super) fn buy(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let (package, quantity) = (visit.form.text("package"), visit.form.text("quantity"));
    let units = visit.form.units("quantity").unwrap_or_default();
    let arguments = json!({ "tenant": visit.tenant(), "package": package, "quantity": units });
    match visit.call("buy", &arguments) {
        Ok(bought) => {
            let invoice = bought.get("invoice").and_then(Value::as_i64).unwrap_or_default();
            let done = format!("?done=bought&invoice={invoice}");
            Ok(Reply::see(visit.of_tenant("subscription", &done)))
        }
        Err(problem) if problem.status() == StatusCode::FORBIDDEN => Err(problem),
        Err(problem) => {
            let why = words::problem(&problem, visit.language);
            let page = show(visit, package, quantity, &why)?;
            Ok(Reply::status(problem.status(), page))
        }
    }
}

fn show(visit: &Visit<'_>, chosen: &str, quantity: &str, why: &str) -> Result<Markup, Problem> {
    let catalog = visit.catalog()?;
    let title = visit.say("Extras", "Extras");
    let refused = visit.say("Not bought", "Não foi comprado");
    let mut sections = Vec::new();
    for (name, package) in &catalog.packages {
        let asked = if name == chosen { quantity } else { "" };
        sections.push(offer(visit, &catalog, name, package, asked)?);
    }
    let content = html! {
        p.overline { (visit.tenant()) }
        h1 { (title) }
        p.lead {
            (visit.say(
                "On top of the plan, at the full price: days before the due date are not deducted.",
                "Além do plano, sempre pelo valor cheio: os dias antes do vencimento não são \
                 descontados.",
            ))
        }
        @if !why.is_empty() { (notice("over", refused, why)) }
        @if catalog.packages.is_empty() {
            (empty(visit.say("Nothing is for sale.", "Não há nada à venda.")))
        }
        @for section in &sections { (section) }
    };
    Ok(layout::page(visit, title, &content))
}

fn offer(
    visit: &Visit<'_>,
    catalog: &Catalog,
    name: &str,
    package: &Package,
    asked: &str,
) -> Result<Markup, Problem> {
    let currency = &catalog.currency;
    let head = [
        numbers_of(visit.say("Quantity", "Quantidade")),
        numbers_of(visit.say("Price", "Preço")),
        numbers_of(visit.say("Each", "Unidade")),
        words_of(visit.say("Charged", "Cobrança")),
    ];
    let charged = if package.recurring {
        visit.say("every due date", "a cada vencimento")
    } else {
        visit.say("once", "uma vez")
    };
    let price =
        |cents: i64| Cents::new(cents).map_or(String::new(), |it| visit.money(it, currency));
    let row = |(&size, &cents): (&u64, &i64)| {
        let each = cents / i64::try_from(size.max(1)).unwrap_or(i64::MAX);
        vec![
            html! { (visit.number(size)) },
            html! { (price(cents)) },
            html! { (price(each)) },
            html! { (charged) },
        ]
    };
    let rows: Vec<_> = package.prices.iter().map(row).collect();
    let of = format!("quantity-{name}");
    let given = super::form::Form::parse(super::form::query(&[("q", asked)]).as_bytes())?;
    let units = given.units("q").filter(|&units| units > 0);
    let wrong = if asked.is_empty() || units.is_some() {
        ""
    } else {
        visit.say("Enter a whole number from 1 on.", "Informe um número inteiro a partir de 1.")
    };
    let label = visit.say("How many?", "Quantos?");
    let field = Field { name: "quantity", label, value: asked, wrong, ..Field::default() };
    Ok(html! {
        section.offer aria-labelledby=(of) {
            h2 id=(of) { (package.title) }
            (table(&package.title, &head, &rows))
            form.inline method="get" action=(visit.of_tenant("subscription", "/extras")) {
                input type="hidden" name="package" value=(name);
                (field.show())
                button type="submit" { (visit.say("Show the price", "Ver o preço")) }
            }
            @if let Some(units) = units { (quoted(visit, catalog, name, units)?) }
        }
    })
}

/// What a quantity costs, when it is charged again, and what would be cheaper.
fn quoted(visit: &Visit<'_>, catalog: &Catalog, name: &str, units: u64) -> Result<Markup, Problem> {
    let quote = match visit.engine.quote_package(name, units) {
        Ok(quote) => quote,
        Err(error) => {
            let why = words::problem(&error.into(), visit.language);
            return Ok(notice("over", visit.say("No price", "Sem preço"), &why));
        }
    };
    let currency = &catalog.currency;
    let parts: Vec<_> = quote
        .packages
        .iter()
        .map(|&(size, count)| format!("{} × {}", visit.number(count), visit.number(size)))
        .collect();
    let report = visit.engine.report(visit.tenant())?;
    let zone = report.time_zone.parse().unwrap_or(chrono_tz::UTC);
    let today = cotas::rules::calendar::date_of(report.as_of, zone);
    let due = report.subscription.as_ref().filter(|it| it.auto_renew).map(|it| it.due);
    let recurring = catalog.packages.get(name).is_some_and(|it| it.recurring);
    let soon = due.filter(|due| recurring && (*due - today).num_days() <= SOON_DAYS);
    let cheaper = visit.say("For less, take", "Por menos, leve");
    Ok(html! {
        div.quote {
            p.figure {
                strong { (visit.money(quote.cents, currency)) }
                " " span.of { (parts.join(" + ")) }
            }
            @if let Some(hint) = &quote.hint {
                p.hint-better {
                    (cheaper) " "
                    a href={ "?" (super::form::query(&[
                        ("package", name), ("quantity", &hint.quantity.to_string()),
                    ])) } { (visit.number(hint.quantity)) ": " (visit.money(hint.cents, currency)) }
                }
            }
            @if let Some(due) = soon {
                (notice("near", visit.say("The due date is near.", "O vencimento está próximo."),
                    &format!("{} {}.", visit.say(
                        "The full price is charged now, and again on",
                        "O valor cheio é cobrado agora e outra vez em",
                    ), visit.date(due))))
            }
            @if visit.may("buy") {
                form method="post" action=(visit.of_tenant("subscription", "/extras")) {
                    (visit.hidden())
                    input type="hidden" name="package" value=(name);
                    input type="hidden" name="quantity" value=(units);
                    button.primary type="submit" {
                        (visit.say("Buy", "Comprar")) " " (visit.number(units))
                    }
                }
            }
        }
    })
}
