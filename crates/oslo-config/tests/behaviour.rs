//! What an operator meets: a real file, mistakes in it, credentials, secrets, reloading.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use bench::Bench;
use nephoscope_oslo_config::{
    CredentialsOf, Given, MAX_FILE_BYTES, Origin, Override, Problem, Source, Value, options,
};
use std::fmt::Write;

const CEILOMETER_CONF: &str = include_str!("fixtures/ceilometer.conf");

fn messages(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|problem| problem.to_string().replace('\n', "")).collect()
}

fn line_of(problem: &Problem) -> (u32, u32) {
    (problem.line().expect("line"), problem.column().expect("column"))
}

#[test]
fn a_real_file_loads_unchanged() {
    let bench = Bench::new();
    let loaded = bench.load(CEILOMETER_CONF).expect("loads");
    let config = &loaded.config;
    assert_eq!(config.get(&options::agent::HOST), "compute-1.example");
    assert_eq!(config.get(&options::agent::SAMPLE_SOURCE), "compute-1.example/openstack");
    assert_eq!(
        config.get(&options::messaging::TRANSPORT_URL),
        "rabbit://openstack:rabbit$pass@controller1:5672,openstack:rabbit$pass@controller2:5672/telemetry"
    );
    assert_eq!(config.get(&options::agent::RESERVED_METADATA_KEYS), ["fqdn", "availability_zone\nowner"]);
    assert_eq!(config.get(&options::notification::BATCH_SIZE), 50);
    assert_eq!(config.get(&options::notification::BATCH_TIMEOUT), Some(5));
    assert_eq!(
        config.get(&options::notification::NOTIFICATION_CONTROL_EXCHANGES),
        ["nova", "glance", "octavia"]
    );
    assert!(config.get(&options::rabbit::RABBIT_QUORUM_QUEUE));
    assert!((config.get(&options::rabbit::KOMBU_RECONNECT_DELAY) - 0.5).abs() < f64::EPSILON);
    assert!(config.get(&options::polling::IDENTITY_NAME_DISCOVERY));
    assert_eq!(config.get(&options::logging::LOG_DIR), Some("/var/log/ceilometer"));
    assert_eq!(config.get(&options::logging::LOG_FILE), None);
    assert!(
        !config.is_set(&options::notification::PIPELINES) && config.is_set(&options::notification::WORKERS)
    );
    let [renamed] = loaded.warnings.as_slice() else { panic!("{:?}", messages(&loaded.warnings)) };
    assert_eq!(renamed.message, "option tenant_name_discovery of [polling] is deprecated");
    assert_eq!(renamed.hint.as_deref(), Some("write identity_name_discovery in [polling]"));
}

#[test]
fn all_errors_are_reported_together() {
    let bench = Bench::new();
    bench.write("b.conf", "[notification]\nno assignment\n");
    let mut loader = bench.loader("[notification]\nworkers = 0\nbatch_size = many\nack_on_event_error = 2\n");
    loader.sources.push(Source::File(bench.path("b.conf")));
    loader.sources.push(Source::File(bench.path("missing.conf")));
    loader.sources.push(Source::Directory(bench.path("missing.d")));
    loader.env.insert("OS_COMPUTE__RESOURCE_CACHE_EXPIRY".to_owned(), "-1".to_owned());
    let error = loader.load().expect_err("faulty");
    let text = error.to_string();
    for expected in [
        "a.conf:2:1: value `0` of option workers in [notification] is less than 1\n  hint: write a whole number of at least 1",
        "a.conf:3:1: value `many` of option batch_size in [notification] is not an integer",
        "a.conf:4:1: value `2` of option ack_on_event_error in [notification] is not a boolean\n  hint: write true or false",
        "b.conf:2:1: no = or : after `no`",
        "missing.conf: cannot read configuration file: ",
        "missing.d: cannot read configuration directory: ",
        "environment variable OS_COMPUTE__RESOURCE_CACHE_EXPIRY: value `-1` of option resource_cache_expiry",
    ] {
        assert!(text.contains(expected), "{expected} in\n{text}");
    }
    assert_eq!(error.problems.len(), 7, "{text}");
}

