//! Pages for people: a tenant's subscription, and the console of the platform. Written on the
//! server with maud, which checks the HTML when it is compiled and escapes every text; no build
//! step, no script, nothing from elsewhere.
//!
//! Pages decide nothing: they show what the engine says, and call its operations. Who may call one
//! is what REST says of it.

mod account;
mod answer;
mod catalog;
mod console;
mod extras;
mod form;
mod layout;
mod login;
mod parts;
mod refusals;
mod session;
mod subscription;
mod tenant;
mod usage;
mod visit;
mod words;

use cotas::AccessRole;

use crate::access::Needs;
use crate::problem::Problem;
use crate::routes::Method;

use answer::Reply;
pub(crate) use answer::Visitor;
pub(crate) use session::Logins;
use visit::Visit;

/// A page, or what a form of one does.
#[derive(Debug)]
pub struct Page {
    /// The method.
    pub method: Method,
    /// The path; `{tenant}` stands for a tenant's name, percent-encoded.
    pub path: &'static str,
    /// Who may see it. What a form does may need more: what REST says of the operation.
    pub needs: Needs,
    run: fn(&Visit<'_>) -> Result<Reply, Problem>,
}

/// Every page.
pub static PAGES: &[Page] = &[
    get("/", Needs::Nothing, login::home),
    get("/style.css", Needs::Nothing, layout::style),
    get("/login", Needs::Nothing, login::page),
    post("/login", Needs::Nothing, login::log_in),
    post("/logout", Needs::Nothing, login::log_out),
    get("/subscription/{tenant}", OF_TENANT, subscription::page),
    get("/subscription/{tenant}/usage", OF_TENANT, usage::page),
    get("/subscription/{tenant}/extras", OF_PAYER, extras::page),
    post("/subscription/{tenant}/extras", OF_PAYER, extras::buy),
    post("/subscription/{tenant}/payment-method", OF_PAYER, subscription::set_payment_method),
    get("/console", OF_PLATFORM, console::page),
    get("/console/refusals", OF_PLATFORM, refusals::page),
    get("/console/catalog", OF_PLATFORM, catalog::page),
    post("/console/catalog", OF_PLATFORM, catalog::submit),
    get("/console/accounts/new", OF_PLATFORM, account::page),
    post("/console/accounts/new", OF_PLATFORM, account::submit),
    get("/console/tenants/{tenant}", OF_PLATFORM, tenant::page),
    post("/console/tenants/{tenant}/status", OF_PLATFORM, tenant::set_status),
    post("/console/tenants/{tenant}/plan", OF_PLATFORM, tenant::change_plan),
    post("/console/tenants/{tenant}/grant", OF_PLATFORM, tenant::grant),
    post("/console/tenants/{tenant}/paid", OF_PLATFORM, tenant::mark_paid),
    post("/console/tenants/{tenant}/assign", OF_PLATFORM, tenant::assign),
];

const OF_TENANT: Needs = Needs::Tenant(AccessRole::Viewer);
const OF_PAYER: Needs = Needs::Tenant(AccessRole::Manager);
const OF_PLATFORM: Needs = Needs::EveryTenant(AccessRole::Manager);

type Run = fn(&Visit<'_>) -> Result<Reply, Problem>;

const fn get(path: &'static str, needs: Needs, run: Run) -> Page {
    Page { method: Method::Get, path, needs, run }
}

const fn post(path: &'static str, needs: Needs, run: Run) -> Page {
    Page { method: Method::Post, path, needs, run }
}
