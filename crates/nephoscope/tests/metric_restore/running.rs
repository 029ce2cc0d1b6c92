//! A server that goes on while a backup is made ready, and comes back as the same process with it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use testkit::{PostgreSql, until};

use super::harness::Server;
use super::{add, assert_tidy, back_up, backed_up, begin, kept, revived, run, said, times};

/// Sends measures until it is told to stop; notes what is accepted.
fn write(server: &Server, metric: &str, accepted: &Mutex<BTreeSet<u64>>, stop: &AtomicBool) {
    let mut client = server.client();
    for timestamp in 1_000.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let body = json!([{"timestamp": timestamp, "value": timestamp}]).to_string();
        match client.ask("POST", &format!("/v1/metric/{metric}/measures"), &body) {
            Ok(answer) => {
                assert_eq!(answer.status, 202, "{answer:?}");
                accepted.lock().unwrap().insert(timestamp);
            }
            // It starts anew.
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// The descriptors of a process that outlive its program.
fn lasting(process: &str) -> BTreeSet<u32> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap();
    let is_lasting = |path: &Path| {
        // A connection may have gone meanwhile.
        let text = fs::read_to_string(path).ok()?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        Some(u32::from_str_radix(flags.trim(), 8).unwrap() & 0o2_000_000 == 0)
    };
    let lasting =
        descriptors.map(|entry| entry.unwrap()).filter(|entry| is_lasting(&entry.path()) == Some(true));
    lasting.map(|entry| entry.file_name().to_str().unwrap().parse().unwrap()).collect()
}

/// Every file but the standard streams ends with the program that opened it.
fn assert_closed_on_exec(server: &Server) {
    let inherited: BTreeSet<u32> = lasting("self").union(&BTreeSet::from([0, 1, 2])).copied().collect();
    let own = lasting(&server.process().pid().to_string());
    assert!(own.is_subset(&inherited), "{own:?}, of which {inherited:?} were there at the start");
}

#[test]
fn a_running_server_changes_over_and_loses_nothing_that_it_accepted() {
    let mut server = Server::new().started();
    server.make_policy();
    let (still, written) = (server.make_metric(), server.make_metric());
    let mut client = server.client();
    for timestamp in 1..=5 {
        assert_eq!(add(&mut client, &still, timestamp), 202);
        assert_eq!(add(&mut client, &written, timestamp), 202);
    }
    back_up(&server);
    let later = server.make_metric();
    assert_eq!(add(&mut client, &still, 6), 202);
    // An attempt that came to no end has left something.
    fs::create_dir_all(server.path("state/metric.restoring/measures")).unwrap();
    assert_closed_on_exec(&server);
    let pid = server.process().pid();
    let (accepted, stop) = (Mutex::default(), AtomicBool::new(false));
    let report = std::thread::scope(|scope| {
        let guard = StopOnDrop(&stop);
        scope.spawn(|| write(&server, &written, &accepted, &stop));
        let goes_on = || {
            let before = accepted.lock().unwrap().len();
            until("accepted measures", || (accepted.lock().unwrap().len() > before + 10).then_some(()))
                .unwrap();
        };
        goes_on();
        let report = said(&run(&server, &["restore", "--replace", "backup", "--json"]));
        goes_on();
        drop(guard);
        report
    });
    assert_tidy(&server);
    assert_eq!(kept(&server).len(), 1);
    assert_eq!(report["kept"], json!([kept(&server)[0]]), "{report}");
    assert!(report["seconds"].as_f64().unwrap() > 0.0, "{report}");
    assert!(server.process_mut().is_running());
    assert_eq!(server.process().pid(), pid);
    assert_closed_on_exec(&server);

    let first: BTreeSet<u64> = (1..=5).collect();
    assert_eq!(times(&server, &still), first);
    assert_eq!(server.client().get(&format!("/v1/metric/{later}")).status, 404);
    let new = times(&server, &written);
    let old_server = revived(&kept(&server)[0], &[]);
    let old = times(&old_server, &written);
    assert_eq!(times(&old_server, &still), (1..=6).collect());
    assert_eq!(old_server.client().get(&format!("/v1/metric/{later}")).status, 200);
    let accepted = accepted.into_inner().unwrap();
    assert!(old.is_superset(&first) && new.is_superset(&first));
    let found: BTreeSet<u64> = old.union(&new).copied().collect();
    let lost: Vec<_> = accepted.difference(&found).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let after: Vec<_> = new.difference(&first).collect();
    assert!(!after.is_empty() && after.iter().all(|time| *time > old.last().unwrap()), "{after:?}");

    // And again, to where it is now; the clients' connection is another one.
    said(&run(&server, &["restore", "--replace", "backup", "--json"]));
    assert_eq!(times(&server, &written), first);
    assert_eq!(server.process().pid(), pid);
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    assert_eq!(output.matches("starting anew").count(), 2, "{output}");
}

/// The story: a service manager that stops a server which is about to start anew waited for it, and killed it.
#[test]
fn a_signal_to_stop_during_the_change_over_stops() {
    let (mut server, metric, mut client) = backed_up(Server::new());
    assert_eq!(add(&mut client, &metric, 2), 202);
    // A request that has begun holds the end up.
    let body = json!([{"timestamp": 3, "value": 3}]).to_string();
    let head = format!(
        "POST /v1/metric/{metric}/measures HTTP/1.1\r\nHost: api\r\nAuthorization: basic YWRtaW46\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut begun = server.client();
    begun.send_text(&head).unwrap();
    // The server has taken the connection when it answers a later one.
    assert_eq!(server.client().get("/v1/capabilities").status, 200);
    let restoring = begin(&server, &["restore", "--replace", "backup", "--json"]);
    server.process().line("reason=restoration").unwrap();
    // The server has the store open: nothing is renamed under it.
    let busy = run(&server, &["fsck"]);
    assert_eq!(busy.status.code(), Some(75), "{busy:?}");
    server.process().signal(Signal::TERM).unwrap();
    server.process().line("told to stop").unwrap();
    begun.send_text(&body).unwrap();
    let answer = begun.answer().unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    let (status, output) = server.end();
    assert!(status.success(), "{status}: {output}");
    assert!(server.path("state/metric.replace").exists());
    server.start();
    server.wait_started();
    // The command has waited for it.
    said(&restoring.wait_with_output().unwrap());
    assert_tidy(&server);
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));
    assert_eq!(times(&revived(&kept(&server)[0], &[]), &metric), (1..=3).collect());
}

