//! The command line as a newcomer meets it: what is printed, where, and the exit status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a failed step is a failed test"
)]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use buffer::dead_letters::{DeadLetters, Letter, Limits};
use buffer::medium::Disk;

const PROGRAM: &str = env!("CARGO_BIN_EXE_nephoscope");

/// Runs the program in `directory` with nothing of this machine's configuration in reach.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    run_as("nephoscope", directory, arguments)
}

fn run_as(name: &str, directory: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg0(name)
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A directory with a configuration that works.
fn good() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ceilometer.conf", "[DEFAULT]\ntransport_url = rabbit://user:hush@localhost:5672/\n");
    for (name, key) in [("pipeline.yaml", "meters"), ("event_pipeline.yaml", "events")] {
        let path = directory.path().join("out");
        let text = format!(
            "sources:\n  - name: s\n    {key}: ['*']\n    sinks: [k]\nsinks:\n  - name: k\n    publishers:\n      - \
             file://{}?json\n",
            path.display()
        );
        write(name, &text);
    }
    directory
}

#[test]
fn help_names_every_command_and_what_to_try_first() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for word in [
        "run",
        "notification",
        "polling",
        "metric",
        "poll",
        "pollsters",
        "check",
        "explain",
        "config",
        "dead-letter",
        "tap",
        "version",
        "Try first: nephoscope check",
    ] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
    for command in
        ["run", "notification", "polling", "metric", "poll", "check", "explain", "config show", "tap"]
    {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = run(directory.path(), &arguments);
        assert!(output.status.success(), "{command}");
        assert!(text(&output.stdout).contains("--config-file"), "{command}");
    }
}

#[test]
fn a_wrong_command_line_ends_with_the_status_of_the_name_it_was_called_by() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(directory.path(), &["notifcation"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("'notification'"));
    assert_eq!(run(directory.path(), &[]).status.code(), Some(64));
    assert_eq!(run_as("ceilometer-agent-notification", directory.path(), &["--nope"]).status.code(), Some(2));
}

#[test]
fn version_is_printed_on_stdout() {
    let directory = tempfile::tempdir().unwrap();
    let expected = format!("nephoscope {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [&["version"][..], &["--version"]] {
        let output = run(directory.path(), arguments);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), expected.clone()));
    }
}

#[test]
fn a_good_configuration_passes_and_its_files_are_named() {
    let directory = good();
    let output = run(directory.path(), &["check", "--strict", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(out.contains("read: pipeline.yaml\n"), "{out}");
    assert!(out.contains("read: built-in event_definitions.yaml\n"), "{out}");
    assert!(out.ends_with("0 errors, 0 warnings\n"), "{out}");
}

#[test]
fn everything_that_is_wrong_is_named_with_file_line_column_and_what_to_write() {
    let directory = good();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ceilometer.conf", "[notification]\nbatch_size = many\n\n[DEFAULT]\ndebgu = true\n");
    let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(78), "{out}");
    assert!(out.contains("ceilometer.conf:2:1: value `many` of option batch_size"), "{out}");
    assert!(out.contains("ceilometer.conf:5:1: unknown option `debgu`"), "{out}");
    assert!(out.contains("did you mean debug?"), "{out}");

    write("ceilometer.conf", "[event]\ndefinitions_cfg_file = events.yaml\n");
    write("events.yaml", "- event_type: a\n  traits:\n    x: {fields: [}\n");
    write("pipeline.yaml", "sources: []\nsinks:\n  - name: k\n    publishers: [gnochi]\n");
    let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(78), "{out}");
    assert!(out.contains("error: events.yaml:3:18:"), "{out}");

    write("events.yaml", "- event_type: a\n  traits:\n    x: {fields: payload.x}\n");
    write(
        "pipeline.yaml",
        "sources:\n  - {name: s, meters: ['*'], sinks: [k]}\nsinks:\n  - name: k\n    publishers: [gnochi]\n",
    );
    let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(78), "{out}");
    assert!(out.contains("error: pipeline.yaml:5:18: publisher gnochi:// of sink \"k\""), "{out}");

    // Each of them, in both files.
    let pipeline = |source: &str, publishers: &str| {
        format!("sources:\n  - {source}\nsinks:\n  - name: k\n    publishers: [{publishers}]\n")
    };
    write(
        "pipeline.yaml",
        &pipeline("{name: s, meters: ['*'], sinks: [k]}", "gnochi, 'udp://h', 'tpc://h:1'"),
    );
    write("event_pipeline.yaml", &pipeline("{name: s, events: ['*'], sinks: [k]}", "gnocchy"));
    let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    for wrong in ["pipeline.yaml:5:18: publisher gnochi://", "pipeline.yaml:5:37: publisher tpc://h:1"] {
        assert!(out.contains(&format!("error: {wrong}")), "{wrong}: {out}");
    }
    assert!(out.contains("error: event_pipeline.yaml:5:18: publisher gnocchy://"), "{out}");
}