#[test]
fn an_inspection_goes_on_with_defaults_and_with_what_is_sound() {
    let bench = Bench::new();
    let text = "\
[notification]
batch_size = many
batch_timeout = 7
no assignment
[DEFAULT
debug = true
[event]
drop_unmatched_notifications = true
[polling]
enable_prometheus_exporter = true
prometheus_tls_enable = true
prometheus_tls_certfile = ${nowhere}
[publisher]
telemetry_secret = ${nowhere}
";
    let found = bench.loader(text).inspect();
    assert_eq!(found.config.get(&options::notification::BATCH_SIZE), 1);
    assert_eq!(found.config.get(&options::notification::BATCH_TIMEOUT), Some(7));
    assert!(found.config.get(&options::event::DROP_UNMATCHED_NOTIFICATIONS));
    // Nobody knows which section it stands in.
    assert!(!found.config.get(&options::logging::DEBUG));
    // What depends on a value in error is not complained of; what was not given at all is.
    let lines: Vec<_> = found.errors.iter().map(|problem| problem.line().expect("line")).collect();
    assert_eq!(lines, [4, 5, 12, 2, 14, 11], "{:?}", messages(&found.errors));
    assert!(found.errors[5].message.contains("prometheus_tls_keyfile"), "{}", found.errors[5]);
    assert!(found.warnings.is_empty(), "{:?}", messages(&found.warnings));
    let secret = found.config.show().find(|shown| shown.name == "telemetry_secret").expect("shown");
    assert_eq!((secret.value.as_deref(), secret.origin), (Some("****"), &Origin::Default));
}

#[test]
fn unknown_names_are_warnings_with_the_nearest_name() {
    let bench = Bench::new();
    let text = "\
[DEFAULT]
debg = true
batch_timeout = 3
log-dir = /tmp
something_else_entirely = 1
[notificaton]
workers = 2
[default]
debug = true
[oslo_messaging_rabbit]
  
 
rabbit_qos_prefetch = 10
[a_section_of_nobody]
x = $y
";
    let loaded = bench.load(text).expect("warnings only");
    let found: Vec<((u32, u32), String)> = loaded
        .warnings
        .iter()
        .map(|warning| {
            let hint = warning.hint.clone().unwrap_or_default();
            (line_of(warning), format!("{}; {hint}", warning.message))
        })
        .collect();
    let expected = [
        ((6, 1), "unknown section `[notificaton]`; did you mean [notification]?"),
        ((8, 1), "unknown section `[default]`; did you mean [DEFAULT]?"),
        ((14, 1), "unknown section `[a_section_of_nobody]`; "),
        ((2, 1), "unknown option `debg` in [DEFAULT]; did you mean debug?"),
        ((3, 1), "unknown option `batch_timeout` in [DEFAULT]; it belongs to [notification]"),
        ((4, 1), "unknown option `log-dir` in [DEFAULT]; did you mean log_dir?"),
        ((5, 1), "unknown option `something_else_entirely` in [DEFAULT]; "),
        (
            (13, 1),
            "unknown option `rabbit_qos_prefetch` in [oslo_messaging_rabbit]; did you mean rabbit_qos_prefetch_count?",
        ),
    ];
    assert_eq!(found, expected.map(|(at, text)| (at, text.to_owned())));
    assert_eq!(
        loaded.config.get(&options::logging::LOG_DIR),
        None,
        "as upstream: only the underscore counts"
    );
}

#[test]
fn what_upstream_removed_and_what_belongs_to_others_is_silent() {
    let bench = Bench::new();
    let text = "\
[DEFAULT]
http_timeout = 600
rpc_backend = rabbit
nova_control_exchange = nova
[publisher]
metering_secret = x
[hardware]
readonly_user_name = ro
[vmware]
host_ip = 1.2.3.4
[keystone_authtoken]
password = a$b
[database]
connection = mysql://
[oslo_policy]
policy_file = x
[NOVA]
x = y
";
    assert_eq!(messages(&bench.load(text).expect("loads").warnings), Vec::<String>::new());
}

#[test]
fn unknown_variables_of_our_groups_are_warnings() {
    let bench = Bench::new();
    let mut loader = bench.loader("");
    for name in ["OS_NOTIFICATION__WORKRES", "OS_DEFAULT__HTTP_TIMEOUT", "OS_SOMEBODY__ELSE", "OS_USERNAME"] {
        loader.env.insert(name.to_owned(), "3".to_owned());
    }
    let loaded = loader.load().expect("loads");
    assert_eq!(
        messages(&loaded.warnings),
        [
            "environment variable OS_NOTIFICATION__WORKRES: there is no option `workres` in [notification]  hint: did you mean OS_NOTIFICATION__WORKERS?"
        ]
    );
}

#[test]
fn options_without_effect_warn_only_if_they_ask_for_something() {
    let bench = Bench::new();
    let quiet = "[oslo_messaging_kafka]\nmax_poll_records = 500\n[oslo_concurrency]\nlock_path =\n";
    assert_eq!(messages(&bench.load(quiet).expect("loads").warnings), Vec::<String>::new());
    let loud = bench.load("[oslo_messaging_kafka]\nmax_poll_records = 501\n").expect("loads");
    assert_eq!(
        loud.warnings[0].message,
        "option max_poll_records has no effect: the kafka transport is not supported"
    );
}

#[test]
fn unsupported_things_are_refused_where_they_are_asked_for() {
    let bench = Bench::new();
    for (text, expected) in [
        ("[DEFAULT]\ntransport_url = kafka://broker:9092\n", "kafka:// in option transport_url"),
        (
            "[notification]\nmessaging_urls = KAFKA+ssl://a\nmessaging_urls = rabbit://a\n",
            "kafka+ssl:// in option messaging_urls",
        ),
        ("[coordination]\nbackend_url = zookeeper://a\n", "zookeeper:// in option backend_url"),
        ("[coordination]\nbackend_url = consul://a\n", "consul:// in option backend_url"),
        ("[coordination]\nbackend_url = mysql://a/b\n", "mysql:// in option backend_url"),
        ("[coordination]\nbackend_url = memcached://a\n", "memcached:// in option backend_url"),
        ("[coordination]\nbackend_url = kubernetes://a\n", "kubernetes:// in option backend_url"),
        ("[DEFAULT]\nlibvirt_uri = qemu+ssh://root@host/system\n", "qemu+ssh:// in option libvirt_uri"),
        (
            "[cache]\nenabled = true\nbackend = dogpile.cache.dbm\n",
            "cache backend dogpile.cache.dbm is not supported",
        ),
    ] {
        let error = bench.load(text).err().unwrap_or_else(|| panic!("{text}"));
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.problems[0].message.contains(expected), "{error}");
        let at = text
            .lines()
            .position(|line| line.contains("://") && !line.contains("rabbit") || line.contains("dbm"));
        assert_eq!(
            error.problems[0].line(),
            at.map(|index| u32::try_from(index + 1).expect("short")),
            "{error}"
        );
        assert!(error.problems[0].hint.is_some(), "{error}");
    }
    let unused = bench.load("[cache]\nbackend = dogpile.cache.dbm\n");
    assert!(unused.is_ok(), "a backend that caches nothing does no harm");
}

