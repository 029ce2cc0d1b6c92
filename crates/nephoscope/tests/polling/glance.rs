//! A stand-in for Glance, for faults: images by the number, several pages, and failures when it is told.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::harness::Agent;
use crate::server::{Answer, Request, Server};

/// Images of a page, where a test does not say it.
const PAGE: usize = 20;

pub(crate) struct FakeGlance {
    pub(crate) server: Server,
    fails: Arc<AtomicBool>,
}

impl FakeGlance {
    /// Has so many images.
    pub(crate) fn start(images: usize) -> Self {
        Self::in_pages(images, PAGE)
    }

    /// Has so many images, and gives so many of them at once.
    pub(crate) fn in_pages(images: usize, at_once: usize) -> Self {
        let fails = Arc::new(AtomicBool::new(false));
        let (failing, asked) = (Arc::clone(&fails), AtomicUsize::new(0));
        let server = Server::start(move |request: &Request, _| {
            asked.fetch_add(1, Ordering::Relaxed);
            if failing.load(Ordering::Relaxed) {
                return Answer::status(503);
            }
            assert!(request.target.starts_with("/v2/images?limit=1000"), "{}", request.target);
            let marker = request.target.split_once("marker=").map_or("0", |(_, marker)| marker);
            let first: usize = marker.parse().unwrap();
            let image = |number| {
                json!({
                    "id": format!("image-{number}"), "owner": "p", "size": number, "name": format!("é {number}"),
                    "tags": ["a"], "status": "active", "visibility": "public", "protected": false,
                })
            };
            let last = (first + at_once).min(images);
            let next = (last < images).then(|| format!("/v2/images?limit=1000&marker={last}"));
            let page = json!({ "images": (first..last).map(image).collect::<Vec<_>>(), "next": next });
            Answer::Status(200, "Content-Type: application/json\r\n".into(), page.to_string())
        });
        Self { server, fails }
    }

    /// From now on it answers 503, or no longer.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::Relaxed);
    }

    /// An agent that polls it every second.
    pub(crate) fn agent(&self, transport_url: &str) -> Agent {
        let agent = Agent::new(transport_url)
            .durable()
            .command(crate::harness::PROGRAM, &["polling", "--polling-namespaces", "central"])
            .with("service_credentials", "auth_type = none")
            .with("service_credentials", format!("endpoint = http://{}", self.server.address));
        let polling = "sources: [{name: images, interval: 1, meters: [image.size]}]\n";
        fs::write(agent.path("polling.yaml"), polling).unwrap();
        agent
    }
}
