//! What every page has: its head, the way to the other pages, the language, and its end.

use axum::http::StatusCode;
use cotas::Language;
use maud::{DOCTYPE, Markup, html};

use super::answer::{Content, Reply};
use super::form::segment;
use super::visit::{Visit, Who};
use super::words;
use crate::access::Needs;
use crate::problem::Problem;
use crate::routes;

/// The style of all pages, which the server gives.
const STYLE: &str = include_str!("style.css");

/// `/style.css`.
#[allow(clippy::unnecessary_wraps)] // What every page is.
pub(super) fn style(_: &Visit<'_>) -> Result<Reply, Problem> {
    Ok(Reply { content: Content::Style(STYLE), cookies: Vec::new() })
}

/// A page with its frame.
pub(super) fn page(visit: &Visit<'_>, title: &str, content: &Markup) -> Markup {
    framed(visit.language, title, visit.who.map(|who| (who, visit)), content)
}

/// What went wrong, as a page. The way back to all that may be seen is there.
pub(super) fn problem(problem: &Problem, language: Language, who: Option<&Who>) -> Reply {
    let status = problem.status();
    let title = match status {
        StatusCode::FORBIDDEN => language.say("No access", "Sem acesso"),
        StatusCode::NOT_FOUND => language.say("Not found", "Não encontrado"),
        StatusCode::SERVICE_UNAVAILABLE => language.say("Not now", "Agora não"),
        _ => language.say("That did not work", "Não deu certo"),
    };
    let home = language.say("Back to the beginning", "Voltar ao início");
    let said = match (status, language) {
        (StatusCode::FORBIDDEN, Language::Portuguese) if who.is_some() => {
            "O seu acesso não abre esta página, ou o formulário é antigo.".to_owned()
        }
        _ => words::problem(problem, language),
    };
    let content = html! {
        div.narrow {
            p.overline { (status.as_u16()) }
            h1 { (title) }
            p.lead { (said) }
            p { a.button href="/" { (home) } }
        }
    };
    Reply::status(status, framed(language, title, None, &content))
}

fn framed(
    language: Language,
    title: &str,
    who: Option<(&Who, &Visit<'_>)>,
    content: &Markup,
) -> Markup {
    let code = language.say("en", "pt-BR");
    html! {
        (DOCTYPE)
        html lang=(code) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Cotas" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="data:,";
            }
            body {
                a.skip href="#content" { (language.say("To the content", "Ir para o conteúdo")) }
                @if let Some((who, visit)) = who { (header(who, visit)) }
                main #content { (content) }
                footer {
                    p { "Cotas " (env!("CARGO_PKG_VERSION")) }
                    @if let Some((_, visit)) = who { (languages(visit)) }
                }
            }
        }
    }
}

fn header(who: &Who, visit: &Visit<'_>) -> Markup {
    let access = &who.visit.access;
    let holder = if who.visit.title.is_empty() {
        format!("token {}", access.id)
    } else {
        who.visit.title.clone()
    };
    html! {
        header.bar {
            a.brand href="/" { span.mark aria-hidden="true" {} "Cotas" }
            nav aria-label=(visit.say("Pages", "Páginas")) {
                @for (path, name) in links(who, visit) {
                    @let is_here = path == visit.path;
                    a href=(path) aria-current=[is_here.then_some("page")] { (name) }
                }
            }
            form.logout method="post" action="/logout" {
                (visit.hidden())
                span.holder { (holder) }
                button.quiet type="submit" { (visit.say("Log out", "Sair")) }
            }
        }
    }
}

/// Where the visitor may go from here.
fn links(who: &Who, visit: &Visit<'_>) -> Vec<(String, &'static str)> {
    let access = &who.visit.access;
    let mut links = Vec::new();
    let may = |role| access.role >= role;
    if access.tenant.is_none() && may(cotas::AccessRole::Manager) {
        links.push(("/console".to_owned(), visit.say("Tenants", "Empresas")));
        links.push(("/console/refusals".to_owned(), visit.say("Refusals", "Recusas")));
        links.push(("/console/catalog".to_owned(), visit.say("Catalog", "Catálogo")));
        if routes::needs_of("register").and_then(Needs::role).is_some_and(may) {
            let new = visit.say("New account", "Nova conta");
            links.push(("/console/accounts/new".to_owned(), new));
        }
    }
    let of_console = visit.path.starts_with("/console");
    if let Some(tenant) = access.tenant.as_deref().or(visit.tenant).filter(|_| !of_console) {
        let of = |page: &str| format!("/subscription/{}{page}", segment(tenant));
        links.push((of(""), visit.say("Subscription", "Assinatura")));
        links.push((of("/usage"), visit.say("Usage", "Consumo")));
        if may(cotas::AccessRole::Manager) {
            links.push((of("/extras"), visit.say("Extras", "Extras")));
        }
    }
    links
}

/// The same page in the other language.
fn languages(visit: &Visit<'_>) -> Markup {
    let label = visit.say("Language", "Idioma");
    let names =
        [(Language::Portuguese, "Português", "pt-BR"), (Language::English, "English", "en")];
    html! {
        nav.languages aria-label=(label) {
            @for (language, name, code) in names {
                @if language == visit.language {
                    span lang=(code) aria-current="true" { (name) }
                } @else {
                    a href=(in_language(visit, language)) lang=(code) hreflang=(code) { (name) }
                }
            }
        }
    }
}

fn in_language(visit: &Visit<'_>, language: Language) -> String {
    let mut pairs: Vec<_> = visit.query.pairs().filter(|(name, _)| *name != "language").collect();
    pairs.push(("language", language.code()));
    format!("?{}", super::form::query(&pairs))
}

/// The page of the login has no header, but the languages.
pub(super) fn without_header(visit: &Visit<'_>, title: &str, content: &Markup) -> Markup {
    let content = html! { (content) div.narrow { (languages(visit)) } };
    framed(visit.language, title, None, &content)
}
