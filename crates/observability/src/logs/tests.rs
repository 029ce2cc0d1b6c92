use std::fs;
use std::io::Read as _;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use jiff::tz::{Offset, TimeZone};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tracing::{debug, error, info, info_span, warn};

use super::options::RotationInterval;
use super::*;
use crate::clock::TestClock;

/// A logging set-up of its own for one test, which sends nothing to the process's subscriber.
struct Bench {
    _directory: tempfile::TempDir,
    file: PathBuf,
    dispatch: tracing::Dispatch,
    handle: LogHandle,
    hand: TestClock,
    metrics: LogMetrics,
}

impl Bench {
    fn new(adjust: impl FnOnce(&mut LogOptions)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.log");
        let mut options = options(&file);
        adjust(&mut options);
        let (clock, hand) = Clock::test("2026-11-24T11:00:00.123456Z".parse().unwrap());
        let metrics = LogMetrics::default();
        let (subscriber, handle) = build(&options, &clock, metrics.clone()).unwrap();
        let dispatch = tracing::Dispatch::new(subscriber);
        Self { _directory: directory, file, dispatch, handle, hand, metrics }
    }

    fn log(&self, lines: impl FnOnce()) {
        tracing::dispatcher::with_default(&self.dispatch, lines);
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    /// The lines, each without the time and the process id.
    fn tails(&self) -> Vec<String> {
        let prefix = format!(" {} ", std::process::id());
        self.text().lines().map(|line| line.split_once(&prefix).unwrap().1.to_owned()).collect()
    }
}

fn options(file: &Path) -> LogOptions {
    LogOptions {
        file: Some(file.to_owned()),
        time_zone: TimeZone::fixed(Offset::constant(1)),
        format: LogFormat::Text,
        ..LogOptions::default()
    }
}

#[test]
fn a_line_is_oslos() {
    let bench = Bench::new(|_| {});
    bench.log(|| {
        info!(target: "nephoscope_oslo_messaging::listener", queue = "notifications.info", count = 3, "consuming");
        error!(target: "nephoscope::run", error = "it said \"no\"", empty = "", "stopped");
        debug!("not with debug off");
    });
    let process = std::process::id();
    assert_eq!(
        bench.text(),
        format!(
            "2026-11-24 12:00:00.123 {process} INFO nephoscope.oslo_messaging.listener [-] consuming \
             queue=notifications.info count=3\n\
             2026-11-24 12:00:00.123 {process} ERROR nephoscope.run [-] stopped error=\"it said \\\"no\\\"\" empty=\"\"\n"
        )
    );
    assert_eq!(bench.metrics.lines.get(LineLevel::Info), 1);
    assert_eq!(bench.metrics.lines.get(LineLevel::Error), 1);
    assert_eq!(bench.metrics.lost.sum(), 0);
}

#[test]
fn spans_and_request_ids_reach_the_line() {
    let bench = Bench::new(|_| {});
    bench.log(|| {
        let outer = info_span!("outer", request_id = "req-1", sink = "file", later = tracing::field::Empty);
        let _outer = outer.enter();
        outer.record("later", 7);
        let _inner = info_span!("inner", sink = "inner").entered();
        info!(target: "nephoscope_x", own = 1, "text");
    });
    assert_eq!(
        bench.tails(),
        ["INFO nephoscope.x [None req-1 - - - - - -] text sink=file later=7 sink=inner own=1"]
    );
}

#[test]
fn hostile_values_stay_in_their_line() {
    let bench = Bench::new(|_| {});
    let forged = "x\n2026-11-24 12:00:00.123 1 INFO nephoscope [-] all is well\r\u{1b}[2J";
    bench.log(|| {
        warn!(target: "nephoscope", payload = forged, "got {}", forged);
        warn!(target: "nephoscope", "{}", "y".repeat(1_000_000));
    });
    let text = bench.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains('\r'));
    assert!(text.len() < 40_000 && text.contains("... (983616 bytes cut)"), "{}", text.len());
}

