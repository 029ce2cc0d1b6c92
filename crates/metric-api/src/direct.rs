//! Requests of the process itself, without a network between.

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LINK};
use axum::http::{Method, Request, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::Api;
use crate::server::answer;

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
    /// Whether there is another page.
    pub has_more: bool,
}

impl Api {
    /// Answers a request of `user`, whom nobody asks for a password: for callers in this process, over an API whose
    /// authentication is [`Basic`](crate::Authentication::Basic). `body` is its media type and itself.
    pub async fn call(
        &self,
        user: &str,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Direct {
        let (media_type, body) =
            body.map_or((None, Body::empty()), |(kind, body)| (Some(kind), Body::from(body)));
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(format!("{user}:"))));
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        let request = match request.body(body) {
            Ok(request) => request,
            Err(error) => {
                let body = Bytes::from(format!("{path} cannot be asked for: {error}"));
                return Direct { status: StatusCode::BAD_REQUEST, body, has_more: false };
            }
        };
        let (parts, body) = answer(State(self.clone()), request).await.into_parts();
        let mut links = parts.headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
        let has_more = links.any(|link| link.contains("rel=\"next\""));
        // It is in memory already.
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        Direct { status: parts.status, body, has_more }
    }
}
