//! [`LateClient`]: a session's HTTP client, made when it is needed.

use std::fmt::Write as _;
use std::sync::OnceLock;

use nephoscope_http::{ClientError, ClientOptions, ProxyOptions, TlsOptions, client};

use crate::Error;

/// A client that is made with the first request. The machine's certificate authorities take time and memory, and an agent
/// of instances may never ask a service.
pub(crate) struct LateClient {
    options: ClientOptions,
    made: OnceLock<reqwest::Client>,
}

impl LateClient {
    /// Made at once where there are options that may be wrong, so that a start tells of it.
    ///
    /// # Errors
    /// [`Error::Configuration`], which names the option.
    pub(crate) fn new(options: ClientOptions) -> Result<Self, Error> {
        let is_plain = options.tls == TlsOptions::default() && options.proxy == ProxyOptions::default();
        let late = Self { options, made: OnceLock::new() };
        if !is_plain {
            late.get()?;
        }
        Ok(late)
    }

    /// The client.
    ///
    /// # Errors
    /// [`Error::Configuration`], if none can be made.
    pub(crate) fn get(&self) -> Result<&reqwest::Client, Error> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = client(&self.options).map_err(|error| client_error(&error, &self.options.tls))?;
        Ok(self.made.get_or_init(|| made))
    }
}

fn client_error(error: &ClientError, tls: &TlsOptions) -> Error {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        let _ = write!(message, ": {cause}");
        source = cause.source();
    }
    let hint = if tls.cafile.is_some() || tls.certfile.is_some() || tls.keyfile.is_some() {
        "correct cafile, certfile or keyfile"
    } else {
        "correct the options of the session"
    };
    Error::configuration(message, hint)
}
