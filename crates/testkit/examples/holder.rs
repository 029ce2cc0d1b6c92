//! Holds fixtures until it is killed; the tests of the leash kill it in different ways.
//!
//! Prints one line `held PORTS DIRS`, separated by commas, when everything stands, then waits for its end. With the
//! argument `panic` it panics instead of waiting; with `exit` it leaves without dropping anything, as a test
//! binary with fixtures in statics does.
#![allow(clippy::print_stdout)]

use std::io::Read;

use testkit::{PostgreSql, Program, RabbitMq, shared_rabbitmq};

#[expect(clippy::panic, reason = "that is what this program is for")]
fn main() -> Result<(), testkit::Error> {
    let ending = std::env::args().nth(1);
    let own = (ending.as_deref() != Some("exit")).then(RabbitMq::start).transpose()?;
    let shared = (ending.as_deref() != Some("panic")).then(shared_rabbitmq);
    let database = PostgreSql::start()?;
    let program = Program::new("sleep").arg("1000").start()?;
    let brokers = || own.iter().chain(shared);
    let ports: Vec<String> =
        brokers().map(RabbitMq::port).chain([database.port()]).map(|port| port.to_string()).collect();
    let dirs: Vec<String> = brokers()
        .map(RabbitMq::dir)
        .chain([database.dir().as_path()])
        .map(|dir| dir.display().to_string())
        .collect();
    println!("held {} {}", ports.join(","), dirs.join(","));
    println!("program {}", program.pid());
    match ending.as_deref() {
        Some("panic") => panic!("on purpose"),
        Some("exit") => {
            std::mem::forget((own, database, program));
            Ok(())
        }
        _ => {
            let _ = std::io::stdin().read(&mut [0]);
            Ok(())
        }
    }
}
