//! Logging in with an access token, and out.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use cotas::AccessRole;
use maud::{Markup, html};

use super::answer::Reply;
use super::form::segment;
use super::layout;
use super::session::{Cookie, LIFETIME, random};
use super::visit::{Visit, Who};
use crate::problem::Problem;

/// `/`: to what the visitor may see.
#[allow(clippy::unnecessary_wraps)] // What every page is.
pub(super) fn home(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let Some(who) = visit.who else { return Ok(Reply::see("/login")) };
    Ok(Reply::see(home_of(who)))
}

fn home_of(who: &Who) -> String {
    let access = &who.visit.access;
    match &access.tenant {
        Some(tenant) => format!("/subscription/{}", segment(tenant)),
        None if access.role >= AccessRole::Manager => "/console".to_owned(),
        None => "/login".to_owned(),
    }
}

/// The form of the login.
pub(super) fn page(visit: &Visit<'_>) -> Result<Reply, Problem> {
    form(visit, StatusCode::OK, None, visit.query.text("next"))
}

fn form(
    visit: &Visit<'_>,
    status: StatusCode,
    wrong: Option<&str>,
    next: &str,
) -> Result<Reply, Problem> {
    // The form belongs to the cookie that is there, so that two windows can log in.
    let kept = Cookie::Login.of(visit.headers, visit.is_secure);
    let no_random =
        || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random bytes");
    let cookie = match kept {
        "" => random().ok_or_else(no_random)?,
        kept => kept.to_owned(),
    };
    let csrf = visit.engine.access_tokens().form_token(&cookie);
    let markup = layout::without_header(
        visit,
        visit.say("Log in", "Entrar"),
        &fields(visit, &csrf, wrong, next),
    );
    let set = Cookie::Login.set(&cookie, Duration::from_hours(1), visit.is_secure);
    Ok(Reply::status(status, markup).with_cookie(set))
}

fn fields(visit: &Visit<'_>, csrf: &str, wrong: Option<&str>, next: &str) -> Markup {
    html! {
        div.narrow.login {
            p.brand { span.mark aria-hidden="true" {} "Cotas" }
            h1 { (visit.say("Log in", "Entrar")) }
            p.lead {
                (visit.say(
                    "With the access token that your platform gave you.",
                    "Com o token de acesso que a sua plataforma lhe deu.",
                ))
            }
            form method="post" action="/login" {
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="next" value=(next);
                div.field.wrong[wrong.is_some()] {
                    label for="token" { (visit.say("Access token", "Token de acesso")) }
                    input #token type="password" name="token" required autofocus
                        autocomplete="current-password" spellcheck="false"
                        aria-invalid=[wrong.map(|_| "true")]
                        aria-describedby=[wrong.map(|_| "token-wrong")];
                    @if let Some(wrong) = wrong { p.why #token-wrong { (wrong) } }
                }
                button.primary type="submit" { (visit.say("Log in", "Entrar")) }
            }
        }
    }
}

/// Begins a session.
pub(super) fn log_in(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let (next, now) = (visit.form.text("next"), Instant::now());
    if visit.logins.must_wait(visit.address, now) {
        let wrong = visit.say(
            "Too many attempts. Wait a minute, then try again.",
            "Muitas tentativas. Espere um minuto e tente novamente.",
        );
        return form(visit, StatusCode::TOO_MANY_REQUESTS, Some(wrong), next);
    }
    let tokens = visit.engine.access_tokens();
    let Some(begun) = tokens.begin_session(visit.form.text("token"), LIFETIME)? else {
        visit.logins.failed(visit.address, now);
        let wrong = visit.say(
            "This token opens nothing: it is mistyped, revoked or expired.",
            "Este token não abre nada: está digitado errado, revogado ou vencido.",
        );
        return form(visit, StatusCode::UNAUTHORIZED, Some(wrong), next);
    };
    if begun.access.tenant.is_none() && begun.access.role < AccessRole::Manager {
        let wrong = visit.say(
            "This token is a viewer's for every tenant: there is no page for it.",
            "Este token é de leitura de todas as empresas: não há página para ele.",
        );
        return form(visit, StatusCode::FORBIDDEN, Some(wrong), next);
    }
    let session = Cookie::Session.set(&begun.cookie, LIFETIME, visit.is_secure);
    let ended = Cookie::Login.set("", Duration::ZERO, visit.is_secure);
    let next = if is_here(next) { next } else { "/" };
    Ok(Reply::see(next).with_cookie(session).with_cookie(ended))
}

/// Whether a path leads to a page of ours and nowhere else.
fn is_here(path: &str) -> bool {
    let is_plain = path.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    let leads_out = path.starts_with("//") || path.starts_with("/login");
    path.starts_with('/') && is_plain && !leads_out
}

/// Ends it in this browser.
#[allow(clippy::unnecessary_wraps)] // What every page is.
pub(super) fn log_out(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let ended = Cookie::Session.set("", Duration::ZERO, visit.is_secure);
    Ok(Reply::see("/login").with_cookie(ended))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_login_no_other_site_is_shown() {
        assert!(is_here("/subscription/acme?language=pt"));
        for path in ["", "x", "//evil.example", "/\\evil.example", "https://a", "/a\nb", "/login"] {
            assert!(!is_here(path), "{path}");
        }
    }
}
