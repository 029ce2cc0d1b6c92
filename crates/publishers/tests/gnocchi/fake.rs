//! A server that answers as Gnocchi does, and misbehaves on command.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /v1/…`, with the query.
    pub(crate) line: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    fn is(&self, start: &str) -> bool {
        self.line.starts_with(start)
    }
}

/// What is said to a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// With a further header.
    With(u16, &'static str, String, Value),
    /// Status and body of somebody who is not Gnocchi.
    Text(u16, &'static str),
    /// The head promises more than comes.
    Half,
    /// The connection ends without an answer.
    Nothing,
    /// Nothing comes, and the connection stays open.
    Silence,
}

/// Gnocchi's form of an error.
pub(crate) fn refusal(status: u16, description: &Value) -> Answer {
    Answer::Json(status, json!({ "code": status, "title": "Refused", "description": description }))
}

type Judge = Box<dyn FnMut(&Request) -> Option<Answer> + Send>;

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    /// What is there, as `type/id`.
    resources: BTreeSet<String>,
    policies: BTreeSet<String>,
    judge: Option<Judge>,
    /// Keeps silent connections open.
    silent: Vec<TcpStream>,
}

/// A Gnocchi in memory. It accepts what the real one does, in rough outline.
#[derive(Clone)]
pub(crate) struct Fake {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let fake = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let serving = fake.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(stream.unwrap()));
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Lets `judge` answer first; where it has nothing to say, the request is answered as usual.
    pub(crate) fn judge(&self, judge: impl FnMut(&Request) -> Option<Answer> + Send + 'static) {
        self.state.lock().unwrap().judge = Some(Box::new(judge));
    }

    /// Everything is answered as usual again.
    pub(crate) fn behave(&self) {
        self.state.lock().unwrap().judge = None;
    }

    /// Makes a resource be there.
    pub(crate) fn has(&self, kind: &str, id: &str) {
        self.state.lock().unwrap().resources.insert(format!("{kind}/{id}"));
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }

    /// Their first lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.line).collect()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).unwrap_or(0) == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        let request = Request { line, body: String::from_utf8(body).unwrap() };
        let answer = {
            let mut state = self.state.lock().unwrap();
            state.requests.push(request.clone());
            let judged = state.judge.as_mut().and_then(|judge| judge(&request));
            judged.unwrap_or_else(|| state.answer(&request))
        };
        let text = match answer {
            Answer::Json(status, body) => head(status, "application/json", "", &body.to_string()),
            Answer::With(status, name, value, body) => {
                head(status, "application/json", &format!("{name}: {value}\r\n"), &body.to_string())
            }
            Answer::Text(status, body) => head(status, "text/html", "", body),
            Answer::Half => {
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{".into()
            }
            Answer::Nothing => return,
            Answer::Silence => return self.state.lock().unwrap().silent.push(stream),
        };
        let _ = stream.write_all(text.as_bytes());
    }
}

fn head(status: u16, kind: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )
}

impl State {
    /// Every resource is a generic one as well.
    fn is_there(&self, kind: &str, id: &str) -> bool {
        let of_id = |known: &String| known.split_once('/').is_some_and(|(_, known)| known == id);
        if kind == "generic" {
            self.resources.iter().any(of_id)
        } else {
            self.resources.contains(&format!("{kind}/{id}"))
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        let body = request.json();
        let parts: Vec<&str> = request.line.split(['/', '?']).collect();
        if request.is("POST /v1/archive_policy/") {
            let name = body["name"].as_str().unwrap().to_owned();
            return if self.policies.insert(name) {
                Answer::Json(201, body)
            } else {
                refusal(409, &json!("Archive policy already exists"))
            };
        }
        if request.is("POST /v1/batch/") {
            let unknown = body.as_object().unwrap().keys().filter(|id| !self.is_there("generic", id));
            let unknown: Vec<Value> =
                unknown.map(|id| json!({ "resource_id": "u-u-i-d", "original_resource_id": id })).collect();
            return if unknown.is_empty() {
                Answer::Json(202, Value::Null)
            } else {
                refusal(400, &json!({ "cause": "Unknown resources", "detail": unknown }))
            };
        }
        if request.is("POST /v1/search/resource/") {
            let kind = parts[4];
            let found = self.resources.iter().filter_map(|known| known.strip_prefix(&format!("{kind}/")));
            return Answer::Json(200, found.map(|id| json!({ "id": id, "type": kind })).collect());
        }
        if request.is("POST /v1/resource/") {
            let id = body["id"].as_str().unwrap();
            // An id is there once, whatever the type.
            return if self.is_there("generic", id) {
                refusal(409, &json!("Resource already exists"))
            } else {
                self.resources.insert(format!("{}/{id}", parts[3]));
                Answer::Json(201, body)
            };
        }
        if request.is("GET /v1/resource/") {
            return if self.is_there(parts[3], parts[4]) {
                Answer::Json(200, json!({ "id": parts[4] }))
            } else {
                refusal(404, &json!("Resource x does not exist"))
            };
        }
        if request.is("PATCH /v1/resource/") {
            return if self.resources.contains(&format!("{}/{}", parts[3], parts[4])) {
                Answer::Json(200, body)
            } else {
                refusal(404, &json!("Resource x does not exist"))
            };
        }
        refusal(404, &json!("no such path"))
    }
}
