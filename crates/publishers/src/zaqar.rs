//! `zaqar://?queue=NAME&ttl=SECONDS`: posts records to a queue of Zaqar, OpenStack's messaging service. Samples and events.
//!
//! **Accepted** means that Zaqar answered 2xx, and keeps each message for `ttl` seconds, whether anybody has read it or not;
//! [`crate::post`] says what other answers mean. Without a token or an endpoint the records are kept.
//!
//! Requests are those of Ceilometer's `publisher/zaqar.py` with python-zaqarclient: `POST /v2/queues/NAME/messages`, each
//! message a sample as `as_dict()` gives it, or a serialized event. Zaqar makes the queue when the first message comes. Records
//! that wait together go together, up to 192 KiB: Zaqar takes 256 KiB unless it is told otherwise.

use std::ops::Range;
use std::sync::Arc;

use openstack::{Method, Service};
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, Refusals};

use crate::http::{Texts, texts};
use crate::post::{
    Answer, Answered, Patience, Post, REQUEST_RECORDS, Shipment, decided, deliver_open, requests,
};
use crate::url_options::{UrlOptions, configuration};
use crate::witness::{Witness, body_text};

/// Bytes of one request.
const BYTES: usize = 192 * 1024;
/// Ceilometer's `ttl`, in seconds.
const TTL: &str = "3600";
/// The longest name of a queue that Zaqar takes.
const NAME_CHARACTERS: usize = 64;

/// What a `zaqar://` URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZaqarOptions {
    queue: String,
    ttl: u64,
}

impl ZaqarOptions {
    /// Reads the URL. Unlike elsewhere the first value of a repeated option counts, as with Ceilometer.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] when there is no queue, or its name or the time is none.
    pub fn from_url(url: &PublisherUrl) -> Result<Self, BuildError> {
        let mut options = UrlOptions::from_url(url);
        let mut first = |name| options.take_all(name).into_iter().next();
        let Some(queue) = first("queue") else {
            return Err(configuration("a zaqar publisher needs a queue", "write zaqar://?queue=NAME"));
        };
        let is_name = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        if !queue.chars().all(is_name) || queue.len() > NAME_CHARACTERS {
            return Err(configuration(
                format!("queue={queue:?} is no name of a queue"),
                "names have ASCII letters, digits, _ and -, at most 64 of them",
            ));
        }
        let ttl = first("ttl").unwrap_or_else(|| TTL.to_owned());
        match ttl.trim().parse() {
            Ok(seconds) if seconds > 0 => Ok(Self { queue, ttl: seconds }),
            _ => Err(configuration(
                format!("ttl={ttl:?} is not a whole number of seconds above zero"),
                format!("write digits only, for example ttl={TTL}"),
            )),
        }
    }
}

/// Posts records to a queue.
#[derive(Debug)]
pub struct ZaqarPublisher {
    queue: Queue,
    answered: Answered,
}

/// A queue, and the way there.
#[derive(Debug)]
struct Queue {
    service: Service,
    options: ZaqarOptions,
    /// Who we are to Zaqar, which gives a client its own messages back only if it asks for them.
    client_id: String,
    patience: Patience,
    witness: Witness,
}

impl ZaqarPublisher {
    /// The publisher with `options`, over `service` (of the type `messaging`). Nothing is sent yet. `client_id` is a UUID.
    #[must_use]
    pub fn new(options: ZaqarOptions, service: Service, client_id: &str, witness: Witness) -> Self {
        let client_id = client_id.to_owned();
        let queue = Queue { service, options, client_id, patience: Patience::default(), witness };
        Self { queue, answered: Answered::default() }
    }

    async fn publish_all(&mut self, groups: &Arc<[Records]>) -> Result<Refusals, PublishError> {
        let Self { queue, answered } = self;
        answered.begin(groups);
        let Texts { places, texts } = texts(groups, false, answered);
        let lengths: Vec<usize> = texts.iter().map(|text| text.len() + 32).collect();
        for range in requests(&lengths, REQUEST_RECORDS, BYTES) {
            let places = places.get(range.clone()).unwrap_or_default();
            let texts = texts.get(range).unwrap_or_default();
            let body = |part: Range<usize>| messages(texts.get(part).unwrap_or_default(), queue.options.ttl);
            let shipment = Shipment { sub_path: None, places, body: &body };
            deliver_open(queue, &shipment, answered).await?;
        }
        Ok(answered.end())
    }
}

impl Post for Queue {
    async fn post(&self, _sub_path: Option<&str>, body: Vec<u8>) -> Result<Answer, PublishError> {
        self.patience.keep_away().await;
        let path = format!("/v2/queues/{}/messages", self.options.queue);
        self.witness.tell(|| {
            let text = body_text(&body);
            format!(
                "> POST {path} (service messaging)\n> Client-ID: {}\n> X-Auth-Token: ***\n> {text}",
                self.client_id
            )
        });
        let request = self.service.request(Method::POST, &path);
        let request = request.header("Client-ID", &self.client_id).body("application/json", body.into());
        match request.send().await {
            Ok(response) => {
                self.witness.tell(|| format!("< {}\n< {}", response.status, body_text(&response.body)));
                decided(&path, response.status, &response.headers, &response.body, &self.patience)
            }
            Err(error) => {
                self.witness.tell(|| format!("! {error}"));
                Err(PublishError { cause: error.cause(), message: error.to_string() })
            }
        }
    }
}

impl Publisher for ZaqarPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}

/// The body of a request, as `json.dumps` writes it.
fn messages(texts: &[Vec<u8>], ttl: u64) -> Vec<u8> {
    let mut body = b"{\"messages\": [".to_vec();
    for (place, text) in texts.iter().enumerate() {
        body.extend_from_slice(if place == 0 { b"{\"body\": " } else { b", {\"body\": " });
        body.extend_from_slice(text);
        body.extend_from_slice(format!(", \"ttl\": {ttl}}}").as_bytes());
    }
    body.extend_from_slice(b"]}");
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_and_time() {
        let read =
            |url: &str| ZaqarOptions::from_url(&PublisherUrl::new(url)).map_err(|error| error.to_string());
        let options = |queue: &str, ttl| Ok(ZaqarOptions { queue: queue.to_owned(), ttl });
        assert_eq!(read("zaqar://?queue=q"), options("q", 3600));
        assert_eq!(read("zaqar://?queue=a_B-1&queue=other&ttl=60&ttl=x"), options("a_B-1", 60));
        for (url, words) in [
            ("zaqar://", "needs a queue"),
            ("zaqar://?queue=", "needs a queue"),
            ("zaqar://?queue=a/b", "no name of a queue"),
            ("zaqar://?queue=q&ttl=0", "ttl"),
            ("zaqar://?queue=q&ttl=1h", "ttl=\"1h\" is not a whole number of seconds"),
        ] {
            let error = read(url).unwrap_err();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn the_body_is_that_of_zaqars_client() {
        assert_eq!(
            String::from_utf8(messages(&[b"{}".to_vec(), b"[1]".to_vec()], 60)).unwrap(),
            r#"{"messages": [{"body": {}, "ttl": 60}, {"body": [1], "ttl": 60}]}"#
        );
    }
}