#[test]
fn tls_of_the_exporter_needs_both_files() {
    let bench = Bench::new();
    let text = "[polling]\nenable_prometheus_exporter = true\nprometheus_tls_enable = true\nprometheus_tls_keyfile = k\n";
    let error = bench.load(text).expect_err("incomplete");
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.problems[0].message.contains("needs prometheus_tls_certfile"), "{error}");
    assert_eq!(error.problems[0].line(), Some(3));
    assert!(bench.load(&format!("{text}prometheus_tls_certfile = c\n")).is_ok());
}

#[test]
fn credentials_follow_their_sections() {
    let bench = Bench::new();
    let common = "[service_credentials]\nusername = common\ntimeout = 3\nregion_name = R\n";
    let name = |text: &str, of| {
        let loaded = bench.load(&format!("{common}{text}")).expect("loads");
        assert_eq!(messages(&loaded.warnings), Vec::<String>::new());
        let credentials = loaded.config.credentials(of);
        (
            credentials.get(&options::keystone::USERNAME).map(str::to_owned),
            credentials.get(&options::keystone::REGION_NAME).map(str::to_owned),
        )
    };
    let pair = |username: &str, region: &str| (Some(username.to_owned()), Some(region.to_owned()));
    assert_eq!(name("", CredentialsOf::Service), pair("common", "R"));
    assert_eq!(name("", CredentialsOf::Gnocchi), pair("common", "R"));
    let own = "[gnocchi]\nauth_section = gnocchi\nusername = own\nregion_name = S\n";
    assert_eq!(name(own, CredentialsOf::Gnocchi), pair("own", "S"));
    let other = "[gnocchi]\nauth_section = Elsewhere\n[elsewhere]\nusername = there\nregion_name = T\n";
    assert_eq!(name(other, CredentialsOf::Gnocchi), pair("there", "T"));
    assert_eq!(name(other, CredentialsOf::Zaqar), pair("common", "R"));
    let plugin_only = "auth_section = plugin\n[plugin]\nusername = plugged\nregion_name = unused\n";
    assert_eq!(name(plugin_only, CredentialsOf::Service), pair("plugged", "R"));
    let back = "[zaqar]\nauth_section = gnocchi\n[gnocchi]\nusername = unused\nregion_name = G\n";
    assert_eq!(name(back, CredentialsOf::Zaqar), pair("common", "G"));
}

