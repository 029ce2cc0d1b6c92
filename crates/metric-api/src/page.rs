//! Pages of listings: which part, in which order, and where the next one is.

use axum::http::StatusCode;
use metric_index::Page;

use crate::failure::Failure;
use crate::request::{Request, encode};

/// The page that a request asks for.
pub(crate) fn page(request: &Request, order: &[&str], max_limit: u32) -> Result<Page, Failure> {
    let wrong = |reason: &str| {
        let reason = format!("{reason} for dictionary value @ data['limit']");
        Failure::because(StatusCode::BAD_REQUEST, "Argument value error", [("reason", reason.into())])
    };
    let limit = match request.parameter("limit") {
        None => max_limit,
        Some(text) => match text.trim().parse::<i64>() {
            Err(_) => return Err(wrong("expected int")),
            Ok(limit) if limit < 1 => return Err(wrong("value must be at least 1")),
            Ok(limit) => u32::try_from(limit).unwrap_or(max_limit).min(max_limit),
        },
    };
    let mut sorts: Vec<String> = request.parameters("sort").map(str::to_owned).collect();
    if sorts.is_empty() {
        sorts = order.iter().map(|&key| key.to_owned()).collect();
    }
    Ok(Page { limit: Some(limit), marker: request.parameter("marker").map(str::to_owned), sorts })
}

/// The header `Link` to the next page, which begins after `marker`; `None` when this one is not full.
pub(crate) fn link(request: &Request, page: &Page, count: usize, marker: Option<String>) -> Option<String> {
    let limit = page.limit?;
    let marker = marker.filter(|_| count >= limit as usize)?;
    let kept = request.query.iter().filter(|(name, _)| !["limit", "marker", "sort"].contains(&name.as_str()));
    let mut pairs: Vec<(&str, &str)> = kept.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let limit = limit.to_string();
    pairs.push(("limit", &limit));
    pairs.push(("marker", &marker));
    pairs.extend(page.sorts.iter().map(|sort| ("sort", sort.as_str())));
    // Stable: a parameter that is repeated keeps the order of its values.
    pairs.sort_by_key(|(name, _)| *name);
    let mut query = String::new();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        encode(name, &mut query);
        query.push('=');
        encode(value, &mut query);
    }
    Some(format!("<{}{}?{query}>; rel=\"next\"", request.base, request.path))
}
