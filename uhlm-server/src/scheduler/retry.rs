//! Makes a pass that the engine failed at again, sequence by sequence, so that only the session whose sequence it fails
//! at is told so.

use std::time::Instant;

use uhlm_law::model::ModelError;

use super::division::Share;
use super::room::Kind;
use super::slots::Need;
use super::turn::fail;
use super::worker::{Worker, internal};
use crate::target::BatchToken;

impl Worker {
    /// Restores every slot that a failed pass touched to what it held before, and decodes a pass that several sessions
    /// shared for each of them alone.
    pub(super) fn retry(
        &mut self,
        batch: &[BatchToken],
        shares: &[Share],
        failure: &ModelError,
        began: Instant,
    ) -> Result<(), ModelError> {
        for share in shares {
            self.cache.repair(self.target.as_mut(), share.slot)?;
        }
        if let ModelError::ContextFull { .. } = failure {
            // The engine's room is more fragmented than the count of tokens says.
            return self.relieve(shares);
        }
        if let [share] = shares {
            return self.condemn(share, failure);
        }
        tracing::warn!(error = %failure, sessions = shares.len(), "a pass failed and is made again one by one");
        for share in shares {
            let part = &batch[share.first..share.first + share.count];
            // Requests that were taken in between may have ended the session or changed what its slot holds.
            let is_as_it_was = self.table.get(share.session).is_some_and(|session| {
                session.slot == Some(share.slot)
                    && session.active.as_ref().is_some_and(|active| active.held() == self.cache.len(share.slot))
                    && part.first().is_some_and(|token| token.position == self.cache.len(share.slot))
            });
            if !is_as_it_was {
                continue;
            }
            self.pulse.beat();
            let alone = Share { first: 0, ..*share };
            match self.target.decode(part) {
                Ok(()) => {
                    self.metrics.pass(part.len(), 1);
                    self.decoded(part, &[alone], began)?;
                }
                Err(ModelError::ContextFull { .. }) => self.cache.repair(self.target.as_mut(), share.slot)?,
                Err(failure) => self.condemn(share, &failure)?,
            }
        }
        Ok(())
    }

    /// Makes room after the engine had none, or refuses the session whose request came last.
    fn relieve(&mut self, shares: &[Share]) -> Result<(), ModelError> {
        let newest = shares.iter().map(|share| share.session).max_by_key(|id| self.arrived(*id));
        let Some(newest) = newest else { return Ok(()) };
        let Some(owner) = self.table.get(newest).map(|session| session.owner) else { return Ok(()) };
        let context =
            shares.iter().find(|share| share.session == newest).map(|share| self.cache.context_of(share.slot));
        if !self.unload_one(owner, Kind::Tokens, shares, Need::Growth, context)? {
            self.refuse_for_room(newest);
        }
        Ok(())
    }

    /// Tells a session that the engine fails at its pass. Nothing of the session stays in the engine.
    fn condemn(&mut self, share: &Share, failure: &ModelError) -> Result<(), ModelError> {
        self.cache.forget(self.target.as_mut(), share.slot)?;
        if let Some(session) = self.table.get_mut(share.session) {
            fail(session, internal(failure));
        }
        Ok(())
    }
}
