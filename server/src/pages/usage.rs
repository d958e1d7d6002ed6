//! What was used and refused, by hour, day or month: the chart of the command line.

use cotas::{Interval, Timestamp};
use cotas_chart::{ChartError, Style, chart};
use maud::{Markup, PreEscaped, html};

use super::answer::Reply;
use super::layout;
use super::parts::{empty, numbers_of, table, words_of};
use super::visit::Visit;
use crate::problem::Problem;

const HOUR_MS: i64 = 3_600_000;

/// The usage of a tenant.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let interval = interval_of(visit, Interval::Day);
    let since = begin(interval, visit.engine.now());
    let report = visit.engine.usage_by(visit.tenant(), interval, Some(since), None)?;
    let title = visit.say("Usage", "Consumo");
    let content = html! {
        p.overline { (visit.tenant()) }
        h1 { (title) }
        (intervals(visit, interval))
        (drawing(visit, &report)?)
    };
    Ok(Reply::page(layout::page(visit, title, &content)))
}

/// The interval that the query names.
pub(super) fn interval_of(visit: &Visit<'_>, otherwise: Interval) -> Interval {
    Interval::from_code(visit.query.text("by")).unwrap_or(otherwise)
}

/// From when on there is something to see: two days of hours, five weeks, a year of months.
pub(super) fn begin(interval: Interval, now: Timestamp) -> Timestamp {
    now.plus_ms(match interval {
        Interval::Hour => -48 * HOUR_MS,
        Interval::Day => -35 * 24 * HOUR_MS,
        Interval::Month => -366 * 24 * HOUR_MS,
    })
}

/// The ways to the same page by another interval.
pub(super) fn intervals(visit: &Visit<'_>, chosen: Interval) -> Markup {
    let name = |interval| match interval {
        Interval::Hour => visit.say("2 days, by hour", "2 dias, por hora"),
        Interval::Day => visit.say("5 weeks, by day", "5 semanas, por dia"),
        Interval::Month => visit.say("1 year, by month", "1 ano, por mês"),
    };
    html! {
        nav.chips aria-label=(visit.say("Interval", "Intervalo")) {
            @for interval in Interval::ALL {
                a.chip href={ "?by=" (interval.code()) }
                    aria-current=[(interval == chosen).then_some("true")] { (name(interval)) }
            }
        }
    }
}

/// The chart, and the same figures as a table for who does not see it.
pub(super) fn drawing(visit: &Visit<'_>, report: &cotas::UsageReport) -> Result<Markup, Problem> {
    if report.buckets.is_empty() {
        let nothing = visit.say(
            "Nothing was used or refused in this time.",
            "Nada foi usado nem recusado neste período.",
        );
        return Ok(empty(nothing));
    }
    let catalog = visit.catalog()?;
    let title_of = |name: &str| match name {
        "" => visit.say("the account", "a conta").to_owned(),
        name => catalog.title(name).text(visit.language).to_owned(),
    };
    let style = Style { heading: None, language: visit.language, title: &title_of };
    let drawn = match chart(report, &style) {
        Ok(svg) => html! { (PreEscaped(svg)) },
        Err(ChartError::TooLong { .. }) => empty(visit.say("Too long.", "Longo demais.")),
        Err(error) => return Err(Problem::fault(error)),
    };
    let head = [
        words_of(visit.say("From", "Desde")),
        words_of(visit.say("What", "O quê")),
        words_of(visit.say("Resource", "Recurso")),
        numbers_of(visit.say("Count", "Quantidade")),
    ];
    let row = |it: &cotas::UsageBucket| {
        let (what, reason) = it.metric.parts();
        let what = match (what, reason) {
            (_, Some(reason)) => cotas::words::reason(reason, visit.language),
            ("returned", _) => visit.say("returned", "devolvido"),
            _ => visit.say("used", "usado"),
        };
        vec![
            html! { (visit.minute(it.start, report.time_zone)) },
            html! { (what) },
            html! { (title_of(&it.resource)) },
            html! { (visit.number(it.count)) },
        ]
    };
    let rows: Vec<_> = report.buckets.iter().rev().take(500).map(row).collect();
    let figures = visit.say("The figures as a table", "Os números em tabela");
    let label = visit.say("Usage over time", "Consumo ao longo do tempo");
    Ok(html! {
        figure.chart tabindex="0" role="group" aria-label=(label) { (drawn) }
        details { summary { (figures) } (table(figures, &head, &rows)) }
    })
}