#[test]
fn json_lines_hold_one_object_with_oslos_keys() {
    let bench = Bench::new(|options| options.format = LogFormat::Json);
    bench.log(|| info!(target: "nephoscope_x::y", request_id = "req-2", meter = "cpu\n\"", "kept"));
    let text = bench.text();
    assert_eq!(text.lines().count(), 1);
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, value) in [
        ("message", "kept"),
        ("name", "nephoscope.x.y"),
        ("levelname", "INFO"),
        ("asctime", "2026-11-24 12:00:00"),
        ("filename", "tests.rs"),
    ] {
        assert_eq!(object[key], value, "{key}");
    }
    assert_eq!(object["extra"]["meter"], "cpu\n\"");
    assert_eq!(object["context"]["request_id"], "req-2");
    assert_eq!(object["created"], 1_795_518_000.123_456);
    assert_eq!(object["process"], std::process::id());
}

#[test]
fn formats_of_the_operator_are_followed() {
    let bench = Bench::new(|options| {
        options.line = "%(asctime)s|%(levelname)-8s|%(hostname).0s%(unknown)s|%(message)s 100%%".to_owned();
        options.date_format = "%d.%m.%y".to_owned();
        options.debug_suffix = "at %(filename)s".to_owned();
        options.debug = true;
    });
    bench.log(|| {
        info!(target: "nephoscope", "one");
        debug!(target: "nephoscope", "two");
    });
    assert_eq!(bench.text(), "24.11.26|INFO    |-|one 100%\n24.11.26|DEBUG   |-|two 100% at tests.rs\n");
}