#[test]
fn with_an_index_in_postgresql_the_measures_are_replaced() {
    let database = PostgreSql::start().unwrap();
    let (mut server, metric, mut client) =
        backed_up(Server::new().with("indexer", format!("url = {}", database.url())));
    assert_eq!(add(&mut client, &metric, 2), 202);
    let restored = run(&server, &["restore", "--replace", "backup"]);
    let (output, hints) =
        (String::from_utf8_lossy(&restored.stdout), String::from_utf8_lossy(&restored.stderr));
    assert!(restored.status.success() && output.starts_with("restored "), "{restored:?}");
    assert!(output.contains("metric.replaced-") && hints.contains("pg_restore"), "{restored:?}");
    assert_eq!(times(&server, &metric), BTreeSet::from([1]));
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
}

/// The story: a service manager takes what says that it stops for gone, and kills it; and one that is not fed, too.
#[test]
fn the_service_manager_sees_a_reload() {
    let mut server = Server::new();
    let path = server.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    server = server.env("NOTIFY_SOCKET", path.to_str().unwrap()).env("WATCHDOG_USEC", "1000000").started();
    let seen = std::cell::RefCell::new(Vec::new());
    let wait_for = |wanted: &str| {
        loop {
            let mut message = [0; 1024];
            let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("{wanted}: {error}"));
            let message = String::from_utf8_lossy(&message[..length]).into_owned();
            let is_it = message.starts_with(wanted);
            seen.borrow_mut().push(message);
            if is_it {
                return;
            }
        }
    };
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    server.make_policy();
    back_up(&server);
    let restored = run(&server, &["restore", "--replace", "backup"]);
    assert!(restored.status.success(), "{restored:?}");
    wait_for("RELOADING=1");
    wait_for("READY=1");
    wait_for("WATCHDOG=1");
    let stopped = seen.borrow().iter().any(|message| message.starts_with("STOPPING"));
    assert!(!stopped, "{seen:?}");
    let (status, output) = server.terminate();
    assert!(status.success(), "{status}: {output}");
    wait_for("STOPPING=1");
}

/// Ends the clients, also when a step fails: the scope waits for them.
struct StopOnDrop<'flag>(&'flag AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