/// One run names what is wrong in every file, although `ceilometer.conf` itself could not be used.
#[test]
fn mistakes_in_the_main_file_do_not_hide_those_in_the_others() {
    let directory = good();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    // A value in error, a line that is none, and what counts all the same: where the events' definitions lie.
    write(
        "ceilometer.conf",
        "[notification]\nbatch_size = many\n[event]\ndefinitions_cfg_file = events.yaml\nno assignment\n\
         [DEFAULT]\ntransport_url = kafka://h:9092\npipeline_cfg_file = ${absent}\n",
    );
    write("events.yaml", "- event_type: a\n  traits:\n    x: {fields: [}\n");
    // The option that names it is in error: it is found by the default name.
    write("pipeline.yaml", "sources: []\nsinks:\n  - name: k\n    publisher: [gnochi]\n");
    let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(78), "{out}");
    for place in [
        "ceilometer.conf:2:1: value `many` of option batch_size",
        "ceilometer.conf:5:1: no = or :",
        "ceilometer.conf:7:1: ",
        "ceilometer.conf:8:1: `$absent`",
        "error: events.yaml:3:18: ",
        "error: pipeline.yaml:",
    ] {
        assert!(out.contains(place), "{place} is missing in\n{out}");
    }
    let errors = out.lines().filter(|line| line.starts_with("error: ")).count();
    let summary = text(&output.stderr);
    assert!(summary.contains(&format!("{errors} errors, 0 warnings")), "{out}{summary}");
    // A start is refused for the main file alone, as before.
    let start = run(directory.path(), &["notification", "--config-file", "ceilometer.conf"]);
    assert_eq!(start.status.code(), Some(78));
    assert!(!text(&start.stderr).contains("events.yaml"), "{}", text(&start.stderr));
}

/// Without any file the built-in pipelines hold; `run` can serve them, the agent alone needs credentials for Gnocchi.
#[test]
fn a_check_is_for_the_role_that_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for (role, status) in [("run", 0), ("notification", 78)] {
        let output = run(directory.path(), &["check", "--role", role]);
        let out = text(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{role}: {out}");
        let place = "built-in pipeline.yaml:";
        assert_eq!(
            out.contains(place) && out.contains("[service_credentials] auth_type is not set"),
            status != 0,
            "{out}"
        );
    }
}

/// The metric role reads `gnocchi.conf`, whose options are others.
#[test]
fn the_metric_roles_configuration_is_checked_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("gnocchi.conf");
    let with = |command: &[&str], content: &str| {
        fs::write(&file, content).unwrap();
        let named = ["--role", "metric", "--config-file", file.to_str().unwrap()];
        run(directory.path(), &[command, &named].concat())
    };
    let good = "[api]\nport = 8050\n[indexer]\nurl = postgresql://gnocchi:hush@db/gnocchi\n";
    let output = with(&["check", "--strict"], good);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let shown = text(&with(&["config", "show"], good).stdout);
    assert!(shown.contains("port = 8050\n") && shown.contains("auth_mode = basic\n"), "{shown}");
    assert!(shown.contains("url = ****") && !shown.contains("hush"), "{shown}");
    for (wrong, said) in [
        ("[api]\nport = many\n", "gnocchi.conf:2:1"),
        ("[api]\nhost = 0.0.0.0\n", "metric_trusts_network"),
        ("[archive_policy]\ndefault_aggregation_methods = mode\n", "default_aggregation_methods"),
    ] {
        let output = with(&["check"], wrong);
        assert_eq!(output.status.code(), Some(78), "{wrong}");
        assert!(text(&output.stdout).contains(said), "{}", text(&output.stdout));
    }
}

