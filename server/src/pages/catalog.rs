//! The catalog: what a new one would change, before it is loaded.

use axum::http::StatusCode;
use cotas::Catalog;
use cotas::catalog::CatalogChange;
use maud::{Markup, html};
use serde_json::json;

use super::answer::Reply;
use super::layout;
use super::parts::{badge, empty, notice, numbers_of, or_dash, section, table, words_of};
use super::visit::Visit;
use super::words;
use crate::problem::Problem;

/// What is in force, and the form.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let loaded = visit.query.units("version").filter(|_| visit.query.text("done") == "loaded");
    let done = html! {
        @if let Some(version) = loaded {
            (notice("good", visit.say("Loaded.", "Carregado."),
                &format!("{} {version}.", visit.say("In force is version", "Em vigor: versão"))))
        }
    };
    Ok(Reply::page(show(visit, "", &done)?))
}

/// `POST`: checks a catalog, or loads it.
pub(super) fn submit(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let text = visit.form.raw("text");
    let (_, in_force) = visit.engine.catalog()?;
    let catalog = match Catalog::parse(text, "catalog.toml") {
        Ok(catalog) => catalog,
        Err(error) => {
            let title = visit.say("It cannot be loaded.", "Não pode ser carregado.");
            let wrong = notice("over", title, &error.to_string());
            let page = show(visit, text, &wrong)?;
            return Ok(Reply::status(StatusCode::UNPROCESSABLE_ENTITY, page));
        }
    };
    let changes = catalog.changes_from(&in_force);
    let takes = changes.iter().any(|it| it.takes);
    let confirmed = visit.form.is_ticked("confirmed") || !takes;
    if visit.form.text("act") == "load" && confirmed && !changes.is_empty() {
        let version = visit.call("load_catalog", &json!({ "text": text, "confirm": takes }))?;
        return Ok(Reply::see(format!("/console/catalog?done=loaded&version={version}")));
    }
    let asked = visit.form.text("act") == "load";
    let found = difference(visit, &changes, asked && takes);
    Ok(Reply::page(show(visit, text, &found)?))
}

fn show(visit: &Visit<'_>, text: &str, found: &Markup) -> Result<Markup, Problem> {
    let title = visit.say("Catalog", "Catálogo");
    let (version, catalog) = visit.engine.catalog()?;
    let content = html! {
        div.head {
            h1 { (title) }
            p.figure { span.of { (visit.say("version", "versão")) " " } strong { (version) } }
        }
        form method="post" action="/console/catalog" {
            (visit.hidden())
            (found)
            div.field {
                label for="text" { (visit.say("A new catalog (TOML)", "Um novo catálogo (TOML)")) }
                textarea #text name="text" rows="14" spellcheck="false" { (text) }
                p.hint {
                    (visit.say(
                        "Nothing changes until you load it.",
                        "Nada muda até que você o carregue.",
                    ))
                }
            }
            p.actions {
                button type="submit" name="act" value="check" {
                    (visit.say("Show what it changes", "Ver o que muda"))
                }
            }
        }
        (plans(visit, &catalog)?)
    };
    Ok(layout::page(visit, title, &content))
}

fn difference(visit: &Visit<'_>, changes: &[CatalogChange], unconfirmed: bool) -> Markup {
    if changes.is_empty() {
        let title = visit.say("It changes nothing.", "Não muda nada.");
        return notice(
            "neutral",
            title,
            visit.say("It is the one in force.", "É o catálogo em vigor."),
        );
    }
    let takes = changes.iter().any(|it| it.takes);
    let head = [
        words_of(visit.say("What", "O quê")),
        words_of(visit.say("In force", "Em vigor")),
        words_of(visit.say("New", "Novo")),
        words_of(""),
    ];
    let row = |it: &CatalogChange| {
        vec![
            html! { code { (it.what) } },
            or_dash(it.before.as_deref().unwrap_or_default()),
            or_dash(it.after.as_deref().unwrap_or_default()),
            html! {
                @if it.takes { (badge("over", visit.say("takes away", "retira"))) }
            },
        ]
    };
    let rows: Vec<_> = changes.iter().map(row).collect();
    let label = visit.say("What it changes", "O que muda");
    let needs = visit.say("Tick the box to load it.", "Marque a caixa para carregar.");
    html! {
        @if takes {
            (notice("over",
                visit.say("It takes something away.", "Ele retira alguma coisa."),
                visit.say(
                    "Tenants keep the version of their plan until they are moved; hosts that name \
                     what is gone are refused at once.",
                    "As empresas ficam com a versão do plano que têm até serem movidas; quem usa \
                     o que saiu é recusado na hora.",
                )))
        }
        (section("changes", label, &table(label, &head, &rows)))
        @if visit.may("load_catalog") {
            div.confirm.wrong[unconfirmed] {
                @if takes {
                    label.choice {
                        input type="checkbox" name="confirmed" value="yes"
                            aria-invalid=[unconfirmed.then_some("true")]
                            aria-describedby=[unconfirmed.then_some("confirm-why")];
                        (visit.say("Load it all the same", "Carregar mesmo assim"))
                    }
                    @if unconfirmed { p.why #confirm-why { (needs) } }
                }
                button.primary type="submit" name="act" value="load" {
                    (visit.say("Load", "Carregar"))
                }
            }
        }
    }
}

fn plans(visit: &Visit<'_>, catalog: &Catalog) -> Result<Markup, Problem> {
    let title = visit.say("Plans in force", "Planos em vigor");
    if catalog.plans.is_empty() {
        return Ok(section("plans", title, &empty(visit.say("None yet.", "Ainda nenhum."))));
    }
    let counts = visit.engine.tenants_on_plans()?;
    let head = [
        words_of(visit.say("Plan", "Plano")),
        numbers_of(visit.say("Price", "Preço")),
        words_of(visit.say("Limits", "Limites")),
        numbers_of(visit.say("Tenants", "Empresas")),
    ];
    let row = |(name, plan): (&String, &cotas::catalog::Plan)| {
        let price = plan.price_cents.and_then(|it| cotas::billing::Cents::new(it).ok());
        let price = price.map_or_else(
            || visit.say("agreed", "a combinar").to_owned(),
            |it| visit.money(it, &catalog.currency),
        );
        let count = counts.iter().find(|(of, _)| of == name).map_or(0, |(_, count)| *count);
        vec![
            html! { (plan.title) " " code { (name) } },
            html! { (price) },
            html! { ul.lines { @for (name, limit) in &plan.limits { li {
                (catalog.title(name).text(visit.language)) ": " (limit_of(visit, *limit))
            } } } },
            html! { (visit.number(count)) },
        ]
    };
    let rows: Vec<_> = catalog.plans.iter().map(row).collect();
    Ok(section("plans", title, &table(title, &head, &rows)))
}

/// A limit as people write it.
pub(super) fn limit_of(visit: &Visit<'_>, limit: cotas::Limit) -> String {
    match limit {
        cotas::Limit::Finite(units) => visit.number(units),
        cotas::Limit::Unlimited => visit.say("unlimited", "sem limite").to_owned(),
        cotas::Limit::Disabled => visit.say("none", "não incluído").to_owned(),
    }
}

/// What went wrong with an operation, above a form.
pub(super) fn refused(visit: &Visit<'_>, problem: &Problem) -> Markup {
    let title = visit.say("Nothing was changed.", "Nada foi alterado.");
    notice("over", title, &words::problem(problem, visit.language))
}
