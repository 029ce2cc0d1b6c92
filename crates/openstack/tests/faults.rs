//! What a real service does only on its worst days: answers of a server that is made to misbehave.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test, in real time")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nephoscope_openstack::{
    AuthOptions, Error, ErrorKind, Method, PasswordOptions, ServiceFilter, Session, SessionOptions, Url,
};
use observability::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers each connection's one request with the next of its answers, and keeps the requests.
#[derive(Clone)]
struct Server {
    url: Url,
    answers: Arc<Mutex<VecDeque<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// Instead of an answer: nothing, for ever.
const SILENCE: &str = "silence";

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = Self { url, answers: Arc::default(), requests: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move {
                    let mut received = Vec::new();
                    loop {
                        let text = String::from_utf8_lossy(&received).into_owned();
                        if let Some((head, body)) = text.split_once("\r\n\r\n") {
                            let length = head.lines().find_map(|line| {
                                let (name, value) = line.split_once(':')?;
                                name.eq_ignore_ascii_case("content-length")
                                    .then(|| value.trim().parse().ok())?
                            });
                            if body.len() >= length.unwrap_or(0) {
                                break;
                            }
                        }
                        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    shared.requests.lock().unwrap().push(String::from_utf8_lossy(&received).into_owned());
                    let answer = shared.answers.lock().unwrap().pop_front().unwrap();
                    if answer == SILENCE {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        server
    }

    fn answer(&self, answer: impl Into<String>) -> &Self {
        self.answers.lock().unwrap().push_back(answer.into());
        self
    }

    fn token(&self, token: &str, seconds: u32) -> &Self {
        let catalogue = format!(
            r#"[{{"type": "metric", "name": "gnocchi", "endpoints": [{{"interface": "public", "url": "{}"}}]}}]"#,
            self.url
        );
        let body = format!(
            r#"{{"token": {{"issued_at": "2026-11-26T02:00:00.000000Z",
                "expires_at": "2026-11-26T02:{:02}:{:02}.000000Z", "catalog": {catalogue}}}}}"#,
            seconds / 60,
            seconds % 60
        );
        self.answer(answer("201 Created", &format!("x-subject-token: {token}\r\n"), &body))
    }

    fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// A session whose Keystone this is.
    fn session(&self) -> (Session, observability::clock::TestClock) {
        let options = PasswordOptions {
            auth_url: format!("{}v3", self.url),
            v3_only: true,
            user_id: Some("u".into()),
            password: "swordfish".to_owned().into(),
            ..PasswordOptions::default()
        };
        let (clock, hand) = Clock::test("2026-11-26T02:00:00Z".parse().unwrap());
        let mut options = SessionOptions::new(AuthOptions::Password(options));
        options.timeout = Duration::from_secs(20);
        (Session::with_clock(options, clock).unwrap(), hand)
    }

    /// A session without Keystone, for which this is the service.
    fn service(&self) -> Session {
        let auth = AuthOptions::None { endpoint: Some(self.url.clone()) };
        Session::new(SessionOptions::new(auth)).unwrap()
    }
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn ok(body: &str) -> String {
    answer("200 OK", "", body)
}

fn metric() -> ServiceFilter {
    ServiceFilter::new("metric")
}

#[tokio::test]
async fn every_answer_is_told_apart() {
    let server = Server::start().await;
    let session = server.service();
    for (answer, cause, kind) in [
        (answer("500 Oops", "", "why"), "unavailable", ErrorKind::Unavailable),
        (answer("503 Service Unavailable", "retry-after: 7\r\n", ""), "unavailable", ErrorKind::Unavailable),
        (answer("429 Too Many Requests", "retry-after: 7\r\n", ""), "throttled", ErrorKind::Unavailable),
        (answer("400 Bad Request", "", "{}"), "refused", ErrorKind::Refused),
        (answer("401 Unauthorized", "", ""), "refused", ErrorKind::Refused),
        // Half a body.
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".into(), "unavailable", ErrorKind::Unavailable),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal".into(),
            "unavailable",
            ErrorKind::Unavailable,
        ),
        ("garbage\r\n\r\n".into(), "unavailable", ErrorKind::Unavailable),
        (String::new(), "unavailable", ErrorKind::Unavailable),
        (ok("<html>"), "protocol", ErrorKind::Unavailable),
        (ok(&"x".repeat(2000)), "protocol", ErrorKind::Unavailable),
        (answer("302 Found", "location: http://elsewhere/\r\n", ""), "protocol", ErrorKind::Unavailable),
        (SILENCE.into(), "timeout", ErrorKind::Unavailable),
    ] {
        server.answer(answer.clone());
        let request =
            session.request(Method::GET, &metric(), "/v1/x").query("secret", "swordfish").body_limit(1000);
        // Time for who answers, on a busy machine too.
        let deadline = if cause == "timeout" { Duration::from_millis(300) } else { Duration::from_mins(1) };
        let sent = request.deadline(deadline).send().await;
        let outcome = sent.and_then(|response| response.success()?.json::<serde_json::Value>());
        let error = outcome.unwrap_err();
        assert_eq!((error.cause(), error.kind()), (cause, kind), "{answer:.40}: {error}");
        assert!(!error.to_string().contains("swordfish"), "{error}");
        if answer.contains("retry-after") {
            assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        }
    }
}