/// The store in `run` has a file of its own, which a check reads as well.
#[test]
fn the_store_of_run_is_checked() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("gnocchi.conf"), "[api]\nauth_mode = whatever\n").unwrap();
    for (own, said) in [
        ("run_metric_address = localhost:8041\n".to_owned(), "is not an IP address and port"),
        ("run_metric_address = 0.0.0.0:8041\n".to_owned(), "metric_trusts_network"),
        (format!("run_metric_config_file = {}\n", at("gnocchi.conf").display()), "gnocchi.conf:2:1"),
        (format!("run_metric_config_file = {}\n", at("none.conf").display()), "none.conf"),
    ] {
        fs::write(at("ceilometer.conf"), format!("[nephoscope]\n{own}")).unwrap();
        let output = run(
            directory.path(),
            &["check", "--role", "run", "--config-file", at("ceilometer.conf").to_str().unwrap()],
        );
        assert_eq!(output.status.code(), Some(78), "{own}");
        assert!(text(&output.stdout).contains(said), "{own}: {}", text(&output.stdout));
    }
    let own = "[nephoscope]\nrun_metric_address = 0.0.0.0:8041\nmetric_trusts_network = true\n";
    fs::write(at("ceilometer.conf"), own).unwrap();
    let output = run(
        directory.path(),
        &["check", "--strict", "--role", "run", "--config-file", at("ceilometer.conf").to_str().unwrap()],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
}

/// The resource definitions of a publisher are read by a check as at a start.
#[test]
fn a_check_names_the_places_in_gnocchis_definitions() {
    let directory = good();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write(
        "ceilometer.conf",
        "[service_credentials]\nauth_type = gnocchi-basic\nuser = admin\nendpoint = http://127.0.0.1:1/\n",
    );
    write(
        "pipeline.yaml",
        "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['gnocchi://?timeout=2']}]\n",
    );
    let check = || {
        let output = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
        (output.status.code(), text(&output.stdout))
    };
    let (status, out) = check();
    assert_eq!(status, Some(0), "{out}");
    for (definitions, place) in [
        ("resources: 5\n", "gnocchi_resources.yaml:1:12: resources is an integer"),
        (
            "resources:\n- {resource_type: a}\n",
            "gnocchi_resources.yaml:2:3: the resource definition lacks metrics",
        ),
    ] {
        write("gnocchi_resources.yaml", definitions);
        let (status, out) = check();
        assert!(out.contains(place), "{out}");
        assert_eq!(status.unwrap_or_default(), if out.contains("error: ") { 78 } else { 0 }, "{out}");
    }
    write(
        "pipeline.yaml",
        "sources: [{name: s, meters: ['*'], sinks: [k]}]\nsinks: [{name: k, publishers: ['gnocchi://?timeout=soon']}]\n",
    );
    let (status, out) = check();
    assert!(status == Some(78) && out.contains("timeout=\"soon\" is not a number of seconds"), "{out}");
}

/// `ceilometer-upgrade` without a Gnocchi: as often as it was asked to, then the status of a failure.
#[test]
fn an_upgrade_without_gnocchi_fails_after_as_many_attempts() {
    let directory = tempfile::tempdir().unwrap();
    let config =
        "[service_credentials]\nauth_type = gnocchi-basic\nuser = admin\nendpoint = http://127.0.0.1:1/\n";
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let upgrade = |more: &[&str]| {
        run(directory.path(), &[&["upgrade", "--config-file", "ceilometer.conf"], more].concat())
    };
    for (retry, attempts) in [("0", 0), ("1", 0), ("2", 1)] {
        let output = upgrade(&["--retry", retry]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches("cannot be looked at or changed now").count(), attempts, "{said}");
        assert!(said.contains("Gnocchi's resource types and archive policies are not up to date"), "{said}");
    }
    assert_eq!(upgrade(&["--skip-gnocchi-resource-types"]).status.code(), Some(0));
    fs::write(directory.path().join("ceilometer.conf"), "[DEFAULT]\n").unwrap();
    let output = upgrade(&[]);
    let said = text(&output.stderr);
    assert!(
        output.status.code() == Some(78) && said.contains("[service_credentials] auth_type is not set"),
        "{said}"
    );
}

