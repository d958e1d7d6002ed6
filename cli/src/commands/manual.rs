//! `cotas completions`, `cotas manual`, `cotas reference`: what is written from the command line's
//! own description, so that it cannot differ from it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_markdown::MarkdownOptions;

use crate::failure::Failure;

/// Completions for a shell, on standard output.
#[derive(Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Prints them.
    pub fn run(&self, mut program: Command) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "cotas", &mut script);
        io::stdout().write_all(&script)?;
        Ok(())
    }
}

/// One page for `man` a command.
#[derive(Args)]
pub struct Manual {
    /// Where to write them; made if it is missing
    directory: PathBuf,
}

impl Manual {
    /// Writes the pages.
    pub fn run(&self, program: Command) -> Result<(), Failure> {
        fs::create_dir_all(&self.directory)?;
        clap_mangen::generate_to(program, &self.directory)?;
        Ok(())
    }
}

/// The page `docs/cli.md`.
pub fn reference(program: &Command) -> Result<(), Failure> {
    let options = MarkdownOptions::new()
        .title("Command line".to_owned())
        .show_footer(false)
        .show_table_of_contents(false);
    let page = clap_markdown::help_markdown_command_custom(program, &options);
    writeln!(io::stdout(), "{}", page.trim_end())?;
    Ok(())
}
