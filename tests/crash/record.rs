//! What a worker reports to the driver, through a pipe: one record of 64 bytes before each
//! operation and one after. A pipe takes so little whole or not at all, so that a record of a
//! killed worker is there or is not.

use std::io::Read;

/// Bytes of a record.
pub const RECORD_BYTES: usize = 64;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Op {
    /// Units of `credits`; `subject` is the tenant.
    Consume,
    /// Units under an idempotency key; `subject` is the key.
    Keyed,
    /// Gives back what a key charged.
    Refund,
    /// Sets units aside under a key.
    Reserve,
    /// Resolves what a key has set aside, as the key says.
    Resolve,
    /// A message of a contact; `subject` is the contact.
    Receive,
    /// Takes a seat; `subject` is the holder.
    Occupy,
    /// Leaves a seat.
    Vacate,
    /// Takes a lease; `subject` is the holder.
    Acquire,
    /// Gives a lease back.
    LetGo,
    /// Adds to a meter.
    Add,
    /// Takes from a meter what this worker has added.
    Subtract,
    /// Passes a rate; `subject` is the key.
    Pass,
    /// An action with two charges, all or nothing.
    Perform,
    /// Grants units under a key; `subject` is the key.
    Grant,
    /// Buys units and pays for them, both under a key.
    Buy,
    /// Creates a tenant; `subject` is its number.
    Create,
    /// Changes a tenant's plan under a key.
    Plan,
    /// Loads one of two catalogs.
    Catalog,
    /// Suspends and reactivates a tenant, and moves its limit.
    Govern,
    /// Writes a checkpoint, settles, reads reports, lists and acknowledges events.
    Maintain,
    /// A loop without records: `units` were acknowledged, as a shared page says.
    Tight,
}

impl Op {
    /// Every operation, in the order of its number.
    pub const ALL: [Op; 22] = [
        Op::Consume,
        Op::Keyed,
        Op::Refund,
        Op::Reserve,
        Op::Resolve,
        Op::Receive,
        Op::Occupy,
        Op::Vacate,
        Op::Acquire,
        Op::LetGo,
        Op::Add,
        Op::Subtract,
        Op::Pass,
        Op::Perform,
        Op::Grant,
        Op::Buy,
        Op::Create,
        Op::Plan,
        Op::Catalog,
        Op::Govern,
        Op::Maintain,
        Op::Tight,
    ];
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It is about to be done.
    Intent,
    /// It was done now.
    Done,
    /// It had been done before, and changed nothing now.
    Again,
    /// It was refused, and changed nothing.
    Denied,
    /// An error that says that nothing was changed, and that it may be tried again.
    Busy,
    /// It was done, or not: what waits for the disk and does not learn of it.
    Unknown,
    /// What a worker itself found to be wrong: `subject` says what, as `Wrong` numbers it.
    Broken,
}

impl Phase {
    const ALL: [Phase; 7] = [
        Phase::Intent,
        Phase::Done,
        Phase::Again,
        Phase::Denied,
        Phase::Busy,
        Phase::Unknown,
        Phase::Broken,
    ];
}

/// What a worker sees by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wrong {
    /// An error that no kill explains; `units` is its code.
    Error,
    /// A decision did not follow a change that had been acknowledged before it began
    /// (docs/invariants.md, I7).
    Stale,
    /// A decision that was allowed says that more is used than the limit (docs/invariants.md, I1).
    Over,
    /// `verify` found something (docs/invariants.md, I5).
    Unsound,
}

impl Wrong {
    /// Every kind, in the order of its number.
    pub const ALL: [Wrong; 4] = [Wrong::Error, Wrong::Stale, Wrong::Over, Wrong::Unsound];
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// How far.
    pub phase: Phase,
    /// What.
    pub op: Op,
    /// Which thread of the worker; a forked child has numbers of its own.
    pub thread: u32,
    /// About what: see [`Op`].
    pub subject: u64,
    /// How many units.
    pub units: u64,
    /// Units used afterwards, as the decision says.
    pub used: u64,
    /// A lease's fencing number, a catalog's version.
    pub number: u64,
}

impl Record {
    /// The record as bytes.
    pub fn bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0] = self.phase as u8;
        bytes[1] = self.op as u8;
        bytes[4..8].copy_from_slice(&self.thread.to_le_bytes());
        let words = [self.subject, self.units, self.used, self.number];
        for (at, word) in words.into_iter().enumerate() {
            bytes[8 + 8 * at..16 + 8 * at].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8; RECORD_BYTES]) -> Record {
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        Record {
            phase: Phase::ALL[usize::from(bytes[0])],
            op: Op::ALL[usize::from(bytes[1])],
            thread: u32::from_le_bytes(bytes[4..8].try_into().expect("4 bytes")),
            subject: word(8),
            units: word(16),
            used: word(24),
            number: word(32),
        }
    }

    /// Writes it to standard output, at once and whole.
    pub fn report(&self) {
        let bytes = self.bytes();
        loop {
            // SAFETY: a plain system call with a buffer of as many bytes.
            let written = unsafe { libc::write(1, bytes.as_ptr().cast(), RECORD_BYTES) };
            if written == RECORD_BYTES as isize {
                return;
            }
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                // No one listens any more: the driver is gone.
                // SAFETY: a plain system call.
                unsafe { libc::_exit(0) };
            }
        }
    }

    /// The next record of a pipe; `None`: its writers are gone.
    pub fn read(from: &mut impl Read) -> Option<Record> {
        let mut bytes = [0; RECORD_BYTES];
        from.read_exact(&mut bytes).ok()?;
        Some(Record::parse(&bytes))
    }
}
