//! The tenants of the platform: search, filters, and how each stands now.

use cotas::{BalanceLine, Status, TenantFilter, TenantLine, TenantSearch, words};
use maud::{Markup, html};

use super::answer::Reply;
use super::form::{query, segment};
use super::layout;
use super::parts::{badge, empty, meter, or_dash, status};
use super::visit::Visit;
use crate::problem::Problem;

/// Tenants of a page.
const TENANTS: u32 = 50;
/// Balances that are shown of each.
const BALANCES: usize = 2;

/// The list.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let text = visit.query.text("q");
    let filter = TenantFilter::from_code(visit.query.text("filter"));
    let search = TenantSearch { text, filter, after: visit.query.raw("after") };
    // One more than is shown: whether there is a next page.
    let mut found = visit.engine.find_tenants(&search, TENANTS + 1)?;
    let has_more = found.len() > TENANTS as usize;
    found.truncate(TENANTS as usize);
    let counts = visit.engine.count_tenants()?;
    let total = counts.iter().map(|(_, count)| count).sum();
    let title = visit.say("Tenants", "Empresas");
    let mut rows = Vec::with_capacity(found.len());
    for line in &found {
        rows.push(row(visit, line)?);
    }
    let content = html! {
        div.head {
            h1 { (title) }
            p.figure { strong { (visit.number(total)) } }
        }
        (find(visit, text, filter))
        (filters(visit, text, filter, &counts))
        @if rows.is_empty() { (nothing(visit, total)) } @else {
            ul.tenants { @for row in &rows { (row) } }
        }
        (pages(visit, text, filter, found.last().filter(|_| has_more)))
    };
    Ok(Reply::page(layout::page(visit, title, &content)))
}

fn nothing(visit: &Visit<'_>, total: u64) -> Markup {
    if total > 0 {
        return empty(visit.say("No tenant is like this.", "Nenhuma empresa é assim."));
    }
    html! {
        (empty(visit.say("There is no tenant yet.", "Ainda não há empresas.")))
        @if visit.may("register") {
            p { a.button.primary href="/console/accounts/new" {
                (visit.say("Register the first", "Cadastrar a primeira"))
            } }
        }
    }
}

fn find(visit: &Visit<'_>, text: &str, filter: Option<TenantFilter>) -> Markup {
    html! {
        form.search role="search" method="get" action="/console" {
            label for="q" { (visit.say("Name or company", "Nome ou empresa")) }
            input #q type="search" name="q" value=(text) maxlength="200";
            @if let Some(filter) = filter {
                input type="hidden" name="filter" value=(filter.code());
            }
            button type="submit" { (visit.say("Search", "Buscar")) }
        }
    }
}

fn filters(
    visit: &Visit<'_>,
    text: &str,
    chosen: Option<TenantFilter>,
    counts: &[(Status, u64)],
) -> Markup {
    let name = |filter| match filter {
        TenantFilter::NearlyUsedUp => visit.say("nearly used up", "quase esgotadas").to_owned(),
        TenantFilter::OverLimit => visit.say("over the limit", "acima do limite").to_owned(),
        TenantFilter::Status(status) => words::status(status.code(), visit.language).to_owned(),
    };
    let count = |filter| match filter {
        TenantFilter::Status(status) => {
            counts.iter().find(|(of, _)| *of == status).map_or(Some(0), |(_, count)| Some(*count))
        }
        _ => None,
    };
    html! {
        nav.chips aria-label=(visit.say("Filters", "Filtros")) {
            a.chip href={ "/console?" (query(&[("q", text)])) }
                aria-current=[chosen.is_none().then_some("true")] { (visit.say("all", "todas")) }
            @for filter in TenantFilter::ALL {
                @let pairs = [("q", text), ("filter", filter.code())];
                a.chip href={ "/console?" (query(&pairs)) }
                    aria-current=[(chosen == Some(filter)).then_some("true")] {
                    (name(filter))
                    @if let Some(count) = count(filter) { " " span.count { (visit.number(count)) } }
                }
            }
        }
    }
}

/// A tenant as it stands now: what the list found is as of the last checkpoint.
fn row(visit: &Visit<'_>, line: &TenantLine) -> Result<Markup, Problem> {
    let report = visit.engine.report(&line.name)?;
    let balances = visit.engine.balances(&line.name)?;
    let shown: Vec<&BalanceLine> =
        balances.lines.iter().filter(|it| it.contracted.is_some()).take(BALANCES).collect();
    let path = format!("/console/tenants/{}", segment(&line.name));
    let is_over = report.balances.iter().any(cotas::Balance::over_limit);
    Ok(html! {
        li.tenant {
            div.who {
                a.name href=(path) { (line.name) }
                span.small.muted { (line.trade_name) }
            }
            div.plan { (or_dash(line.plan.as_deref().unwrap_or_default())) }
            div.state {
                (status(visit, report.status))
                @if is_over { (badge("over", visit.say("over the limit", "acima do limite"))) }
            }
            div.balances {
                @for it in &shown {
                    div.balance {
                        span.small {
                            (it.title.text(visit.language)) " "
                            span.of {
                                (visit.number(it.used)) "/"
                                (visit.number(it.contracted.unwrap_or_default()))
                            }
                        }
                        (meter(visit, it))
                    }
                }
            }
        }
    })
}

fn pages(
    visit: &Visit<'_>,
    text: &str,
    filter: Option<TenantFilter>,
    last: Option<&TenantLine>,
) -> Markup {
    let filter = filter.map_or("", TenantFilter::code);
    html! {
        p.actions {
            @if !visit.query.raw("after").is_empty() {
                a.button href={ "/console?" (query(&[("q", text), ("filter", filter)])) } {
                    (visit.say("First page", "Primeira página"))
                }
            }
            @if let Some(last) = last {
                @let pairs = [("q", text), ("filter", filter), ("after", last.name.as_str())];
                a.button href={ "/console?" (query(&pairs)) } {
                    (visit.say("Next page", "Próxima página"))
                }
            }
        }
    }
}
