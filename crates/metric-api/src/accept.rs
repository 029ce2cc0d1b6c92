//! The header `Accept`: what a client takes.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// How a refusal is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    Html,
    Json,
    Text,
}

/// The ranges of a request; `None` where it has no such header, or an empty one.
fn ranges(headers: &HeaderMap) -> Option<Vec<(String, f32)>> {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = values
        .flat_map(|value| value.split(','))
        .filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            Some((name, weight.and_then(|weight| weight.parse().ok()).unwrap_or(1.0)))
        })
        .collect();
    (!ranges.is_empty()).then_some(ranges)
}

/// How much a media type is wanted: what the most specific range says that fits it.
fn weight(ranges: &[(String, f32)], media_type: &str) -> f32 {
    let family = media_type.split_once('/').map_or("", |(family, _)| family);
    let fits = |wanted: &str| ranges.iter().find(|(range, _)| range == wanted).map(|(_, weight)| *weight);
    fits(media_type).or_else(|| fits(&format!("{family}/*"))).or_else(|| fits("*/*")).unwrap_or(0.0)
}

/// Whether an answer of this type is taken.
pub(crate) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    ranges(headers).is_none_or(|ranges| weight(&ranges, media_type) > 0.0)
}

/// How a refusal is shown to whoever sent these headers.
pub(crate) fn representation(headers: &HeaderMap) -> Representation {
    let Some(ranges) = ranges(headers) else { return Representation::Text };
    let (html, json) = (weight(&ranges, "text/html"), weight(&ranges, "application/json"));
    if html <= 0.0 && json <= 0.0 {
        Representation::Text
    } else if html >= json {
        Representation::Html
    } else {
        Representation::Json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As observed of a real Gnocchi, but that a parameter of the media type does no harm.
    #[test]
    fn what_clients_are_shown() {
        use Representation::{Html, Json, Text};
        for (accept, expected, json) in [
            ("", Text, true),
            ("application/json", Json, true),
            ("application/*", Json, true),
            ("APPLICATION/JSON", Json, true),
            ("application/json;q=0.5, */*;q=0.1", Json, true),
            ("text/html;q=0.1, application/json", Json, true),
            ("text/plain, application/json;q=0.8", Json, true),
            ("application/json; charset=utf-8", Json, true),
            ("*/*", Html, true),
            ("application/json, text/plain, */*", Html, true),
            ("text/html, application/json", Html, true),
            ("text/plain", Text, false),
            ("text/*", Html, false),
            ("image/png", Text, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(representation(&headers), expected, "{accept}");
            assert_eq!(accepts(&headers, "application/json"), json, "{accept}");
        }
    }
}
