//! `spillway check`: reads everything that is stored and names what is damaged.

use std::process::ExitCode;

use clap::Args;
use spillway_store_sqlite::check::{self, Finding, Listener};

use super::{Data, EX_DATAERR, EX_UNAVAILABLE, EX_USAGE, block_on, refused, shown};

/// Arguments of `spillway check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    data: Data,
}

/// Findings on standard output, progress on standard error.
struct Printer;

impl Listener for Printer {
    fn found(&mut self, Finding { file, block, what }: Finding) {
        match block {
            Some(block) => println!("{file} block {block}: {what}"),
            None => println!("{file}: {what}"),
        }
    }

    fn file(&mut self, file: &str, number: usize, of: usize) {
        eprintln!("{number}/{of} {file}");
    }
}

/// Checks, and ends with 65 when something is damaged.
pub fn run(args: CheckArgs) -> ExitCode {
    let dir = match args.data.dir() {
        Ok(dir) => dir,
        Err(error) => return refused(&error, EX_USAGE),
    };
    let checked = match block_on(check::check(&dir, &mut Printer)) {
        Ok(Ok(checked)) => checked,
        Ok(Err(error)) => return refused(&error, EX_UNAVAILABLE),
        Err(error) => return refused(&error, EX_UNAVAILABLE),
    };
    let (files, blocks, spans) = (checked.files, checked.blocks, checked.spans);
    let bytes = shown(checked.bytes);
    match checked.findings {
        0 => {
            println!("{files} files, {blocks} blocks, {spans} spans, {bytes}: all as it should be");
            ExitCode::SUCCESS
        }
        findings => {
            println!("{files} files, {blocks} blocks, {spans} spans, {bytes}: {findings} problems");
            ExitCode::from(EX_DATAERR)
        }
    }
}
