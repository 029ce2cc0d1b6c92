//! The same records through Ceilometer's publishers and through ours: equal requests, datagrams and frames.
//!
//! `oracle.py` runs the originals once, over generated samples and events and a table of URLs. Every difference must be named
//! in `tests/oracle/expected_differences.yaml`, and every entry of this suite must occur. (The `notifier` publisher has its
//! comparison in the suite of that name, through a broker.)

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::{Value, json};
use nephoscope_publishers::http::HttpPublisher;
use nephoscope_publishers::opentelemetry::OpenTelemetryPublisher;
use nephoscope_publishers::prometheus::PrometheusPublisher;
use nephoscope_publishers::tcp::TcpPublisher;
use nephoscope_publishers::udp::UdpPublisher;
use nephoscope_publishers::zaqar::{ZaqarOptions, ZaqarPublisher};
use nephoscope_publishers::{HttpSettings, Witness};
use openstack::{AuthOptions, Service, ServiceFilter, Session, SessionOptions};
use pipeline::{BuildError, Publisher, PublisherUrl, Records, RecordsKind};

#[path = "../../definitions/tests/support/differences.rs"]
mod differences;
#[path = "support/records.rs"]
mod records;
#[path = "support/server.rs"]
mod server;
use differences::Judge;
use records::{event_from, sample_from};
use server::Server;

const SECRET: &str = "change this for valid signing";

/// What came, comparable.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    target: String,
    content_type: String,
    authorization: String,
    body: Vec<u8>,
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn theirs(case: &Value) -> Vec<Came> {
    let requests = case.get("requests").and_then(Value::as_list).unwrap();
    let came = requests.iter().map(|request| Came {
        target: text(request, "target").to_owned(),
        content_type: text(request, "content_type").to_owned(),
        authorization: text(request, "authorization").to_owned(),
        body: STANDARD.decode(text(request, "body")).unwrap(),
    });
    came.collect()
}

fn records(case: &Value) -> Records {
    let parsed = case.get("records").and_then(Value::as_list).unwrap();
    let parsed = parsed.iter().map(|record| json::parse(record.as_str().unwrap()).unwrap());
    if text(case, "kind") == "samples" {
        Records::Samples(parsed.map(|dict| sample_from(&dict)).collect())
    } else {
        Records::Events(parsed.map(|serialized| event_from(&serialized)).collect())
    }
}

fn build(url: &PublisherUrl, kind: RecordsKind, address: &str) -> Result<Box<dyn Publisher>, BuildError> {
    let (http, witness) = (HttpSettings::default(), Witness::nobody());
    Ok(match url.scheme().as_str() {
        "http" | "https" => Box::new(HttpPublisher::new(url, &http, witness)?),
        "prometheus" => Box::new(PrometheusPublisher::new(url, kind, &http, witness)?),
        "opentelemetryhttp" => Box::new(OpenTelemetryPublisher::new(url, kind, &http, witness)?),
        "udp" => Box::new(UdpPublisher::new(url, kind, SECRET, witness)?),
        "tcp" => Box::new(TcpPublisher::new(url, kind, SECRET, "oracle-host", witness)?),
        "zaqar" => {
            let options = ZaqarOptions::from_url(url)?;
            let endpoint = Some(format!("http://{address}").parse().unwrap());
            let session = Session::new(SessionOptions::new(AuthOptions::None { endpoint })).unwrap();
            let service = Service::new(session, ServiceFilter::new("messaging"));
            Box::new(ZaqarPublisher::new(options, service, "client", witness))
        }
        other => return Err(BuildError::Unavailable { message: format!("no publisher {other}") }),
    })
}

/// What a peer records, until it is asked.
enum Peer {
    Http(Server),
    Udp(UdpSocket),
    Tcp(u16, std::thread::JoinHandle<Vec<u8>>),
}

