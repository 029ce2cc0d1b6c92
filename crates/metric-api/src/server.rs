//! From a request to a response.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{Method, Response, StatusCode};
use model::Value;

use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::{Request, decode};
use crate::route::{Found, Produces, find, searched_type};
use crate::{Api, accept, cors, routes};

impl Api {
    /// The server of the API.
    pub fn router(self) -> Router {
        Router::new().fallback(answer).with_state(self)
    }
}

async fn answer(State(api): State<Api>, request: axum::extract::Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers.clone();
    let origins = &api.settings.allowed_origins;
    if cors::is_preflight(&parts.method) {
        return cors::preflight(&headers, origins);
    }
    let is_head = parts.method == Method::HEAD;
    let done = match to_bytes(body, api.settings.max_body_bytes).await {
        Ok(body) => {
            let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
            let request = Request::new(parts, body, &api.settings);
            let deadline = tokio::time::timeout(api.settings.deadline, Box::pin(dispatch(&api, request)));
            deadline.await.unwrap_or_else(|_elapsed| {
                tracing::warn!(%method, path, "a request took longer than its deadline");
                Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, "The request took too long. Please retry."))
            })
        }
        Err(_) => {
            Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large, or did not come whole."))
        }
    };
    let mut response = match done {
        Ok(reply) => reply.response(),
        Err(failure) => failure.response(accept::representation(&headers)),
    };
    if is_head {
        *response.body_mut() = Body::empty();
    }
    cors::allow(&headers, origins, response.headers_mut());
    response
}

async fn dispatch(api: &Api, mut request: Request) -> Result<Reply, Failure> {
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
    let is_accepted = match route.produces {
        Produces::Json => accept::accepts(&request.headers, "application/json"),
        Produces::Nothing => accept::accepts(&request.headers, "text/html"),
        Produces::Anything => true,
    };
    if !is_accepted {
        return Err(Failure::new(StatusCode::NOT_ACCEPTABLE, Value::Null));
    }
    routes::call(api, &request, route.endpoint).await
}
