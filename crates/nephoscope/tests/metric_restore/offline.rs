//! Without a server the command does it itself; and an index that is elsewhere goes with its measures.

use std::collections::BTreeSet;
use std::fs;

use super::harness::Server;
use super::{add, assert_tidy, back_up, kept, revived, run, said, times};

/// The story: what only the log of the old index had would have been played into the new one.
#[test]
fn without_a_server_store_and_index_are_replaced_together() {
    let server = Server::new();
    let index = server.path("database/index.sqlite");
    fs::create_dir_all(server.path("database")).unwrap();
    let mut server = server.with("indexer", format!("url = sqlite:///{}", index.display())).started();
    server.make_policy();
    let metric = server.make_metric();
    assert_eq!(add(&mut server.client(), &metric, 1), 202);
    back_up(&server);
    let later = server.make_metric();
    assert_eq!(add(&mut server.client(), &later, 2), 202);

    // A server that nobody can ask is not overtaken.
    let socket = server.path("state/metric.sock");
    fs::remove_file(&socket).unwrap();
    let busy = run(&server, &["restore", "--replace", "backup"]);
    assert_eq!(busy.status.code(), Some(75), "{busy:?}");
    assert_tidy(&server);
    assert_eq!(add(&mut server.client(), &later, 3), 202);

    // Killed: the index has its last changes in its log.
    server.kill();
    assert!(server.path("database/index.sqlite-wal").metadata().unwrap().len() > 0);
    let report = said(&run(&server, &["restore", "--replace", "backup", "--json"]));
    assert_eq!(report["kept"].as_array().unwrap().len(), 2, "{report}");
    assert_tidy(&server);
    server.start();
    server.wait_started();
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));
    assert_eq!(server.client().get(&format!("/v1/metric/{later}")).status, 404);
    let names = fs::read_dir(server.path("database")).unwrap().map(|entry| entry.unwrap().path());
    let old_index = names.filter(|path| path.to_string_lossy().contains(".replaced-"));
    let old_index = old_index.min_by_key(|path| path.as_os_str().len()).unwrap();
    let url = ("indexer", format!("url = sqlite:///{}", old_index.display()));
    let old = revived(&kept(&server)[0], &[url]);
    assert_eq!(times(&old, &metric), BTreeSet::from([1]));
    assert_eq!(times(&old, &later), BTreeSet::from([2, 3]));
    drop(old);

    // The same with a server.
    said(&run(&server, &["restore", "--replace", "backup", "--json"]));
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));

    // And where nothing is.
    server.terminate();
    fs::remove_dir_all(server.path("state")).unwrap();
    fs::remove_dir_all(server.path("database")).unwrap();
    let report = said(&run(&server, &["restore", "--replace", "backup", "--json"]));
    assert_eq!(report["kept"].as_array().unwrap().len(), 0, "{report}");
    server.start();
    server.wait_started();
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));
}