impl Peer {
    fn of(scheme: &str) -> Self {
        match scheme {
            "udp" => Self::Udp(UdpSocket::bind("127.0.0.1:0").unwrap()),
            "tcp" => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = listener.local_addr().unwrap().port();
                let reader = std::thread::spawn(move || {
                    let mut all = Vec::new();
                    listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
                    all
                });
                Self::Tcp(port, reader)
            }
            _ => Self::Http(Server::recording()),
        }
    }

    fn address(&self) -> String {
        match self {
            Self::Http(server) => server.address.to_string(),
            Self::Udp(socket) => socket.local_addr().unwrap().to_string(),
            Self::Tcp(port, _) => format!("127.0.0.1:{port}"),
        }
    }

    fn came(self) -> Vec<Came> {
        let bytes = |body| Came {
            target: String::new(),
            content_type: String::new(),
            authorization: String::new(),
            body,
        };
        match self {
            Self::Http(server) => {
                let requests = server.requests().into_iter().map(|request| Came {
                    content_type: request.header("content-type").unwrap_or_default().to_owned(),
                    authorization: request.header("authorization").unwrap_or_default().to_owned(),
                    target: request.target,
                    body: request.body,
                });
                requests.collect()
            }
            // What was sent over loopback is there.
            Self::Udp(socket) => {
                socket.set_nonblocking(true).unwrap();
                let mut datagrams = Vec::new();
                let mut buffer = vec![0; 1 << 17];
                while let Ok(length) = socket.recv(&mut buffer) {
                    datagrams.push(bytes(buffer[..length].to_vec()));
                }
                datagrams
            }
            Self::Tcp(_, reader) => {
                let all = reader.join().unwrap();
                let mut frames = Vec::new();
                let mut rest = &all[..];
                while let Some((head, behind)) = rest.split_first_chunk::<8>() {
                    let length = usize::try_from(u64::from_le_bytes(*head)).unwrap();
                    frames.push(bytes(rest[..8 + length].to_vec()));
                    rest = &behind[length..];
                }
                frames
            }
        }
    }
}

/// Our outcome, and what came of it.
async fn ours(case: &Value) -> (String, Vec<Came>) {
    let template = text(case, "url");
    let scheme = PublisherUrl::new(template).scheme();
    let peer = Peer::of(&scheme);
    let mut url = template.replace("HOST", &peer.address());
    if scheme == "opentelemetryhttp" {
        // Ceilometer's form is an option here.
        url.push_str(if url.contains('?') { "&ceilometer_format=True" } else { "?ceilometer_format=True" });
    }
    let kind = if text(case, "kind") == "samples" { RecordsKind::Samples } else { RecordsKind::Events };
    let mut publisher = match build(&PublisherUrl::new(&url), kind, &peer.address()) {
        Ok(publisher) => publisher,
        Err(error) => {
            if let Peer::Tcp(port, reader) = peer {
                drop(std::net::TcpStream::connect(("127.0.0.1", port)));
                reader.join().unwrap();
            }
            let outcome = match error {
                BuildError::Configuration { .. } => "configuration",
                BuildError::Unavailable { .. } => "unavailable",
            };
            return (outcome.to_owned(), Vec::new());
        }
    };
    let groups: Arc<[Records]> = Arc::new([records(case)]);
    let attempt = tokio::time::timeout(Duration::from_mins(1), publisher.publish(groups)).await.unwrap();
    let outcome = match attempt {
        Ok(refusals) => match refusals.iter().next() {
            None => "accepted".to_owned(),
            Some(refusal) => format!("refused {}", refusal.cause),
        },
        Err(error) => format!("failed {}", error.cause),
    };
    drop(publisher);
    (outcome, peer.came())
}

#[tokio::test]
async fn ceilometers_publishers_send_the_same() {
    let output = Command::new(testkit::venv_python().unwrap())
        .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut judge = Judge::new("publishers");
    let (mut ended, mut same) = (false, 0);
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let case = json::parse(line).unwrap();
        let name = text(&case, "case");
        if name == "end" {
            ended = true;
            continue;
        }
        judge.compared += 1;
        let (outcome, mut came) = ours(&case).await;
        let mut theirs = theirs(&case);
        if text(&case, "url").starts_with("prometheus://") {
            // Groups are pushed side by side.
            came.sort_by(|one, other| one.target.cmp(&other.target));
            theirs.sort_by(|one, other| one.target.cmp(&other.target));
        }
        let raised = text(&case, "raised");
        if raised.is_empty() && outcome == "accepted" && came == theirs {
            same += 1;
            continue;
        }
        let upstream = if raised.is_empty() { "requests" } else { raised };
        let outcome = if outcome == "accepted" { "other requests" } else { &outcome };
        judge.differ("publish", name, upstream, outcome, || {
            let show = |came: &[Came]| {
                let lines = came.iter().map(|came| {
                    format!("{} {} {}", came.target, came.content_type, String::from_utf8_lossy(&came.body))
                });
                lines.collect::<Vec<_>>().join("\n    ")
            };
            format!("{}\n  ours   {}\n  theirs {}", text(&case, "url"), show(&came), show(&theirs))
        });
    }
    println!("{} cases compared, {same} equal, {} expected differences", judge.compared, judge.expected);
    assert!(ended && same > 100, "{same} equal of {}", judge.compared);
    judge.end();
}