#[test]
fn defaults_may_come_from_the_environment() {
    let bench = Bench::new();
    let mut loader = bench.loader("");
    loader.env.insert("OS_REGION_NAME".to_owned(), "RegionTwo".to_owned());
    loader.env.insert("OS_ENDPOINT_TYPE".to_owned(), "internal".to_owned());
    let config = loader.load().expect("loads").config;
    assert_eq!(config.get(&options::keystone::REGION_NAME), Some("RegionTwo"));
    assert_eq!(config.get(&options::keystone::INTERFACE), "internal");
    assert_eq!(
        config.origin(&options::keystone::INTERFACE),
        Some(&Origin::DefaultFromEnv("OS_ENDPOINT_TYPE".to_owned()))
    );
    loader.env.insert("OS_INTERFACE".to_owned(), "admin".to_owned());
    assert_eq!(loader.load().expect("loads").config.get(&options::keystone::INTERFACE), "admin");
}

/// A value made of a secret is as secret; an error about a secret does not quote it.
#[test]
fn secrets_stay_hidden() {
    let bench = Bench::new();
    let text = "[service_credentials]\npassword = hunter2\n[DEFAULT]\nsample_source = ${service_credentials.password}\nhost = h\n";
    let config = bench.load(text).expect("loads").config;
    assert_eq!(config.get(&options::agent::SAMPLE_SOURCE), "hunter2");
    assert!(config.show().all(|shown| !shown.value.unwrap_or_default().contains("hunter2")));

    let faulty = "[service_credentials]\npassword = hunter2\nusername = $usernam\n[DEFAULT]\nhost = _${service_credentials.password}\ntransport_url = rabbit://u:hunter2$w0rd@h\n";
    let error = bench.load(faulty).expect_err("faulty");
    assert_eq!(error.problems.len(), 3, "{error}");
    let text = error.to_string();
    assert!(!text.contains("hunter2") && !text.contains("w0rd"), "{text}");
    assert!(text.contains("did you mean $username?"), "{text}");
}

