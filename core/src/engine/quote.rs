//! What an action would cost, reported before it is done (docs/sources.md, Assin).

use super::call::{Details, NO_CHARGES};
use super::caller::Caller;
use super::caller::With;
use crate::error::Error;
use crate::rules::{Decision, Mode, State};

/// What an action would cost, and whether it would be allowed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Quote {
    /// The tariff that this follows: the version of the catalog. Given back in
    /// [`Details::tariff`], the action is done for this price or not at all.
    pub tariff: u64,
    /// What the action would be answered now.
    pub decision: Decision,
    /// What it costs, balance by balance.
    pub costs: Vec<CostLine>,
}

/// What an action costs of one balance.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CostLine {
    /// The resource.
    pub resource: String,
    /// Units that the action costs.
    pub cost: u64,
    /// Units used so far, or held.
    pub used: u64,
    /// Units available before the action; `None`: there is no limit.
    pub available: Option<u64>,
    /// What is contracted; `None`: there is no limit.
    pub limit: Option<u64>,
}

impl Caller<'_> {
    /// What an action would cost now. Changes nothing.
    pub(super) fn quote(&self, action: &str, details: &Details<'_>) -> Result<Quote, Error> {
        let engine = self.engine;
        let shared = &engine.shared;
        let compiled = shared.compiled()?;
        let with = With { once: None, ..With::CHECK };
        let decision = engine.perform_at(self.at, self.name, action, details, with)?;
        let mut space = NO_CHARGES;
        let mut call = super::call::Call::consume(&[]);
        engine.call_of(action, details, &mut space, &mut call)?;
        let mut costs = call.charges(decision.lease.is_none_or(|lease| lease.acquired)).to_vec();
        if let (Some(session), true) = (&call.session, decision.session.is_some_and(|it| it.opened))
        {
            let opened = session.rule.resources();
            costs.extend(opened.map(|resource| crate::rules::Charge { resource, units: 1 }));
        }
        let lines = |state: &dyn State| {
            costs
                .iter()
                .map(|charge| {
                    let balance = state.balance(charge.resource);
                    let finite = balance.terms.mode != Mode::Unlimited;
                    CostLine {
                        resource: compiled
                            .resource_name(charge.resource)
                            .unwrap_or_default()
                            .to_owned(),
                        cost: charge.units,
                        used: balance.used,
                        available: finite.then_some(balance.available),
                        limit: finite.then_some(balance.limit),
                    }
                })
                .collect()
        };
        let costs = shared.look(self.at, self.name, engine.now(), lines)?;
        Ok(Quote { tariff: compiled.version, decision, costs })
    }
}
