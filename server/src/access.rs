//! Who may ask for what.

use axum::http::{HeaderMap, StatusCode, header};
use cotas::{Access, AccessRole, Engine};

use crate::problem::Problem;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The gateway's own token, which the engine compares.
    GatewayToken,
    /// An access token of this role or a higher one, which opens the tenant that the request names.
    Tenant(AccessRole),
    /// An access token of this role or a higher one, which opens the tenant whose invoice the
    /// request names.
    Invoice(AccessRole),
    /// An access token of this role or a higher one, for every tenant.
    EveryTenant(AccessRole),
}

impl Needs {
    /// The role that is needed, if one is.
    #[must_use]
    pub fn role(self) -> Option<AccessRole> {
        match self {
            Needs::Tenant(role) | Needs::Invoice(role) | Needs::EveryTenant(role) => Some(role),
            Needs::Nothing | Needs::GatewayToken => None,
        }
    }
}

/// The token that a request brought, if it has the form of one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(Problem::unauthorised());
    };
    let text = value.to_str().ok().and_then(|text| text.split_once(' '));
    match text {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::unauthorised()),
    }
}

/// What a token opens. Reads SQLite.
pub(crate) fn authenticate(engine: &Engine, token: &str) -> Result<Access, Problem> {
    engine.access_tokens().verify(token)?.ok_or_else(Problem::unauthorised)
}

/// Refuses a role that is too low, and a token that does not open `tenant`. Whether there is such a
/// tenant has no influence: who may not ask learns nothing.
pub(crate) fn authorise(
    access: &Access,
    needs: Needs,
    tenant: Option<&str>,
) -> Result<(), Problem> {
    let forbidden = |detail: String| Err(Problem::new(StatusCode::FORBIDDEN, detail));
    if let Some(role) = needs.role().filter(|&role| access.role < role) {
        let (has, needs) = (access.role.code(), role.code());
        return forbidden(format!("the token is a {has}'s; a {needs}'s or higher is needed"));
    }
    match (&access.tenant, needs) {
        (Some(_), Needs::EveryTenant(_)) => {
            forbidden("the token is for one tenant; one for every tenant is needed".to_owned())
        }
        (Some(own), Needs::Tenant(_) | Needs::Invoice(_)) if Some(own.as_str()) != tenant => {
            forbidden("the token does not open this tenant".to_owned())
        }
        _ => Ok(()),
    }
}