#[test]
fn options_that_cannot_work_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |adjust: &dyn Fn(&mut LogOptions)| {
        let mut options = options(&directory.path().join("log"));
        adjust(&mut options);
        build(&options, &Clock::machine(), LogMetrics::default()).err().unwrap().to_string()
    };
    let missing = directory.path().join("missing").join("log");
    for (message, expected) in [
        (refused(&|o| o.line = "%(message)".to_owned()), "in logging_default_format_string: "),
        (refused(&|o| o.context_line = "%q".to_owned()), "in logging_context_format_string: "),
        (refused(&|o| o.date_format = "%!".to_owned()), "in log_date_format: "),
        (refused(&|o| o.default_levels = vec!["x=LOUD".to_owned()]), "in default_log_levels: "),
        (refused(&|o| o.file = Some(missing.clone())), "cannot open log file "),
        (
            Facility::parse("LOG_MOON").unwrap_err().to_string(),
            "in syslog_log_facility: \"LOG_MOON\" is none of: LOG_KERN,",
        ),
    ] {
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn levels_change_while_it_runs() {
    let bench = Bench::new(|_| {});
    let line = || bench.log(|| debug!(target: "nephoscope_x", "seen"));
    line();
    bench.handle.set_levels(true, &[]).unwrap();
    line();
    bench.handle.set_levels(true, &["nephoscope.x=ERROR".to_owned()]).unwrap();
    line();
    assert_eq!(bench.tails(), ["DEBUG nephoscope.x [-] seen"]);
    assert!(bench.handle.set_levels(false, &["x".to_owned()]).is_err());
}

#[test]
fn the_log_crates_lines_come_with_their_own_names() {
    let bench = Bench::new(|_| {});
    bench.log(|| {
        let record = |level, message| {
            tracing_log::format_trace(
                &log::Record::builder()
                    .args(format_args!("{message}"))
                    .level(level)
                    .target("rustls::client")
                    .line(Some(7))
                    .build(),
            )
            .unwrap();
        };
        record(log::Level::Warn, "certificate expires");
    });
    assert_eq!(bench.tails(), ["WARNING rustls.client [-] certificate expires"]);
}

#[test]
fn one_call_site_cannot_flood_and_a_summary_says_how_much_is_missing() {
    let bench = Bench::new(|_| {});
    let warn_from = |component: &str, number: usize| {
        bench.log(|| warn!(target: "nephoscope", component, number, "sink refuses"));
    };
    for number in 0..25 {
        warn_from("a", number);
    }
    warn_from("b", 0);
    bench.log(|| info!(target: "nephoscope", "another place"));
    assert_eq!(bench.tails().len(), 12, "ten of a, one of b, one of another place");
    assert_eq!(bench.metrics.lost.get(LineLoss::RateLimit), 15);
    bench.handle.flush_due();
    assert_eq!(bench.tails().len(), 12, "the window is not over");
    bench.hand.advance(Duration::from_secs(10));
    bench.handle.flush_due();
    bench.handle.flush_due();
    let tails = bench.tails();
    assert_eq!(tails.len(), 13);
    assert_eq!(tails[12], "WARNING nephoscope [-] suppressed 15 similar lines in 10 s: sink refuses");
    // In a new window lines pass again, and a summary that nobody fetched comes before the next line.
    for number in 0..12 {
        warn_from("a", number);
    }
    bench.hand.advance(Duration::from_secs(10));
    warn_from("a", 99);
    let tails = bench.tails();
    assert!(tails[23].contains("suppressed 2 similar lines"), "{tails:#?}");
    assert!(tails[24].ends_with("sink refuses component=a number=99"), "{tails:#?}");
}

#[test]
fn the_summary_comes_by_itself_when_the_call_site_falls_silent() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let mut options = options(&file);
    options.call_site_limit = Some(CallSiteLimit { burst: 1, window: Duration::from_millis(50) });
    let (subscriber, mut handle) = build(&options, &Clock::machine(), LogMetrics::default()).unwrap();
    handle.start_flusher();
    tracing::subscriber::with_default(subscriber, || {
        // Until one is suppressed: on a loaded machine each line may fall into a window of its own.
        while handle.output.metrics_lost(LineLoss::RateLimit) == 0 {
            for _ in 0..100 {
                info!(target: "nephoscope", "noise");
            }
        }
    });
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while !fs::read_to_string(&file).unwrap().lines().last().unwrap().contains("suppressed") {
        assert!(std::time::Instant::now() < deadline, "no summary");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn summaries_are_not_lost_at_the_end() {
    let bench = Bench::new(|_| {});
    bench.log(|| (0..11).for_each(|_| info!(target: "nephoscope", "noise")));
    let Bench { _directory, file, handle, .. } = bench;
    drop(handle);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.ends_with("suppressed 1 similar lines in 10 s: noise\n"), "{text}");
}

#[test]
fn debug_lines_are_not_limited() {
    let bench = Bench::new(|options| options.debug = true);
    bench.log(|| (0..50).for_each(|_| debug!(target: "nephoscope", "detail")));
    assert_eq!(bench.tails().len(), 50);
}

#[test]
fn oslos_overall_limit_holds_and_spares_high_levels() {
    let bench = Bench::new(|options| {
        options.call_site_limit = None;
        options.overall_limit = Some(OverallLimit {
            interval: Duration::from_secs(5),
            burst: 2,
            except_level: "ERROR".to_owned(),
        });
    });
    bench.log(|| (0..5).for_each(|_| info!(target: "nephoscope", "plain")));
    bench.log(|| error!(target: "nephoscope", "grave"));
    bench.hand.advance(Duration::from_secs(5));
    bench.log(|| info!(target: "nephoscope", "later"));
    assert_eq!(
        bench.tails(),
        [
            "INFO nephoscope [-] plain",
            "INFO nephoscope [-] plain",
            "ERROR nephoscope.observability.logs.layer [-] logging rate limit: lines are dropped after 2 in 5 s",
            "ERROR nephoscope [-] grave",
            "INFO nephoscope [-] later",
        ]
    );
}

fn names(file: &Path) -> Vec<String> {
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn rotation_by_size_keeps_so_many_files_and_loses_no_line_among_them() {
    let bench = Bench::new(|options| {
        options.rotation = Rotation::Size(400);
        options.max_files = 3;
        options.line = "%(message)s".to_owned();
        options.call_site_limit = None;
    });
    for number in 0..100 {
        bench.log(
            || info!(target: "nephoscope", "line {number:03} of a hundred, which is twenty or more bytes"),
        );
    }
    assert_eq!(names(&bench.file), ["test.log", "test.log.1", "test.log.2", "test.log.3"]);
    let mut all = String::new();
    for name in ["test.log.3", "test.log.2", "test.log.1", "test.log"] {
        let text = fs::read_to_string(bench.file.with_file_name(name)).unwrap();
        assert!(text.len() <= 400, "{name}");
        all.push_str(&text);
    }
    let numbers: Vec<&str> = all.lines().map(|line| &line[5..8]).collect();
    let expected: Vec<String> = (100 - numbers.len()..100).map(|number| format!("{number:03}")).collect();
    assert_eq!(numbers, expected);
    assert_eq!(bench.metrics.lost.sum(), 0);
}

#[test]
fn rotation_by_interval_names_files_by_time_and_removes_the_oldest() {
    let bench = Bench::new(|options| {
        options.rotation = Rotation::Interval(RotationInterval::Hours(1));
        options.max_files = 2;
        options.line = "%(message)s".to_owned();
    });
    fs::write(bench.file.with_file_name("test.log.notes"), "not ours").unwrap();
    for hour in 0..5 {
        bench.log(|| info!(target: "nephoscope", "hour {hour}"));
        bench.hand.advance(Duration::from_hours(1));
    }
    bench.log(|| info!(target: "nephoscope", "last"));
    let expected = ["test.log", "test.log.2026-11-24_15", "test.log.2026-11-24_16", "test.log.notes"];
    assert_eq!(names(&bench.file), expected);
    assert_eq!(bench.text(), "last\n");
    assert_eq!(fs::read_to_string(bench.file.with_file_name(expected[2])).unwrap(), "hour 4\n");
}

#[test]
fn a_rotation_never_overwrites_and_one_that_fails_loses_nothing() {
    let bench = Bench::new(|options| {
        options.rotation = Rotation::Interval(RotationInterval::Days(1));
        options.line = "%(message)s".to_owned();
    });
    let taken = bench.file.with_file_name("test.log.2026-11-24");
    fs::write(&taken, "older lines\n").unwrap();
    bench.log(|| info!(target: "nephoscope", "one"));
    bench.hand.advance(Duration::from_hours(24));
    bench.log(|| info!(target: "nephoscope", "two"));
    assert_eq!(fs::read_to_string(&taken).unwrap(), "older lines\n");
    assert_eq!(bench.text(), "one\ntwo\n");

    let bench = Bench::new(|options| {
        options.rotation = Rotation::Size(20);
        options.max_files = 1;
        options.line = "%(message)s".to_owned();
    });
    // A directory in the way of the rename.
    fs::create_dir(bench.file.with_file_name("test.log.1")).unwrap();
    bench.log(|| info!(target: "nephoscope", "twelve bytes"));
    bench.log(|| info!(target: "nephoscope", "twelve bytes more"));
    assert_eq!(bench.text(), "twelve bytes\ntwelve bytes more\n");
    assert_eq!(bench.metrics.lost.sum(), 0);
}

#[test]
fn a_file_that_others_move_away_is_followed_by_name() {
    let bench = Bench::new(|options| options.line = "%(message)s".to_owned());
    bench.log(|| info!(target: "nephoscope", "before"));
    let moved = bench.file.with_extension("moved");
    fs::rename(&bench.file, &moved).unwrap();
    bench.log(|| info!(target: "nephoscope", "after"));
    assert_eq!(
        (fs::read_to_string(&moved).unwrap(), bench.text()),
        ("before\n".to_owned(), "after\n".to_owned())
    );
    fs::remove_file(&bench.file).unwrap();
    bench.handle.reopen().unwrap();
    bench.log(|| info!(target: "nephoscope", "reopened"));
    assert_eq!(bench.text(), "reopened\n");
}

#[test]
fn a_log_file_that_cannot_be_written_is_counted_and_comes_back() {
    let bench = Bench::new(|options| options.line = "%(message)s".to_owned());
    let directory = bench.file.parent().unwrap().to_owned();
    let away = directory.with_extension("away");
    fs::rename(&directory, &away).unwrap();
    bench.log(|| info!(target: "nephoscope", "lost"));
    assert_eq!(bench.metrics.lost.get(LineLoss::Failed), 1);
    assert!(bench.handle.reopen().unwrap_err().to_string().contains("test.log"));
    fs::rename(&away, &directory).unwrap();
    bench.log(|| info!(target: "nephoscope", "back"));
    assert_eq!(bench.text(), "back\n");
}

/// The fields of a journal entry, read by the rules of journald's protocol.
fn journal_fields(mut entry: &[u8]) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| *byte == b'\n').unwrap();
        let line = std::str::from_utf8(&entry[..end]).unwrap();
        entry = &entry[end + 1..];
        if let Some((name, value)) = line.split_once('=') {
            fields.push((name.to_owned(), value.to_owned()));
        } else {
            let length = usize::try_from(u64::from_le_bytes(entry[..8].try_into().unwrap())).unwrap();
            let value = String::from_utf8(entry[8..8 + length].to_vec()).unwrap();
            assert_eq!(entry[8 + length], b'\n');
            entry = &entry[9 + length..];
            fields.push((line.to_owned(), value));
        }
    }
    fields
}

