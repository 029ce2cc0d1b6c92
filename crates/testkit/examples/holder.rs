//! Holds one of each fixture until it is killed; the tests of the leash kill it in different ways.
//!
//! Prints one line `held PORT PORT … DIR DIR …` when everything stands, then waits for its end. With the
//! argument `panic` it panics instead of waiting; with `exit` it leaves without dropping anything, as a test
//! binary with fixtures in statics does.
#![allow(clippy::print_stdout)]

use std::io::Read;

use testkit::{PostgreSql, Program, RabbitMq, shared_rabbitmq};

#[expect(clippy::panic, reason = "that is what this program is for")]
fn main() -> Result<(), testkit::Error> {
    let own = RabbitMq::start()?;
    let database = PostgreSql::start()?;
    let program = Program::new("sleep").arg("1000").start()?;
    let shared = shared_rabbitmq();
    println!(
        "held {} {} {} {} {} {}",
        own.port(),
        shared.port(),
        database.port(),
        own.dir().display(),
        shared.dir().display(),
        database.dir().display()
    );
    println!("program {}", program.pid());
    match std::env::args().nth(1).as_deref() {
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