#[tokio::test]
async fn what_is_sent_is_what_was_asked_for() {
    let server = Server::start().await;
    let session = server.service();
    server.answer(answer("308 Permanent Redirect", "location: /v1/there/\r\n", "")).answer(ok("{}"));
    let request = session.request(Method::POST, &metric(), "v1/here").query("a", "b c").json(&[1, 2]);
    let response = request.header("x-more", "yes").send().await.unwrap();
    assert_eq!(response.json::<serde_json::Value>().unwrap(), serde_json::json!({}));
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /v1/here?a=b+c HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[1].starts_with("POST /v1/there/ HTTP/1.1\r\n"), "{}", requests[1]);
    for request in &requests {
        let request = request.to_ascii_lowercase();
        for part in [
            "x-auth-token: notused\r\n",
            "content-type: application/json\r\n",
            "x-more: yes\r\n",
            "\r\n\r\n[1,2]",
        ] {
            assert!(request.contains(part), "{request} lacks {part:?}");
        }
    }
    server.answer(ok(""));
    session
        .request_to(Method::GET, server.url.join("/page?marker=x").unwrap())
        .unauthenticated()
        .send()
        .await
        .unwrap();
    let request = server.requests().remove(0);
    assert!(request.starts_with("GET /page?marker=x ") && !request.contains("x-auth-token"), "{request}");
    let error =
        session.request(Method::GET, &metric(), "/").header("bad\nheader", "x").send().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_and_after_a_401_but_once() {
    let server = Server::start().await;
    let (session, hand) = server.session();
    let get = || session.request(Method::GET, &metric(), "/v1/x").send();
    server.token("first", 3600 - 1).answer(ok("{}"));
    get().await.unwrap();
    server.answer(ok("{}"));
    hand.advance(Duration::from_secs(3600 - 1 - 120 - 1));
    get().await.unwrap();
    assert_eq!(server.requests().len(), 3);
    hand.advance(Duration::from_secs(1));
    server.token("second", 3599).answer(ok("{}"));
    get().await.unwrap();
    assert!(server.requests()[1].contains("x-auth-token: second\r\n"));
    // Revoked, and the next one as well: no third try.
    server.answer(answer("401 Unauthorized", "", "")).token("third", 3599).answer(answer(
        "401 Unauthorized",
        "",
        "no",
    ));
    let response = get().await.unwrap();
    assert_eq!(response.status, 401);
    assert!(matches!(response.error(), Some(Error::Refused { .. })));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_token_that_cannot_be_renewed_yet_is_used_to_its_end() {
    let server = Server::start().await;
    let (session, hand) = server.session();
    let get = || session.request(Method::GET, &metric(), "/v1/x").send();
    server.token("first", 3599).answer(ok("{}"));
    get().await.unwrap();
    hand.advance(Duration::from_secs(3599 - 100));
    server.answer(answer("503 Service Unavailable", "", "")).answer(ok("{}"));
    get().await.unwrap();
    // Keystone is not asked with every request.
    server.answer(ok("{}"));
    get().await.unwrap();
    hand.advance(Duration::from_secs(100));
    server.answer(answer("503 Service Unavailable", "", ""));
    let error = get().await.unwrap_err();
    assert_eq!((error.cause(), error.status().unwrap().as_u16()), ("unavailable", 503));
}

#[tokio::test]
async fn those_who_wait_for_a_failing_authentication_take_its_result() {
    let server = Server::start().await;
    let (session, _hand) = server.session();
    server.answer(answer("401 Unauthorized", "", r#"{"error": {"message": "no"}}"#));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let session = session.clone();
        tasks.spawn(async move { session.project_id().await.unwrap_err().cause() });
    }
    let causes = tasks.join_all().await;
    assert_eq!(causes, ["credentials"; 10]);
    assert_eq!(server.requests().len(), 1);
    // The next one asks again.
    server.token("t", 3599);
    session.project_id().await.unwrap();
}

#[tokio::test]
async fn a_keystone_that_talks_nonsense_is_no_refusal_of_data() {
    let server = Server::start().await;
    for (answer, cause) in [
        (ok("{}"), "protocol"),
        (answer("201 Created", "x-subject-token: t\r\n", "<html>"), "protocol"),
        (answer("201 Created", "", r#"{"token": {}}"#), "protocol"),
        (answer("404 Not Found", "", ""), "credentials"),
        (answer("403 Forbidden", "", ""), "credentials"),
        (answer("502 Bad Gateway", "", ""), "unavailable"),
        ("HTTP/1.1 201 Created\r\nx-subject-token: t\r\ncontent-length: 10\r\n\r\n{".into(), "unavailable"),
    ] {
        server.answer(answer.clone());
        let (session, _hand) = server.session();
        let error = session.request(Method::GET, &metric(), "/").send().await.unwrap_err();
        assert_eq!(error.cause(), cause, "{answer:.40}: {error}");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }
}

#[tokio::test]
async fn a_service_that_is_registered_late_is_found() {
    let server = Server::start().await;
    let (session, hand) = server.session();
    server.answer(answer("201 Created", "x-subject-token: t\r\n", r#"{"token": {"catalog": []}}"#));
    for _ in 0..2 {
        assert_eq!(session.endpoint(&metric()).await.unwrap_err().cause(), "no_endpoint");
    }
    hand.advance(Duration::from_mins(1));
    server.token("later", 3599);
    assert_eq!(session.endpoint(&metric()).await.unwrap(), server.url);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn secrets_do_not_show() {
    let server = Server::start().await;
    let (session, _hand) = server.session();
    server.token("secret-token", 3599);
    let headers = session.auth_headers().await.unwrap();
    let request = session.request(Method::GET, &metric(), "/");
    for shown in [format!("{session:?}"), format!("{headers:?}"), format!("{request:?}")] {
        assert!(!shown.contains("swordfish") && !shown.contains("secret-token"), "{shown}");
    }
}