fn peer(directory: &Path, name: &str) -> (PathBuf, UnixDatagram) {
    let path = directory.join(name);
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    (path, socket)
}

#[test]
fn journal_entries_follow_journalds_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let (path, socket) = peer(directory.path(), "journal");
    let bench = Bench::new(|options| {
        options.file = None;
        options.format = LogFormat::Journald;
        options.journal_socket = path;
        options.facility = Facility::parse("daemon").unwrap();
    });
    bench.log(|| warn!(target: "nephoscope_x", request_id = "req-3", event.type = "a\nb", "first"));
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).unwrap();
    let fields = journal_fields(&buffer[..length]);
    let get = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
    for (name, value) in [
        ("MESSAGE", "first event.type=\"a\\nb\""),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "nephoscope"),
        ("SYSLOG_FACILITY", "3"),
        ("LOGGER_NAME", "nephoscope.x"),
        ("LOGGER_LEVEL", "WARNING"),
        ("REQUEST_ID", "req-3"),
        ("NEPHOSCOPE_EVENT_TYPE", "a\nb"),
        ("CODE_FILE", file!()),
    ] {
        assert_eq!(get(name), Some(value), "{name} in {fields:?}");
    }
}

#[test]
fn an_entry_that_is_too_large_goes_as_a_sealed_file() {
    let directory = tempfile::tempdir().unwrap();
    let (path, socket) = peer(directory.path(), "journal");
    let mut sink = datagram::DatagramSink::open(&path).unwrap();
    let content = vec![b'x'; 8 << 20];
    assert_eq!(sink.send(&content), Err(datagram::Loss::TooLarge));
    sink.send_as_file(&content).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(&socket, &mut [], &mut control, RecvFlags::empty()).unwrap();
    let Some(RecvAncillaryMessage::ScmRights(mut files)) = control.drain().next() else {
        panic!("no file came")
    };
    let file = files.next().unwrap();
    let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
    assert!(seals.contains(rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SEAL), "{seals:?}");
    // The sender's position is shared; journald maps the file, we read it from its beginning.
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).unwrap();
    let mut received = Vec::new();
    fs::File::from(file).read_to_end(&mut received).unwrap();
    assert_eq!(received, content);
}

