//! `cotas whatsapp-events`: what a webhook's body says.

use std::path::PathBuf;

use clap::Args;
use cotas::whatsapp;
use serde_json::json;

use super::secret::read;
use crate::failure::Failure;
use crate::output::Output;

/// A webhook's body.
#[derive(Args)]
pub struct WhatsappEvents {
    /// The body; - is standard input
    file: PathBuf,
}

impl WhatsappEvents {
    /// Shows its parts, and which of them open a session.
    pub fn run(&self, output: Output) -> Result<(), Failure> {
        let body = whatsapp::read(&read(&self.file)?)?;
        let mut lines = Vec::new();
        if !body.known {
            lines.push("the body is of no known form".to_owned());
        }
        for event in &body.events {
            let opens = if event.opens { "opens a session" } else { "opens nothing" };
            let at = event.at.map_or(String::new(), |at| format!(" at {at}"));
            let contacts = match event.contacts.len() {
                0 => String::new(),
                _ => format!(" of {}", event.contacts.join(" = ")),
            };
            lines.push(format!("{}, {opens}:{at}{contacts}", event.kind));
        }
        lines.extend(body.malformed.iter().map(ToString::to_string));
        output.print(&lines.join("\n"), &json!(body))
    }
}
