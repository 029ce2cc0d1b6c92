//! What went wrong with a request, for a person.

use std::error::Error;

use rustls::CertificateError;

/// More causes than this are not shown.
const MAX_CAUSES: usize = 8;

/// One line about a failed request: the host, what failed, the causes, and what to do where that is known.
///
/// reqwest's own text hides the causes and shows the whole URL, whose query may hold a signature or token; this shows
/// scheme, host, port and path only.
pub fn explain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut hint = None;
    let mut source = error.source();
    for _ in 0..MAX_CAUSES {
        let Some(cause) = source else { break };
        hint = hint.or_else(|| hint_for(cause));
        let text = cause.to_string();
        // Wrappers often repeat what they wrap.
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        source = cause.source();
    }
    let mut line = match (what(error), error.url().map(place)) {
        (what, Some(place)) => format!("{place}: {what}"),
        (what, None) => what.to_owned(),
    };
    if !parts.is_empty() {
        line.push_str(": ");
        line.push_str(&parts.join(": "));
    }
    if let Some(hint) = hint {
        line.push_str(" (");
        line.push_str(hint);
        line.push(')');
    }
    line
}

fn place(url: &reqwest::Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or("-"), url.path())
}

fn what(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timed out"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_redirect() {
        "too many redirects"
    } else if error.is_builder() {
        "the request cannot be made"
    } else if error.is_decode() {
        "the response cannot be read"
    } else if error.is_status() {
        "the server refused"
    } else {
        "the request failed"
    }
}

/// The rustls error in a cause. It travels inside one or more `io::Error`s, which do not name it as their source.
fn tls_error<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause: &'a (dyn Error + 'static) = cause;
    for _ in 0..MAX_CAUSES {
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            return Some(error);
        }
        cause = cause.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
    None
}

fn hint_for(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    let tls = tls_error(cause)?;
    match tls {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(
            "the server's certificate is signed by an authority that is not trusted; set cafile to that authority's certificate",
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("the server's certificate is for another name; use the name that it is for"),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => Some("the server's certificate has expired; renew it, or correct this machine's clock"),
        rustls::Error::InvalidMessage(_) => {
            Some("the server does not speak TLS on this port; use http:// or another port")
        }
        rustls::Error::AlertReceived(_) => Some(
            "the server refused our side of TLS; it may want a client certificate (certfile, keyfile) or another version",
        ),
        rustls::Error::PeerIncompatible(_) => {
            Some("the server and the options have no TLS version or cipher in common")
        }
        _ => None,
    }
}
