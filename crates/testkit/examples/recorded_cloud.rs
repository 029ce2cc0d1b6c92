//! The server of recorded answers, as a program: `recorded_cloud DIRECTORY PAGE_MAX [LIST=COUNT…]`, where each list named has
//! so many copies of its first entry.
//!
//! Prints one line, `auth_url=URL`, and then answers lines on standard input, until that ends: each with the number of requests
//! of every service since the last.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::BufRead as _;

use testkit::{RecordedCloud, Recording};

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: recorded_cloud DIRECTORY PAGE_MAX [LIST=COUNT...]";
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or(usage)?;
    let page_max = arguments.next().ok_or(usage)?.parse()?;
    let mut recording = Recording::read(directory)?;
    for copies in arguments {
        let (list, count) = copies.split_once('=').ok_or(usage)?;
        recording = recording.with_copies(list, count.parse()?);
    }
    let server = RecordedCloud::start(recording, page_max)?;
    println!("auth_url={}", server.auth_url());
    for line in std::io::stdin().lock().lines() {
        drop(line?);
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (service, _) in server.requests() {
            *counts.entry(service).or_default() += 1;
        }
        let counts: Vec<String> =
            counts.iter().map(|(service, count)| format!("\"{service}\": {count}")).collect();
        println!("{{{}}}", counts.join(", "));
    }
    Ok(())
}
