//! Which file is this, for each tenant: one that was decided about before, as far as it went, or
//! another one that begins alike?
//!
//! A tenant's cursor holds a hash of all content up to the last event that was decided. A file is
//! the same one where its own hash at that place is equal: so a file that has grown goes on, and a
//! file that was corrected before that place, or that only begins alike, is another file.

use std::collections::HashMap;

use cotas::{Engine, Error, Progress, Tenant};

use crate::failure::Failure;
use crate::traffic::{Names, Source, Traffic};

/// Finds the cursors of the traffic.
pub struct Identity<'a> {
    engine: &'a Engine,
    source: &'a Source,
    names: &'a Names,
    /// A hash of what files that begin alike have in common.
    start: [u8; 32],
    /// By tenant, the number of the file among those that begin alike. Found when the first
    /// tenant turns up that has decided about such a file.
    numbers: Option<HashMap<String, u32>>,
    /// Tenants for which this is another file than one that they decided about.
    pub others: u64,
}

/// What a tenant has decided about files that begin alike.
struct Candidates {
    cursors: Vec<Progress>,
    /// The one of which this file is the continuation.
    matched: Option<u32>,
}

impl<'a> Identity<'a> {
    /// The identity of the traffic of `source`, which begins with `fingerprint`.
    pub fn new(
        engine: &'a Engine,
        (source, names): (&'a Source, &'a Names),
        fingerprint: &[u8],
    ) -> Identity<'a> {
        let start = *blake3::hash(fingerprint).as_bytes();
        Identity { engine, source, names, start, numbers: None, others: 0 }
    }

    /// What identifies the traffic to a tenant's cursors.
    pub fn of(&mut self, tenant: &Tenant) -> Result<Vec<u8>, Failure> {
        if tenant.progress(&self.name(0))?.is_none() {
            return Ok(self.name(0));
        }
        let numbers = match self.numbers.take() {
            Some(numbers) => numbers,
            None => self.look_through()?,
        };
        let known = numbers.get(tenant.name()).copied();
        self.numbers = Some(numbers);
        if let Some(number) = known {
            return Ok(self.name(number));
        }
        self.others += 1;
        Ok(self.name(self.cursors(tenant)?.len() as u32))
    }

    fn name(&self, number: u32) -> Vec<u8> {
        [&self.start[..], &number.to_le_bytes()].concat()
    }

    fn cursors(&self, tenant: &Tenant) -> Result<Vec<Progress>, Failure> {
        let mut cursors = Vec::new();
        while let Some(progress) = tenant.progress(&self.name(cursors.len() as u32))? {
            cursors.push(progress);
        }
        Ok(cursors)
    }

    /// Reads the traffic from its start to its end, and compares it with every cursor.
    fn look_through(&self) -> Result<HashMap<String, u32>, Failure> {
        let mut tenants: HashMap<String, Candidates> = HashMap::new();
        let mut traffic = Traffic::open(self.source, self.names)?;
        for event in traffic.by_ref().flatten().filter(|event| event.action.is_some()) {
            if !tenants.contains_key(&event.tenant) {
                let cursors = match self.engine.tenant(&event.tenant) {
                    Ok(tenant) => self.cursors(&tenant)?,
                    Err(Error::UnknownTenant(_) | Error::InvalidArgument { .. }) => Vec::new(),
                    Err(error) => return Err(error.into()),
                };
                tenants.insert(event.tenant.clone(), Candidates { cursors, matched: None });
            }
            let Some(candidates) = tenants.get_mut(&event.tenant) else { continue };
            for (number, progress) in (0..).zip(&candidates.cursors) {
                if progress.content == event.content {
                    candidates.matched = Some(number);
                }
            }
        }
        traffic.finish()?;
        let matched = tenants.into_iter().filter_map(|(name, it)| Some((name, it.matched?)));
        Ok(matched.collect())
    }
}