#[test]
fn a_blank_number_is_the_default_with_a_warning() {
    let bench = Bench::new();
    let loaded = bench.load("[notification]\nworkers =\nbatch_timeout =\n").expect("loads");
    assert_eq!(loaded.config.value("notification", "workers"), Some(&Value::Null));
    assert_eq!(loaded.config.get(&options::notification::WORKERS), 1);
    assert_eq!(loaded.config.get(&options::notification::BATCH_TIMEOUT), None);
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert_eq!(loaded.warnings[0].hint.as_deref(), Some("write workers = 1, or remove the line"));
}

#[test]
fn a_reload_tells_what_changed() {
    let bench = Bench::new();
    let loader = bench.loader("[DEFAULT]\ndebug = false\n[publisher]\ntelemetry_secret = one\n");
    let before = loader.load().expect("loads").config;
    assert_eq!(before.changes(&before), []);
    bench.write(
        "a.conf",
        "[DEFAULT]\n\n\ndebug = true\n[publisher]\ntelemetry_secret = two\n[gnocchi]\nauth_section = x\n",
    );
    let after = loader.load().expect("loads").config;
    let changes: Vec<(String, Option<String>, Option<String>)> = after
        .changes(&before)
        .into_iter()
        .filter(|change| change.group != "x")
        .map(|change| (format!("{}.{}", change.group, change.name), change.before, change.after))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        changes,
        [
            ("DEFAULT.debug".to_owned(), text("false"), text("true")),
            ("publisher.telemetry_secret".to_owned(), text("****"), text("****")),
            ("gnocchi.auth_section".to_owned(), text("service_credentials"), text("x")),
        ]
    );
    assert!(before.changes(&after).iter().any(|change| change.group == "x"), "its options went away");
    bench.write("a.conf", "[DEFAULT]\ndebug = perhaps\n");
    assert!(loader.load().is_err(), "a faulty file does not replace a good configuration");
}

#[test]
fn items_of_the_command_line_are_not_split() {
    let bench = Bench::new();
    let mut loader = bench.loader("[DEFAULT]\npolling_namespaces = ipmi\n");
    let items = ["central,compute", "ipmi", "ipmi"].map(str::to_owned).to_vec();
    let namespaces = &options::agent::POLLING_NAMESPACES;
    loader.overrides.push(Override::new(namespaces, Given::Items(items), "--polling-namespaces"));
    let config = loader.load().expect("loads").config;
    assert_eq!(config.get(namespaces), ["central,compute", "ipmi"]);
    loader.overrides[0].name = "polling_namespace".to_owned();
    let error = loader.load().expect_err("no such option");
    assert_eq!(
        error.to_string(),
        "command line --polling-namespaces: there is no option polling_namespace in [DEFAULT]"
    );
}

#[test]
fn references_cannot_blow_up() {
    let bench = Bench::new();
    let names = [
        "libvirt_uri",
        "reseller_prefix",
        "pipeline_cfg_file",
        "event_pipeline_cfg_file",
        "sample_source",
        "rootwrap_config",
        "control_exchange",
        "log_date_format",
        "syslog_log_facility",
        "instance_format",
        "logging_default_format_string",
        "logging_context_format_string",
        "logging_debug_format_suffix",
        "logging_exception_prefix",
        "logging_user_identity_format",
        "sample_name",
        "sample_unit",
        "sample_user",
    ];
    let mut text = "[DEFAULT]\n".to_owned();
    for pair in names.windows(2) {
        writeln!(text, "{0} = ${1}${1}${1}", pair[0], pair[1]).expect("text");
    }
    text += "sample_user = 0123456789\n";
    let error = bench.load(&text).expect_err("3^17 times ten bytes");
    assert_eq!(error.problems.len(), 1, "{error}");
    assert!(error.to_string().contains("grows beyond 65536 bytes"), "{error}");
}

