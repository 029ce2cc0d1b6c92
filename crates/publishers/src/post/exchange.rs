//! Requests as they are made: attempts to connect, and what becomes of one that is not answered.

use nephoscope_http::explain;
use pipeline::PublishError;
use reqwest::RequestBuilder;

use crate::witness::Witness;

/// Makes a request until it is answered, unless something else goes wrong than connecting, or that goes wrong more than
/// `max_retries` times.
pub(crate) async fn send(
    request: impl Fn() -> RequestBuilder,
    max_retries: u64,
    witness: &Witness,
) -> Result<reqwest::Response, PublishError> {
    let mut failures = 0;
    loop {
        match request().send().await {
            Ok(response) => return Ok(response),
            Err(error) => {
                let failed = failure(&error);
                witness.tell(|| format!("! {}", failed.message));
                if !error.is_connect() || failures >= max_retries {
                    return Err(failed);
                }
                failures += 1;
            }
        }
    }
}

/// A request that was not answered.
fn failure(error: &reqwest::Error) -> PublishError {
    // The hints name the options of other users of TLS; here they have Ceilometer's names.
    let mut message = explain(error)
        .replace("(certfile, keyfile)", "(clientcert, clientkey)")
        .replace("set cafile to", "set verify_ssl to");
    if error.is_redirect() {
        message.push_str(" (redirects are not followed: write the address that this one leads to)");
    }
    let cause = if error.is_redirect() {
        "redirect"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "connect"
    } else {
        "transport"
    };
    PublishError { cause, message }
}
