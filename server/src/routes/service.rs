//! The service itself: whether it lives, whether it can decide, and what it offers.

use axum::http::StatusCode;
use cotas::AccessRole;
use serde_json::json;

use super::{Answer, Method, Route};
use crate::access::Needs;
use crate::metrics;
use crate::problem::Problem;

pub(super) const ROUTES: &[Route] = &[
    Route::public(Method::Get, "/healthz", "Say that the process answers", |_| {
        Ok(Answer::json(&json!({ "status": "ok" })))
    }),
    Route::public(Method::Get, "/readyz", "Say whether the database can be used", |call| {
        // A database without a catalog decides nothing; a poisoned one neither.
        match call.engine.catalog().and_then(|_| call.engine.access_tokens().verify("")) {
            Ok(_) => Ok(Answer::json(&json!({ "status": "ready" }))),
            Err(error) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
        }
    }),
    Route::public(
        Method::Get,
        "/metrics",
        "Give figures to Prometheus: what this process answered, and how the database stands",
        |call| {
            let webhooks = call.engine.webhooks().list()?;
            let metrics = call.engine.metrics()?;
            let page = call.counters.page(&metrics, &call.database.doctor()?, &webhooks);
            Ok(Answer::text(metrics::MEDIA, page))
        },
    )
    .for_those(Needs::EveryTenant(AccessRole::Viewer)),
    Route::public(Method::Get, "/openapi.json", "Describe every route", |call| {
        Ok(Answer::json(&crate::openapi::document(call.options.signup.enabled)))
    })
    .tagged(),
];