#[test]
fn a_chain_of_references_has_an_end() {
    let bench = Bench::new();
    let registry = nephoscope_oslo_config::Registry::builtin();
    let texts: Vec<(&str, &str)> = registry
        .iter()
        .filter(|(_, opt)| {
            matches!(opt.kind, nephoscope_oslo_config::Kind::Str { choices: [], .. })
                && opt.refused.is_empty()
                && opt.name != "auth_section"
        })
        .map(|(group, opt)| (group, opt.name))
        .collect();
    assert!(texts.len() > 150);
    let chain = |length: usize| {
        let mut text = String::new();
        for pair in texts[..length].windows(2) {
            let [(group, name), (next_group, next_name)] = [pair[0], pair[1]];
            let next = if next_group == "DEFAULT" {
                next_name.to_owned()
            } else {
                format!("{next_group}.{next_name}")
            };
            writeln!(text, "[{group}]\n{name} = ${{{next}}}").expect("text");
        }
        text
    };
    assert!(bench.load(&chain(100)).is_ok());
    let error = bench.load(&chain(150)).expect_err("too deep");
    assert!(error.to_string().contains("more than 100 references"), "{error}");
}

#[test]
fn what_is_no_configuration_file_is_refused() {
    let bench = Bench::new();
    let large = "# x\n".repeat(usize::try_from(MAX_FILE_BYTES).expect("fits") / 4 + 1);
    let error = bench.load(&large).expect_err("too large");
    assert!(error.to_string().contains("larger than 1048576 bytes"), "{error}");

    std::fs::write(bench.path("a.conf"), b"[DEFAULT]\n# fine\nhost = \xff\n").expect("file");
    let error = bench.loader_of_file().load().expect_err("not UTF-8");
    assert_eq!(line_of(&error.problems[0]), (3, 8), "{error}");

    let error = bench.load("\u{feff}[DEFAULT]\nhost = a\n").expect_err("byte order mark");
    assert!(error.to_string().contains("byte order mark"), "{error}");

    for number in 0..9 {
        bench.write(&format!("many.d/{number}.conf"), &large[..large.len() - 8]);
    }
    let mut loader = bench.loader("");
    loader.sources.push(Source::Directory(bench.path("many.d")));
    let error = loader.load().expect_err("too much");
    assert!(error.to_string().contains("larger than 8388608 bytes together"), "{error}");
}

#[test]
fn problems_are_bounded() {
    let bench = Bench::new();
    let mut text = "[DEFAULT]\n".to_owned();
    for number in 0..50_000 {
        writeln!(text, "no_such_{number} = 1").expect("text");
    }
    let loaded = bench.load(&text).expect("warnings only");
    assert_eq!((loaded.warnings.len(), loaded.omitted_warnings), (200, 49_800));

    let many = "messaging_urls = rabbit://a\n".repeat(10_001);
    let error = bench.load(&format!("[notification]\n{many}")).expect_err("too many");
    assert!(error.to_string().contains("more than 10000 values"), "{error}");
}

#[test]
fn files_are_found_beside_the_configuration() {
    let bench = Bench::new();
    bench.write("pipeline.yaml", "");
    bench.write("d/pipeline.yaml", "");
    let mut loader = bench.loader("");
    let found = |loader: &nephoscope_oslo_config::Loader| {
        loader.load().expect("loads").config.find_file("pipeline.yaml")
    };
    assert_eq!(found(&loader), Some(bench.path("pipeline.yaml")));
    loader.sources.push(Source::Directory(bench.path("d")));
    assert_eq!(found(&loader), Some(bench.path("d/pipeline.yaml")));
    assert_eq!(loader.load().expect("loads").config.find_file("nothing.yaml"), None);
}
