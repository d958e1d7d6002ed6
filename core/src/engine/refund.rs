//! Refunds: what a decision charged goes back to the same grants, once.

use std::time::Duration;

use super::caller::Caller;
use super::decide::Obstacle;
use super::late::Late;
use super::replayed::REFUNDED;
use super::reserve::{Back, is_of_this_period, needs_lane, return_units};
use super::{Engine, Shared};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::live::block::BlockGuard;
use crate::live::claims::{ClaimKind, Place};
use crate::live::layout::claim;
use crate::live::split::Taken;
use crate::rules::{Handle, Receipt};

impl Caller<'_> {
    /// Gives back what the decision with this receipt charged.
    pub(super) fn refund(&self, receipt: &Receipt) -> Result<(), Error> {
        let Engine { shared, patience, .. } = self.engine;
        let patience = *patience;
        self.engine.apply_at(self.at, self.name, |now| {
            match shared.try_refund(self.at, receipt.0, (now, patience)) {
                Err(Obstacle::LateHold(place)) if !patience.is_zero() => {
                    let (kind, state) = (ClaimKind::Key, REFUNDED);
                    let late = Late { place, kind, state, back: Back::All };
                    shared.settle_late(self.at, self.name, now, receipt.0, late)
                }
                other => other,
            }
        })
    }

    /// What the decision with this receipt charged.
    pub(super) fn charges_of(&self, receipt: &Receipt) -> Result<Vec<crate::SourceCharge>, Error> {
        let shared = &self.engine.shared;
        let guard = shared.lock_block(self.at)?;
        let place = shared.receipted(&guard, receipt.0)?;
        let mut all: Vec<crate::SourceCharge> = Vec::new();
        for taken in guard.record(place, ClaimKind::Key) {
            let Taken { resource, source, units, .. } = taken;
            let same = all.iter_mut().find(|it| it.resource == resource && it.source == source);
            match same {
                Some(listed) => listed.units += units,
                None => all.push(crate::SourceCharge { resource, source, units }),
            }
        }
        Ok(all)
    }
}

impl Shared {
    fn try_refund(
        &self,
        at: u64,
        handle: Handle,
        (now, patience): (Timestamp, Duration),
    ) -> Result<(), Obstacle> {
        let mut guard = self.ready_block(at, now, patience)?;
        let place = self.unrefunded(&guard, handle)?;
        if needs_lane(&guard, place, ClaimKind::Key) {
            return Err(Obstacle::LateHold(place));
        }
        let in_period = is_of_this_period(&guard, place, ClaimKind::Key);
        let mark = now.max(guard.mark());
        Self::prepare_return(&mut guard, place)?;
        let seq = guard.begin();
        let mut entries = guard.entries(place, ClaimKind::Key);
        while let Some(taken) = entries.next(&guard) {
            let taken = Taken { units: taken.returnable(), ..taken };
            return_units(&mut guard, taken, in_period, mark);
        }
        guard.set_claim_state(place, REFUNDED);
        guard.touch_claim(place, seq);
        guard.raise_mark(now);
        self.finish(&mut guard)
    }

    /// Where the decision with a receipt is kept, if it has not been refunded.
    pub(super) fn unrefunded(
        &self,
        guard: &BlockGuard<'_>,
        handle: Handle,
    ) -> Result<Place, Error> {
        let place = self.receipted(guard, handle)?;
        if guard.claim_state(place) == REFUNDED { Err(Error::AlreadyRefunded) } else { Ok(place) }
    }

    fn receipted(&self, guard: &BlockGuard<'_>, handle: Handle) -> Result<Place, Error> {
        self.check_epoch(handle, "receipt")?;
        let place = Place(handle.place);
        if guard.holds(place, ClaimKind::Key)
            && guard.claim_get(place, claim::START) == handle.number
        {
            return Ok(place);
        }
        Err(Error::UnknownReceipt(Receipt(handle)))
    }
}
