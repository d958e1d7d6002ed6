//! `cotas maintain`.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Args;
use cotas::{Error, StoreError, SystemClock};
use serde_json::json;

use crate::database::Database;
use crate::failure::Failure;
use crate::output::{Output, complain, counted, grouped};

/// Time between two rounds: what a power cut may cost.
const INTERVAL: Duration = Duration::from_millis(100);

/// Maintenance for hosts that do none of their own. Killing it loses nothing: the next to open the
/// database goes on.
#[derive(Args)]
pub struct Maintain {
    /// Do one round and say what was done
    #[arg(long)]
    once: bool,
}

impl Maintain {
    /// Maintains the database until killed, or once.
    pub fn run(&self, database: &Database, output: Output) -> Result<(), Failure> {
        let engine = database.open(Arc::new(SystemClock))?;
        if self.once {
            let done = engine.maintain()?;
            let text = format!(
                "wrote {}, settled {}, removed {}",
                counted(done.checkpointed as u64, "tenant"),
                grouped(done.settled as u64),
                counted(done.removed as u64, "ended demonstration"),
            );
            return output.print(&text, &json!(done));
        }
        let mut last_complaint = String::new();
        loop {
            match engine.maintain() {
                Ok(_) => last_complaint.clear(),
                // It may pass: nothing was changed, and the next round tries again.
                Err(error) if may_pass(&error) => {
                    let complaint = error.to_string();
                    if complaint != last_complaint {
                        complain(&complaint);
                        last_complaint = complaint;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            thread::sleep(INTERVAL);
        }
    }
}

fn may_pass(error: &Error) -> bool {
    matches!(
        error,
        Error::Busy { .. } | Error::Store(StoreError::Busy { .. } | StoreError::Full { .. })
    )
}
