//! From a request to a response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONNECTION, LOCATION};
use axum::http::{HeaderValue, Method, Response, StatusCode};
use futures_util::FutureExt as _;
use model::Value;

use crate::authentication::identify;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::{Request, decode};
use crate::route::{Found, Produces, find, searched_type};
use crate::watch::{Outcome, Refused, Watched};
use crate::{Api, accept, body, cors, routes};

impl Api {
    /// The server of the API.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

pub(crate) async fn answer(State(api): State<Api>, request: axum::extract::Request) -> Response<Body> {
    let (mut parts, mut body) = request.into_parts();
    let headers = parts.headers.clone();
    let origins = &api.settings.allowed_origins;
    let mut watched = Watched::begin(&api.counted, api.metrics.clock(), &headers);
    if cors::is_preflight(&parts.method) {
        let mut response = cors::preflight(&headers, origins);
        watched.name(response.headers_mut());
        return response;
    }
    let is_head = parts.method == Method::HEAD;
    let (caller, refused) = match identify(&api.settings, &mut parts).await {
        Ok(caller) => (caller, None),
        Err(failure) => (Err(failure.clone()), Some(failure)),
    };
    let mut request = Request::new(parts, &api.settings, caller);
    let done = if let Some(failure) = refused {
        Err(failure)
    } else {
        let dispatched = Box::pin(dispatch(&api, &mut request, &mut body, &mut watched));
        // A request whose handler panics is answered as well.
        let done = AssertUnwindSafe(dispatched).catch_unwind().await;
        done.unwrap_or_else(|_panic| Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "")))
    };
    let (rows, measures) = done.as_ref().map_or((0, 0), |reply| (reply.rows(), reply.measures()));
    let mut response = match done {
        Ok(reply) => reply.response(),
        Err(failure) => failure.response(accept::representation(&headers)),
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    if !body::discard(&mut body).await {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    cors::allow(&headers, origins, response.headers_mut());
    watched.name(response.headers_mut());
    let outcome = Outcome { status: response.status(), rows, measures };
    watched.end(&request, outcome, api.settings.slow_request);
    response
}

async fn dispatch(
    api: &Api,
    request: &mut Request,
    body: &mut Body,
    watched: &mut Watched<'_>,
) -> Result<Reply, Failure> {
    let path = decode(&request.path);
    if path == "/v1" {
        let location = format!("{}/v1/", request.base);
        return Ok(Reply::empty(StatusCode::FOUND).with(LOCATION, location));
    }
    let route = match find(&request.method, &path) {
        Found::Route(route, captures) => {
            request.captures = captures;
            route
        }
        Found::Methods(allow) => {
            if let Some(name) = searched_type(&path) {
                api.metrics.index().resource_type(name).await?;
            }
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, "");
            return Err(Failure { allow: Some(allow), ..failure });
        }
        Found::Nothing => return Err(Failure::unknown(Value::Null)),
    };
    watched.route = Some(route);
    let is_accepted = match route.produces {
        Produces::Json => accept::accepts(&request.headers, "application/json"),
        Produces::Nothing => accept::accepts(&request.headers, "text/html"),
        Produces::Anything => true,
    };
    if !is_accepted {
        return Err(Failure::new(StatusCode::NOT_ACCEPTABLE, Value::Null));
    }
    let held = body::read(body, &api.settings, &api.bodies).await.map_err(|not_read| {
        api.counted.refused.increment(not_read.cause);
        not_read.failure
    })?;
    request.body = held.bytes.clone();
    let too_late = |cause, text: &str| {
        api.counted.refused.increment(cause);
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, text)
    };
    let deadline = api.settings.deadline;
    // The semaphore is never closed.
    let wait = api.settings.place_timeout;
    let place = tokio::time::timeout(wait, Arc::clone(&api.places).acquire_owned()).await;
    let _place = place.map_err(|_elapsed| {
        too_late(Refused::Busy, "The server works on as many requests as it may. Please retry.")
    })?;
    let called = tokio::time::timeout(deadline, routes::call(api, request, route.endpoint)).await;
    called.unwrap_or_else(|_elapsed| {
        tracing::warn!(
            method = route.method,
            route = route.path,
            request_id = watched.id,
            "a request took longer than its deadline"
        );
        Err(too_late(Refused::Deadline, "The request took too long. Please retry."))
    })
}