/// What only a start would find out is found by a check as well, with the same status.
#[test]
fn a_check_refuses_what_no_listener_can_be_started_with() {
    let directory = good();
    for (settings, words) in [
        ("[oslo_messaging_notifications]\ntopics =\n", "topic"),
        ("[DEFAULT]\ntransport_url = rabbit://h/?rabbit_quorum_queue=perhaps\n", "rabbit_quorum_queue"),
    ] {
        fs::write(directory.path().join("ceilometer.conf"), settings).unwrap();
        let arguments = ["--config-file", "ceilometer.conf"];
        let checked = run(directory.path(), &[&["check"][..], &arguments].concat());
        let out = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(78), "{out}");
        assert!(out.contains("error: ") && out.contains(words), "{out}");
        let started = run(directory.path(), &[&["notification"][..], &arguments].concat());
        let message = text(&started.stderr);
        assert_eq!(started.status.code(), Some(78), "{message}");
        assert!(message.contains(words), "{message}");
    }
}

/// Credentials are looked at only where something needs them, and then what is wrong names the place.
#[test]
fn a_check_looks_at_credentials_that_are_needed() {
    let directory = good();
    let config = directory.path().join("ceilometer.conf");
    let base = fs::read_to_string(&config).unwrap();
    let credentials = "[service_credentials]\nauth_type = v3totp\npassword = hush\n";
    for (discovery, status) in [("false", 0), ("true", 78)] {
        let text = format!("{base}[polling]\nidentity_name_discovery = {discovery}\n{credentials}");
        fs::write(&config, text).unwrap();
        let checked = run(directory.path(), &["check", "--config-file", "ceilometer.conf"]);
        let out = self::text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(status), "{out}");
        assert_eq!(out.contains("error: [service_credentials] auth_type = v3totp: "), status == 78, "{out}");
        assert!(!out.contains("hush"), "{out}");
    }
}

#[test]
fn strict_takes_a_warning_as_an_error() {
    let directory = good();
    fs::write(directory.path().join("ceilometer.conf"), "[DEFAULT]\nsample_sorce = x\n").unwrap();
    assert_eq!(run(directory.path(), &["check", "--config-file", "ceilometer.conf"]).status.code(), Some(0));
    let strict = run(directory.path(), &["check", "--strict", "--config-file", "ceilometer.conf"]);
    assert_eq!(strict.status.code(), Some(78));
}

