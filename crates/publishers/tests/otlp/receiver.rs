//! The receiver (`otlp_receiver.py`), and publishers that send to it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use model::Sample;
use nephoscope_publishers::otlp::OtlpPublisher;
use nephoscope_publishers::{HttpSettings, Witness};
use pipeline::{PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusals};
use serde_json::{Value, json};

/// Ends with its input, hence with the test, also when that is killed.
pub(crate) struct Receiver {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) grpc: u16,
    pub(crate) http: u16,
}

/// The two ways to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Grpc,
    Http,
}

pub(crate) const BOTH: [Carrier; 2] = [Carrier::Grpc, Carrier::Http];

impl Receiver {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(testkit::venv_python().unwrap())
            .args(["-B", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp_receiver.py")])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut this = Self { child, input, output: BufReader::new(output), grpc: 0, http: 0 };
        let ports = this.line();
        let port = |name: &str| u16::try_from(ports[name].as_u64().unwrap()).unwrap();
        (this.grpc, this.http) = (port("grpc"), port("http"));
        this
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the receiver said {line:?}: {error}"))
    }

    fn command(&mut self, command: &Value) -> Value {
        writeln!(self.input, "{command}").unwrap();
        self.line()
    }

    /// How the next requests are answered.
    pub(crate) fn answer(&mut self, answers: &[Value]) {
        self.command(&json!({"answers": answers}));
    }

    /// How requests are answered that have a text in them.
    pub(crate) fn rule(&mut self, rule: &Value) {
        self.command(&json!({"rule": rule}));
    }

    /// The requests since the last time; none has anything wrong with it.
    pub(crate) fn take(&mut self) -> Vec<Value> {
        let Value::Array(requests) = self.command(&json!({"take": true})) else { panic!() };
        for request in &requests {
            assert_eq!(request["problems"], json!([]), "{request:#}");
        }
        requests
    }

    pub(crate) fn url(&self, carrier: Carrier, query: &str) -> String {
        match carrier {
            Carrier::Grpc => format!("otlp+grpc://127.0.0.1:{}{query}", self.grpc),
            Carrier::Http => format!("otlp+http://127.0.0.1:{}{query}", self.http),
        }
    }

    pub(crate) fn publisher(&self, carrier: Carrier, query: &str) -> OtlpPublisher {
        publisher(&self.url(carrier, query))
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn publisher(url: &str) -> OtlpPublisher {
    let (settings, witness) = (HttpSettings::default(), Witness::nobody());
    OtlpPublisher::new(&PublisherUrl::new(url), RecordsKind::Samples, &settings, witness).unwrap()
}

pub(crate) fn group(samples: impl IntoIterator<Item = Sample>) -> Arc<[Records]> {
    Arc::new([Records::Samples(samples.into_iter().map(Arc::new).collect())])
}

pub(crate) async fn publish(
    publisher: &mut OtlpPublisher,
    samples: impl IntoIterator<Item = Sample>,
) -> Result<Refusals, PublishError> {
    publisher.publish(group(samples)).await
}

/// Everything that came in some requests, point by point.
pub(crate) fn points(requests: &[Value]) -> Vec<Value> {
    requests.iter().flat_map(|request| request["points"].as_array().unwrap().clone()).collect()
}

/// The resources of all points, in order.
pub(crate) fn resources(requests: &[Value]) -> Vec<String> {
    let of = |point: &Value| point["attributes"]["resource_id"].as_str().unwrap().to_owned();
    points(requests).iter().map(of).collect()
}
