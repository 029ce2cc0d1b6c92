//! The RabbitMQ fixture against the real server.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use testkit::{RabbitMq, shared_rabbitmq};

/// Declares a durable queue bound to an exchange, from inside the broker.
fn declare(vhost: &testkit::Vhost<'_>, queue: &str) {
    let (v, q) = (vhost.name(), queue);
    vhost
        .broker()
        .eval(&format!(
            "X = rabbit_misc:r(<<\"{v}\">>, exchange, <<\"nova\">>), \
             _ = rabbit_exchange:declare(X, topic, true, false, false, [], <<\"test\">>), \
             Q = rabbit_misc:r(<<\"{v}\">>, queue, <<\"{q}\">>), \
             {{new, _}} = rabbit_amqqueue:declare(Q, true, false, [{{<<\"x-max-length\">>, long, 9}}], none, <<\"test\">>), \
             ok = rabbit_binding:add({{binding, X, <<\"{q}\">>, Q, []}}, <<\"test\">>)."
        ))
        .unwrap();
}

#[test]
fn a_virtual_host_shows_what_was_declared_in_it() {
    let vhost = shared_rabbitmq().vhost("shows").unwrap();
    assert!(vhost.queues().unwrap().is_empty());
    declare(&vhost, "notifications.info");
    let queue = vhost.queue("notifications.info").unwrap().unwrap();
    assert!(queue.durable && !queue.auto_delete);
    assert_eq!(queue.kind, "classic");
    assert_eq!(queue.arguments["x-max-length"], 9);
    assert_eq!((queue.messages, queue.consumers), (0, 0));
    let bindings = vhost.bindings().unwrap();
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    assert_eq!((bindings[0].exchange.as_str(), bindings[0].queue.as_str()), ("nova", "notifications.info"));
    let exchanges = vhost.exchanges().unwrap();
    assert_eq!((exchanges[0].name.as_str(), exchanges[0].kind.as_str()), ("nova", "topic"));
    assert!(vhost.connections().unwrap().is_empty());
    for body in [&b"\x00\xff plain"[..], b""] {
        vhost.publish("nova", "notifications.info", body).unwrap();
    }
    testkit::until("both messages", || (vhost.depth("notifications.info").unwrap() == Some(2)).then_some(()))
        .unwrap();
    let taken = vhost.take("notifications.info").unwrap();
    assert_eq!(
        taken.iter().map(|message| message.body.as_slice()).collect::<Vec<_>>(),
        [b"\x00\xff plain".as_slice(), b""]
    );
    assert_eq!((taken[0].exchange.as_str(), taken[0].routing_key.as_str()), ("nova", "notifications.info"));
    assert_eq!(taken[0].properties["delivery_mode"], 2);
    assert_eq!(vhost.total_depth().unwrap(), 0);
    vhost.publish("nova", "notifications.info", b"x").unwrap();
    testkit::until("the message", || (vhost.depth("notifications.info").unwrap() == Some(1)).then_some(()))
        .unwrap();
    vhost.purge("notifications.info").unwrap();
    assert_eq!(vhost.depth("notifications.info").unwrap(), Some(0));
    vhost.set_policy("limit", "^notif", r#"{"max-length": 5}"#).unwrap();
    vhost.delete_queue("notifications.info").unwrap();
    assert_eq!(vhost.depth("notifications.info").unwrap(), None);
}

#[test]
fn a_dropped_virtual_host_is_gone() {
    let broker = shared_rabbitmq();
    let name = broker.vhost("gone").unwrap().name().to_owned();
    let listed = broker.rabbitmqctl(&["-q", "list_vhosts"]).unwrap();
    assert!(!listed.contains(&name), "{listed}");
}

#[test]
fn restart_and_kill_keep_ports_and_durable_data() {
    let broker = RabbitMq::builder().tls().start().unwrap();
    let port = broker.port();
    let vhost = broker.vhost("kept").unwrap();
    declare(&vhost, "q");
    broker.restart().unwrap();
    assert!(vhost.queue("q").unwrap().unwrap().durable);
    declare(&vhost, "declared at the last moment");
    broker.kill().unwrap();
    broker.eval("1.").unwrap_err();
    broker.start_again().unwrap();
    assert!(vhost.queue("q").unwrap().is_some());
    assert_eq!(vhost.bindings().unwrap().len(), 2, "{:?}", vhost.queues());
    broker.stop_app().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    broker.start_app().unwrap();
    std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    assert!(broker.certificates().unwrap().client_key.exists());
    let dir = broker.dir().to_owned();
    drop(vhost);
    drop(broker);
    assert!(!dir.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_binding_by_which_nothing_is_routed_is_made_again() {
    let broker = RabbitMq::start().unwrap();
    let vhost = broker.vhost("whole").unwrap();
    declare(&vhost, "q");
    broker.make_whole().unwrap();
    // Topics are found in a table of their own, which has been seen to lack what the table of bindings has.
    broker.eval("{atomic, ok} = mnesia:clear_table(rabbit_topic_trie_binding).").unwrap();
    vhost.publish("nova", "q", b"lost").unwrap();
    broker.make_whole().unwrap();
    vhost.publish("nova", "q", b"routed").unwrap();
    testkit::until("the message", || (vhost.depth("q").unwrap() == Some(1)).then_some(())).unwrap();
    assert_eq!(vhost.take("q").unwrap()[0].body, b"routed");
}

#[test]
fn a_broker_that_cannot_start_says_why() {
    let error = RabbitMq::builder().setting("no.such.setting = 1").start().unwrap_err();
    assert!(format!("{error:?}").contains("no.such.setting"), "{error:?}");
}

#[test]
fn accounts_come_and_go() {
    let broker = shared_rabbitmq();
    let vhost = broker.vhost("accounts").unwrap();
    let works = |password: &str| broker.rabbitmqctl(&["authenticate_user", "ceilo", password]).is_ok();
    broker.set_password("ceilo", "first").unwrap();
    broker.permit("ceilo", vhost.name()).unwrap();
    assert!(works("first") && !works("second"));
    broker.set_password("ceilo", "second").unwrap();
    assert!(works("second") && !works("first"));
    broker.delete_user("ceilo").unwrap();
    assert!(!works("second"));
}

/// What `openssl s_client` says of the TLS listener.
fn tls_client(port: u16, arguments: &[&std::path::Path]) -> (bool, String) {
    let output = std::process::Command::new("openssl")
        .args(["s_client", "-verify_return_error", "-verify_hostname", "localhost"])
        .args(["-connect", &format!("127.0.0.1:{port}"), "-CAfile"])
        .arg(arguments[0])
        .args(
            arguments
                .get(1)
                .map(|certificate| ["-cert".as_ref(), certificate.as_os_str()])
                .into_iter()
                .flatten(),
        )
        .args(arguments.get(2).map(|key| ["-key".as_ref(), key.as_os_str()]).into_iter().flatten())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn the_tls_listener_is_whom_its_authority_says_and_may_demand_a_certificate() {
    let broker = RabbitMq::builder().tls().require_client_certificate().start().unwrap();
    let files = broker.certificates().unwrap();
    let port = broker.tls_port().unwrap();
    let (ok, text) = tls_client(port, &[&files.ca, &files.client_certificate, &files.client_key]);
    assert!(ok && text.contains("Verify return code: 0"), "{text}");
    let (ok, text) = tls_client(port, &[&files.stranger_ca, &files.client_certificate, &files.client_key]);
    assert!(!ok && text.contains("verify error"), "{text}");
    let (_, text) = tls_client(port, &[&files.ca]);
    testkit::until("the broker's complaint", || broker.log().contains("ertificate").then_some(()))
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", broker.log()));
}
