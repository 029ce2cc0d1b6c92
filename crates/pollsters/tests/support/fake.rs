//! A server that answers as it is told, for what a real service does only on its worst days.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use openstack::Url;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers each connection's one request with the next of its answers, and keeps the requests.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: Url,
    answers: Arc<Mutex<VecDeque<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let fake = Self { url, answers: Arc::default(), requests: Arc::default() };
        let shared = fake.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut received = Vec::new();
                // Bodies are sent to Keystone alone, at once, and nobody looks into them.
                while !received.windows(4).any(|four| four == b"\r\n\r\n") {
                    if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                        break;
                    }
                }
                shared.requests.lock().unwrap().push(String::from_utf8_lossy(&received).into_owned());
                let answer = shared.answers.lock().unwrap().pop_front().unwrap_or_default();
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                // Until the other side has read it and gone: what is closed with unread data resets the connection.
                while stream.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {}
            }
        });
        fake
    }

    /// The next answer.
    pub(crate) fn answer(&self, answer: impl Into<String>) -> &Self {
        self.answers.lock().unwrap().push_back(answer.into());
        self
    }

    /// The next answer is this document.
    pub(crate) fn document(&self, document: &serde_json::Value) -> &Self {
        self.answer(status("200 OK", &document.to_string()))
    }

    /// The requests since the last call: method and path with query.
    pub(crate) fn requests(&self) -> Vec<String> {
        assert_eq!(self.answers.lock().unwrap().len(), 0, "answers that nobody asked for");
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        let line = |request: &String| request.split(" HTTP/").next().unwrap_or_default().to_owned();
        requests.iter().map(line).collect()
    }

    /// The last request, with its headers.
    pub(crate) fn last(&self) -> String {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// An answer.
pub(crate) fn status(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}
