//! Names of users and projects from a real Keystone, on samples of definitions with a lookup.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Keystone, Proxy, shared_rabbitmq, until, wait_until};

use crate::harness::{Agent, EXCHANGE, ROUTING_KEY, read_records};

const LONG: Duration = Duration::from_mins(2);

/// What Magnum sends; its definition looks up several meters.
fn notification(id: &str, user: &str, project: &str) -> Vec<u8> {
    let metrics = [("cpu", 1), ("memory", 2)]
        .map(|(name, value)| json!({ "name": format!("{name}.{id}"), "value": value, "unit": "u" }));
    let inner = json!({
        "message_id": id, "publisher_id": "magnum.host", "event_type": "magnum.bay.metrics.update",
        "priority": "INFO", "timestamp": "2026-11-26 02:00:00.000000",
        "payload": { "user_id": user, "project_id": project, "resource_id": "bay", "metrics": metrics },
    });
    json!({ "oslo.version": "2.0", "oslo.message": inner.to_string() }).to_string().into_bytes()
}

/// The samples of a notification, when both are there.
fn samples(agent: &Agent, id: &str) -> Vec<Value> {
    until("samples", || {
        let mut samples = read_records(&agent.samples());
        samples
            .retain(|sample| sample["name"].as_str().is_some_and(|name| name.ends_with(&format!(".{id}"))));
        (samples.len() == 2).then_some(samples)
    })
    .unwrap()
}

fn names(samples: &[Value]) -> Vec<(Option<&str>, Option<&str>)> {
    samples.iter().map(|sample| (sample["user_name"].as_str(), sample["project_name"].as_str())).collect()
}

#[test]
fn samples_carry_names_while_keystone_tells_them_and_go_on_without() {
    let vhost = shared_rabbitmq().vhost("names").unwrap();
    let keystone = Keystone::start("fake://").unwrap();
    let cloud = keystone.cloud().unwrap();
    let project = cloud.create_project("a-project").unwrap();
    let other = cloud.create_project("other").unwrap();
    let user = cloud.create_user("a-user", "secret").unwrap();
    // Only authentication goes through the proxy, and that is enough to be down.
    let proxy = Proxy::to_port(keystone.port()).unwrap();
    proxy.refuse();
    let credentials = |line: String| ("service_credentials", line);
    let mut agent = Agent::new(&vhost.transport_url()).with("polling", "identity_name_discovery = true");
    for (group, line) in [
        credentials("auth_type = password".into()),
        credentials(format!("auth_url = http://127.0.0.1:{}/v3", proxy.port())),
        credentials(format!("username = {}", keystone.user())),
        credentials(format!("password = {}", keystone.password())),
        credentials("user_domain_id = default\nproject_name = admin\nproject_domain_id = default".into()),
    ] {
        agent = agent.with(group, line);
    }
    agent.start();
    agent.wait_ready();
    let publish = |id: &str, user: &str, project: &str| {
        vhost.publish(EXCHANGE, ROUTING_KEY, &notification(id, user, project)).unwrap();
    };
    // Keystone is down when the first one comes.
    publish("m1", &user, &project);
    assert_eq!(names(&samples(&agent, "m1")), [(None, None); 2]);
    assert!(agent.metric_sum("nephoscope_notification_name_lookups_total") > 0.0);
    assert!(agent.process().line("the name of a").is_ok());
    agent.terminate();

    proxy.accept().unwrap();
    agent.start();
    agent.wait_ready();
    // A Keystone on a loaded machine may miss the deadline of the first batch, and is left alone for a while then.
    let mut tries = 0;
    wait_until("names", LONG, || {
        tries += 1;
        let id = format!("w{tries}");
        publish(&id, &user, &project);
        (names(&samples(&agent, &id)) == [(Some("a-user"), Some("a-project")); 2]).then_some(())
    })
    .unwrap();
    let lookups = |agent: &mut Agent| {
        ["found", "cached", "unknown"].map(|cause| {
            let series = format!("nephoscope_notification_name_lookups_total{{cause=\"{cause}\"}}");
            agent.metric(&series).unwrap()
        })
    };
    let before = lookups(&mut agent);
    // Names are cached: with the project gone, its name is still told.
    cloud.delete_project(&project).unwrap();
    publish("m3", &user, &project);
    assert_eq!(names(&samples(&agent, "m3")), [(Some("a-user"), Some("a-project")); 2]);
    // Found, cached and unknown since then.
    let more = |before: [f64; 3], now: [f64; 3]| {
        [0, 1, 2].map(|place: usize| format!("{:.0}", now[place] - before[place]))
    };
    assert_eq!(more(before, lookups(&mut agent)), ["0", "2", "0"]);
    let mut tries = 0;
    // One name is found, and one is nobody's; both at the first attempt, unless Keystone misses a deadline again.
    let counted = wait_until("another project's name", LONG, || {
        tries += 1;
        let id = format!("x{tries}");
        let before = lookups(&mut agent);
        publish(&id, "nobody", &other);
        let is_named = names(&samples(&agent, &id)) == [(None, Some("other")); 2];
        let counted = more(before, lookups(&mut agent));
        (is_named && counted[2] == "1").then_some(counted)
    });
    let counted = counted.unwrap();
    assert!(counted == ["1", "0", "1"] || tries > 1, "{counted:?}");
    assert!(!agent.process().output().contains(keystone.password()));
    assert!(agent.terminate().success());
    until("an empty queue", || (vhost.total_depth().ok()? == 0).then_some(())).unwrap();
}