#[test]
fn syslog_lines_are_rfc_3164s() {
    let directory = tempfile::tempdir().unwrap();
    let (path, socket) = peer(directory.path(), "log");
    let bench = Bench::new(|options| {
        options.use_syslog = true;
        options.syslog_socket = path.clone();
        options.facility = Facility::parse("LOG_LOCAL3").unwrap();
        options.line = "%(levelname)s %(message)s".to_owned();
    });
    let receive = |socket: &UnixDatagram| {
        let mut buffer = vec![0; 65_536];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let process = std::process::id();
    bench.log(|| info!(target: "nephoscope", "hello"));
    assert_eq!(receive(&socket), format!("<158>Nov 24 12:00:00 nephoscope[{process}]: INFO hello"));
    bench.log(|| error!(target: "nephoscope", "{}", "é".repeat(10_000)));
    let long = receive(&socket);
    assert!(long.starts_with("<155>") && long.len() <= 8_000, "{}", long.len());
    // The daemon goes away (a loss) and comes back (no loss, without a new start of ours).
    drop(socket);
    fs::remove_file(&path).unwrap();
    bench.log(|| info!(target: "nephoscope", "while it is away"));
    assert_eq!(bench.metrics.lost.get(LineLoss::Failed), 1);
    let (_, socket) = peer(directory.path(), "log");
    bench.log(|| info!(target: "nephoscope", "again"));
    assert!(receive(&socket).ends_with("INFO again"));
}

#[test]
fn a_daemon_that_does_not_read_costs_lines_and_not_time() {
    let directory = tempfile::tempdir().unwrap();
    let (path, socket) = peer(directory.path(), "log");
    let bench = Bench::new(|options| {
        options.use_syslog = true;
        options.syslog_socket = path;
        options.call_site_limit = None;
    });
    let start = std::time::Instant::now();
    bench.log(|| (0..2_000).for_each(|number| info!(target: "nephoscope", number, "into a full queue")));
    let lost = bench.metrics.lost.get(LineLoss::Stuck);
    assert!(lost > 0, "the kernel's queue holds fewer than 2000 datagrams");
    assert!(start.elapsed() < Duration::from_mins(1), "2000 lines took {:?}", start.elapsed());
    assert_eq!(bench.tails().len(), 2_000, "the file got every line");
    drop(socket);
}

#[test]
fn a_pipe_that_nobody_reads_costs_lines_and_not_time() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut sink = stream::StreamSink::new(writer);
    let line = [b'x'; 1_000];
    let start = std::time::Instant::now();
    let mut written = 0;
    let mut stuck = 0;
    for _ in 0..500 {
        match sink.write(&line) {
            Ok(()) => written += 1,
            Err(loss) => {
                assert_eq!(loss, LineLoss::Stuck);
                stuck += 1;
            }
        }
    }
    assert!(written > 10 && stuck > 10, "{written} {stuck}");
    assert!(start.elapsed() < Duration::from_mins(1), "{:?}", start.elapsed());
    // Somebody reads again: lines go through again.
    let drained = std::thread::spawn(move || {
        let mut reader = reader;
        let mut all = Vec::new();
        reader.read_to_end(&mut all).map(|_| all.len())
    });
    let deadline = std::time::Instant::now() + Duration::from_mins(1);
    while sink.write(&line).is_err() {
        assert!(std::time::Instant::now() < deadline, "still stuck");
        std::thread::yield_now();
    }
    drop(sink);
    assert!(drained.join().unwrap().unwrap() >= (written + 1) * 1_000);
}

