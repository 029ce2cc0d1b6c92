//! The check that oslo.config makes of URI options: RFC 3986, with scheme and host present.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Checks a URI; the error reads on after "value `x`".
pub(crate) fn check(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err("has no scheme".to_owned());
    };
    let mut letters = scheme.chars();
    if !letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        || !letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
    {
        return Err("has no valid scheme".to_owned());
    }
    let Some(rest) = rest.strip_prefix("//") else {
        return Err("has no host".to_owned());
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    authority_is_valid(authority)?;
    let path = tail.split(['?', '#']).next().unwrap_or_default();
    // oslo.config's library escapes whatever else it does not like in a path.
    if path.contains(['[', ']']) {
        return Err("has a bracket in its path".to_owned());
    }
    Ok(())
}

fn authority_is_valid(authority: &str) -> Result<(), String> {
    let host_and_port = match authority.rsplit_once('@') {
        Some((user, _)) if user.is_empty() || !is_made_of(user, "-._~!$&'()*+,;=:") => {
            return Err("has an invalid user part".to_owned());
        }
        Some((_, host)) => host,
        None => authority,
    };
    let (host, port) = if let Some(inner) = host_and_port.strip_prefix('[') {
        let Some((address, port)) = inner.split_once(']') else {
            return Err("has an address without a closing bracket".to_owned());
        };
        let plain = address.split("%25").next().unwrap_or(address);
        if plain.parse::<Ipv6Addr>().is_err() {
            return Err("has an invalid address in brackets".to_owned());
        }
        ("", port.strip_prefix(':').or(port.is_empty().then_some("")))
    } else {
        match host_and_port.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host_and_port, Some("")),
        }
    };
    if !port.is_some_and(|port| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("has an invalid port".to_owned());
    }
    if host_and_port.starts_with('[') {
        return Ok(());
    }
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    if !is_made_of(host, "-._~!$&'()*+,;=") {
        return Err("has an invalid host".to_owned());
    }
    let quad = host.split('.').count() == 4 && host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if quad && host.parse::<Ipv4Addr>().is_err() {
        return Err("has an invalid IPv4 address".to_owned());
    }
    Ok(())
}

/// Whether the text is letters and digits of ASCII, `marks`, and escapes such as `%20`.
fn is_made_of(text: &str, marks: &str) -> bool {
    let mut pieces = text.split('%');
    let plain =
        |piece: &str| piece.chars().all(|letter| letter.is_ascii_alphanumeric() || marks.contains(letter));
    pieces.next().is_some_and(plain)
        && pieces.all(|piece| {
            piece.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
                && piece.get(2..).is_some_and(plain)
        })
}
