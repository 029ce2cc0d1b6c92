//! The access rules of application credentials: for which requests alone a token is good.

use serde::Deserialize;

/// One sort of request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct AccessRule {
    service: String,
    method: String,
    path: String,
}

/// Whether one of the rules is about this request.
pub(super) fn is_listed(rules: &[AccessRule], service_type: &str, method: &str, path: &str) -> bool {
    rules.iter().any(|rule| {
        rule.service == service_type && rule.method == method && fits(&rule.path, path.as_bytes())
    })
}

/// A part of a pattern.
#[derive(Clone, Copy)]
enum Part {
    Byte(u8),
    /// `*` and `{name}`: one byte or more, no slash.
    Some,
    /// `**`: anything.
    Any,
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        if let Some(after) = rest.strip_prefix("**") {
            parts.push(Part::Any);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('*').or_else(|| named.map(|(_, after)| after)) {
            parts.push(Part::Some);
            rest = after;
        } else {
            let (character, after) = rest.split_at(first.len_utf8());
            parts.extend(character.bytes().map(Part::Byte));
            rest = after;
        }
    }
    parts
}

/// In one pass over all places where the pattern may stand, because a user has written it.
fn fits(pattern: &str, path: &[u8]) -> bool {
    // Whether what comes before a place of the path fits the parts so far.
    let mut reached = vec![false; path.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in parts(pattern) {
        let mut next = vec![false; path.len() + 1];
        let mut is_open = false;
        for (place, before) in reached.iter().enumerate() {
            let byte = place.checked_sub(1).and_then(|last| path.get(last)).copied();
            let was_reached =
                place.checked_sub(1).and_then(|last| reached.get(last)).copied().unwrap_or(false);
            let is_fit = match part {
                Part::Byte(wanted) => was_reached && byte == Some(wanted),
                Part::Some => {
                    is_open = (is_open || was_reached) && byte.is_some_and(|byte| byte != b'/');
                    is_open
                }
                Part::Any => {
                    is_open |= *before;
                    is_open
                }
            };
            if let Some(slot) = next.get_mut(place) {
                *slot = is_fit;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fit_patterns() {
        for (pattern, path, expected) in [
            ("/v1/metric", "/v1/metric", true),
            ("/v1/metric", "/v1/metric/", false),
            ("/v1/metric/*", "/v1/metric/abc", true),
            ("/v1/metric/*", "/v1/metric/", false),
            ("/v1/metric/*", "/v1/metric/abc/measures", false),
            ("/v1/metric/{id}/measures", "/v1/metric/abc/measures", true),
            ("/v1/**", "/v1/", true),
            ("/v1/**", "/v1/metric/abc/measures", true),
            ("**/measures", "/v1/metric/abc/measures", true),
            ("/v1/a*c", "/v1/abc", true),
            ("/v1/a*c", "/v1/ac", false),
            ("", "", true),
            ("", "/", false),
        ] {
            assert_eq!(fits(pattern, path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!fits(&"**a".repeat(500), "a".repeat(400).as_bytes()));
    }
}