#[test]
fn stderr_is_the_journal_only_when_device_and_inode_agree() {
    let stat = rustix::fs::fstat(std::io::stderr()).unwrap();
    let matching = format!("{}:{}", stat.st_dev, stat.st_ino);
    assert!(journal::stderr_is_journal(Some(&matching)));
    for value in [None, Some(""), Some("8"), Some("8:x"), Some("1:1"), Some(":")] {
        assert!(!journal::stderr_is_journal(value), "{value:?}");
    }
}

#[test]
fn paths_are_put_together_as_oslo_does() {
    let path = |file: Option<&str>, dir: Option<&str>| {
        log_file_path(file.map(Path::new), dir.map(Path::new), "ceilometer-polling")
            .map(|path| path.display().to_string())
    };
    assert_eq!(path(None, None), None);
    assert_eq!(path(Some("a.log"), None).as_deref(), Some("a.log"));
    assert_eq!(path(Some("a.log"), Some("/var/log/x")).as_deref(), Some("/var/log/x/a.log"));
    assert_eq!(path(Some("/tmp/a.log"), Some("/var/log/x")).as_deref(), Some("/tmp/a.log"));
    assert_eq!(path(None, Some("/var/log/x")).as_deref(), Some("/var/log/x/ceilometer-polling.log"));
}
