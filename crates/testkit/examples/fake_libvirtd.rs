//! The server that replays recorded libvirt answers, as a program: `fake_libvirtd DOMAINS`.
//!
//! Prints one line, `socket=PATH uri=URI`, and then answers commands on standard input, until that ends: `advance` lets
//! counters grow, `calls` says how often anything was called and how many connections there were.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::error::Error;
use std::io::BufRead as _;

use testkit::FakeLibvirtd;

fn main() -> Result<(), Box<dyn Error>> {
    let domains = std::env::args().nth(1).ok_or("usage: fake_libvirtd DOMAINS")?.parse()?;
    let server = FakeLibvirtd::start(domains)?;
    println!("socket={} uri={}", server.socket().display(), server.uri());
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "advance" => server.advance(),
            "calls" => {}
            other => return Err(format!("no such command: {other}").into()),
        }
        println!("calls={} connections={}", server.all_calls(), server.connections());
    }
    Ok(())
}