#[test]
fn a_wrong_configuration_prevents_the_start_with_the_status_of_the_name() {
    let directory = good();
    fs::write(directory.path().join("ceilometer.conf"), "[DEFAULT]\ntransport_url = kafka://h:9092\n")
        .unwrap();
    let arguments = ["--config-file", "ceilometer.conf"];
    for command in ["notification", "run"] {
        let output = run(directory.path(), &[&[command][..], &arguments].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{message}");
        assert!(message.contains("ceilometer.conf:2:1:") && message.contains("rabbit://"), "{message}");
    }
    let output = run_as("ceilometer-agent-notification", directory.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    let output = run(directory.path(), &["notification", "--config-file", "absent.conf"]);
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("absent.conf"));
}

#[test]
fn config_show_gives_values_with_their_origin_and_hides_secrets() {
    let directory = good();
    let output = Command::new(PROGRAM)
        .args(["config", "show", "--changed", "--config-file", "ceilometer.conf", "--debug"])
        .current_dir(directory.path())
        .env_clear()
        .env("OS_NOTIFICATION__BATCH_SIZE", "7")
        .output()
        .unwrap();
    let place = directory.path().canonicalize().unwrap();
    assert_eq!(
        text(&output.stdout).replace(&format!("{}/", place.display()), ""),
        "[DEFAULT]\n# command line --debug\ndebug = true\n# ceilometer.conf:2:1\ntransport_url = ****\n\n\
         [notification]\n# environment variable OS_NOTIFICATION__BATCH_SIZE\nbatch_size = 7\n"
    );
    let all = run(directory.path(), &["config", "show", "--config-file", "ceilometer.conf"]);
    let all = text(&all.stdout);
    assert!(all.contains("# default\nsample_source = openstack\n"), "{all}");
    assert!(!all.contains("hush") && !all.contains("change this for valid signing"), "a secret is shown");
}

/// What `config show` prints is itself a configuration with the same values.
#[test]
fn what_config_show_prints_can_be_read_again() {
    let directory = good();
    let first = text(&run(directory.path(), &["config", "show", "--config-file", "ceilometer.conf"]).stdout);
    // Secrets are not shown, so they are not compared.
    let shown = |text: &str| -> String {
        let shown: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#') && !line.ends_with("****")).collect();
        shown.join("\n") + "\n"
    };
    fs::write(directory.path().join("again.conf"), shown(&first)).unwrap();
    let again = run(directory.path(), &["config", "show", "--config-file", "again.conf"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    let (first, again) = (shown(&first), shown(&text(&again.stdout)));
    let different = first.lines().zip(again.lines()).find(|(first, again)| first != again);
    assert_eq!(different, None);
    assert!(first.lines().count() > 200 && first.lines().count() == again.lines().count());
}

/// A configuration whose state directory has two dead letters and a damaged line.
fn with_letters() -> (tempfile::TempDir, Vec<String>) {
    let directory = good();
    let state = directory.path().join("state");
    let config = format!(
        "[DEFAULT]\ntransport_url = rabbit://user:hush@127.0.0.1:1/\n[nephoscope]\nstate_dir = {}\n",
        state.display()
    );
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let limits = Limits { bytes: 1 << 20, files: 100 };
    let store = DeadLetters::new(&state, Arc::new(Disk), limits);
    let letter = |cause: &str, body: &[u8]| Letter {
        time: "2026-11-25T22:45:01Z".parse().unwrap(),
        cause: cause.to_owned(),
        message: "it is\u{1b}[31m wrong".to_owned(),
        queue: "notifications.info".to_owned(),
        body: body.to_vec(),
        ..Letter::default()
    };
    store.write(&[letter("not_json", b"{"), letter("not_utf8", &[0xff, 0xfe])]).unwrap();
    let file = store.files().unwrap().remove(0);
    let ids = store.read(&file).unwrap().letters.into_iter().map(|stored| stored.id.to_string()).collect();
    let path = store.directory().join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text + "{\"id\": tor").unwrap();
    (directory, ids)
}

#[test]
fn dead_letters_are_listed_shown_and_dropped_without_an_agent_or_a_broker() {
    let (directory, ids) = with_letters();
    let dead_letter = |arguments: &[&str]| {
        let all = [&["dead-letter"], arguments, &["--config-file", "ceilometer.conf"]].concat();
        run(directory.path(), &all)
    };
    let list = dead_letter(&["list"]);
    assert!(list.status.success());
    let (table, said) = (text(&list.stdout), text(&list.stderr));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(&ids[0]), "{table}");
    assert!(table.contains("it is\\u{1b}[31m wrong") && !table.contains('\u{1b}'), "{table}");
    assert!(said.contains(":3: damaged, left as it is") && said.contains("2 letters in "), "{said}");
    assert_eq!(text(&dead_letter(&["list", "--limit", "1", "--json"]).stdout).lines().count(), 1);
    assert_eq!(text(&dead_letter(&["list", "--cause", "not_utf8"]).stdout).lines().count(), 2);

    let shown = text(&dead_letter(&["show", &ids[0]]).stdout);
    assert!(
        shown.contains("cause:            not_json") && shown.ends_with("body, 1 bytes:\n{\n"),
        "{shown}"
    );
    let shown = text(&dead_letter(&["show", &ids[1]]).stdout);
    assert!(shown.contains("is no text") && shown.contains("show --body"), "{shown}");
    assert_eq!(dead_letter(&["show", &ids[1], "--body"]).stdout, [0xff, 0xfe]);
    let json: serde_json::Value =
        serde_json::from_slice(&dead_letter(&["show", &ids[1], "--json"]).stdout).unwrap();
    assert_eq!((&json["body_base64"], &json["bytes"]), (&"//4=".into(), &2.into()));

    // Usage is 64; what is not there is 1, and says how to find what is.
    for arguments in [&["drop"][..], &["replay"], &["drop", "--all", &ids[0]], &["show", "a/b"]] {
        assert_eq!(dead_letter(arguments).status.code(), Some(64), "{arguments:?}");
    }
    for arguments in [&["show", "20200101T000000000-00000000-1"][..], &["drop", "none"], &["replay", "none"]]
    {
        let output = dead_letter(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains("there is no letter"), "{output:?}");
    }
    // Without a broker nothing is replayed, and nothing gone.
    let replay = dead_letter(&["replay", "--all"]);
    assert_eq!(replay.status.code(), Some(1));
    assert!(text(&replay.stderr).contains("cannot reach 127.0.0.1:1"), "{replay:?}");

    assert_eq!(text(&dead_letter(&["drop", &ids[0]]).stdout), "dropped 1 letter\n");
    assert_eq!(text(&dead_letter(&["drop", "--all"]).stdout), "dropped 1 letter\n");
    let left = dead_letter(&["list"]);
    assert!(left.status.success() && left.stdout.is_empty());
    let said = text(&left.stderr);
    assert!(said.contains("no dead letters in") && said.contains("look at it, and remove it"), "{said}");
}

#[test]
fn dead_letter_says_what_it_is_for_and_a_wrong_configuration_is_78() {
    let directory = good();
    let help = text(&run(directory.path(), &["dead-letter", "--help"]).stdout);
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in ["Usual course", "list", "show", "replay", "drop", "whether the agent runs or not"] {
        assert!(help.contains(word), "{word} is missing in\n{help}");
    }
    fs::write(directory.path().join("ceilometer.conf"), "[nephoscope]\ndead_letter_max_bytes = -1\n")
        .unwrap();
    let output = run(directory.path(), &["dead-letter", "list", "--config-file", "ceilometer.conf"]);
    assert_eq!(output.status.code(), Some(78));
    let output = run(directory.path(), &["dead-letter", "list", "--config-file", "absent.conf"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn where_there_was_never_a_letter_there_is_none() {
    let directory = good();
    let config = format!("[nephoscope]\nstate_dir = {}\n", directory.path().join("absent").display());
    fs::write(directory.path().join("ceilometer.conf"), config).unwrap();
    let dead_letter = |arguments: &[&str]| {
        let all = [&["dead-letter"], arguments, &["--config-file", "ceilometer.conf"]].concat();
        run(directory.path(), &all)
    };
    let output = dead_letter(&["list"]);
    assert!(output.status.success() && text(&output.stderr).contains("no dead letters in"), "{output:?}");
    assert_eq!(text(&dead_letter(&["drop", "--all"]).stdout), "dropped 0 letters\n");
    assert_eq!(text(&dead_letter(&["replay", "--all"]).stdout), "replayed 0 letters\n");
    assert!(!directory.path().join("absent").exists(), "a look makes nothing");
}

#[test]
fn a_tap_without_an_agent_says_where_it_looked_and_what_to_do() {
    let directory = good();
    let path = directory.path().join("ceilometer.conf");
    let mut config = fs::read_to_string(&path).unwrap();
    config.push_str("[nephoscope]\nstate_dir = state\n");
    fs::write(&path, config).unwrap();
    let with_config = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["tap"].iter().chain(arguments).chain(&["--config-file", "ceilometer.conf"]).copied().collect();
        let output = run(directory.path(), &arguments);
        (output.status.code(), text(&output.stderr), text(&output.stdout))
    };
    let hint = "; start one, or name the configuration that it was started with (--config-file) or its socket (--socket)\n";
    let nobody =
        |places: &str| (Some(1), format!("nephoscope: no agent answers at {places}{hint}"), String::new());
    assert_eq!(with_config(&[]), nobody("state/run.sock or state/notification.sock or state/polling.sock"));
    assert_eq!(with_config(&["--role", "run"]), nobody("state/run.sock"));
    assert_eq!(with_config(&["--socket", "elsewhere"]), nobody("elsewhere"));
    // What a dead agent has left is nobody, too.
    fs::create_dir(directory.path().join("state")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(directory.path().join("state/notification.sock")).unwrap());
    assert_eq!(with_config(&["--role", "notification"]), nobody("state/notification.sock"));
    // And one that lets go without a word has ended.
    let silent = std::os::unix::net::UnixListener::bind(directory.path().join("silent")).unwrap();
    let accepted = std::thread::spawn(move || silent.accept().map(drop));
    let (status, error, _) = with_config(&["--socket", "silent"]);
    assert_eq!((status, error.as_str()), (Some(1), "nephoscope: the agent has ended\n"));
    accepted.join().unwrap().unwrap();
}

#[test]
fn wrong_arguments_of_tap_are_usage_errors_and_a_wrong_configuration_is_one_of_configuration() {
    let directory = good();
    for arguments in [&["tap", "--count", "0"][..], &["tap", "--for", "x"], &["tap", "--role", "metric"]] {
        assert_eq!(run(directory.path(), arguments).status.code(), Some(64), "{arguments:?}");
    }
    fs::write(directory.path().join("ceilometer.conf"), "[notification]\nbatch_size = many\n").unwrap();
    let output = run(directory.path(), &["tap", "--config-file", "ceilometer.conf"]);
    assert_eq!(output.status.code(), Some(78));
}
