//! kill -9 of the server at any moment of a restoration: the next start has the old store or the new one, whole.

use std::collections::BTreeSet;
use std::time::Duration;

use testkit::until;

use super::harness::Server;
use super::{add, assert_tidy, back_up, begin, kept, revived, run, said, times};

const KILLS: usize = 6;
/// What the server says when a restoration begins.
const LOOKED: &str = "a backup is looked at and copied";

#[test]
fn a_kill_during_it_leaves_one_of_both() {
    let kills = std::env::var("NEPHOSCOPE_METRIC_RESTORE_KILLS")
        .map_or(KILLS, |text| text.parse().expect("NEPHOSCOPE_METRIC_RESTORE_KILLS is not a number"));
    let mut server = Server::new().started();
    server.make_policy();
    let metric = server.make_metric();
    for timestamp in 1..=3 {
        assert_eq!(add(&mut server.client(), &metric, timestamp), 202);
    }
    back_up(&server);
    let first: BTreeSet<u64> = (1..=3).collect();
    // One that is not disturbed says how long it takes here.
    let report = said(&run(&server, &["restore", "--replace", "backup", "--json"]));
    let longest = Duration::from_secs_f64(report["seconds"].as_f64().unwrap());
    let mut accepted = first.clone();
    let mut changed_over = 0;
    for round in 1..=kills as u64 {
        // Never the same as in the backup, so that both can be told apart.
        let timestamp = 10 * round;
        assert_eq!(add(&mut server.client(), &metric, timestamp), 202);
        accepted.insert(timestamp);
        let before = kept(&server).len();
        // Earlier rounds have said so as well.
        let looked = |server: &mut Server| server.process().output().matches(LOOKED).count();
        let said_before = looked(&mut server);
        let restoring = begin(&server, &["restore", "--replace", "backup"]);
        until("a restoration", || (looked(&mut server) > said_before).then_some(())).unwrap();
        std::thread::sleep(longest.mul_f64(fastrand::f64()));
        server.kill();
        server.start();
        server.wait_started();
        let found = times(&server, &metric);
        if found == first {
            assert_eq!(kept(&server).len(), before + 1);
            let old = revived(kept(&server).last().unwrap(), &[]);
            assert_eq!(times(&old, &metric), accepted);
            accepted.clone_from(&first);
            changed_over += 1;
        } else {
            assert_eq!(found, accepted);
            assert_eq!(kept(&server).len(), before);
        }
        // It ends with the connection, or when the server is back.
        restoring.wait_with_output().unwrap();
    }
    println!("{kills} kills: {changed_over} times the backup was in place");
    // Whatever is left does not hinder one that is not disturbed.
    let restored = run(&server, &["restore", "--replace", "backup"]);
    assert!(restored.status.success(), "{restored:?}");
    assert_tidy(&server);
    assert_eq!(times(&server, &metric), first);
}
