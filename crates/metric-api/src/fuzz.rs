//! Bodies for fuzzing: they take any bytes and may only return.

use metric_index::Filter;
use model::{Timestamp, Value};

use crate::room::Room;
use crate::schema::Ids;
use crate::{filter_text, remote_write, routes, schema};

const IDS: Ids<'static> = Ids { creator: Some("user:project") };

/// Reads a search as text, and what comes of it as the tree that bodies have.
///
/// # Panics
/// If the tree of a text is none that bodies may have, though its values fit.
pub fn filter_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(tree) = filter_text::parse(&text) else { return };
    // What a body says in JSON comes to the same.
    let again = model::json::parse(model::json::to_string(&tree));
    let read = schema::search(&tree, IDS);
    if let Ok(again) = again {
        assert_eq!(schema::search(&again, IDS).is_ok(), read.is_ok(), "{text}");
    }
}

/// Reads a body as each of the bodies that routes take.
pub fn bodies(data: &[u8]) {
    let Ok(body) = model::json::parse(data) else { return };
    let now = Timestamp::EPOCH;
    let _: Result<Option<Filter>, _> = schema::search(&body, IDS);
    let _ = schema::measures(&body, now);
    let _ = schema::named(&body, now);
    let _ = schema::metric(&body, IDS);
    let _ = schema::metrics(&body);
    let _ = schema::predicate(&body);
    let _ = schema::attributes(&body);
    let _ = schema::patch(&body);
    if let Value::Map(map) = &body {
        let _ = map.get("operations").map(schema::operations);
    }
}

/// Unpacks a body of Prometheus' remote write, and reads the message.
pub fn remote_write(data: &[u8]) {
    const AT_MOST: usize = 1_000;
    // What a server does before it unpacks.
    if remote_write::unpacked_bytes(data).is_ok_and(|bytes| bytes <= 1 << 20) {
        let _ = remote_write::read(data, AT_MOST, &mut Room::unbounded());
    }
    if let Ok(packed) = snap::raw::Encoder::new().compress_vec(data) {
        let _ = remote_write::read(&packed, AT_MOST, &mut Room::unbounded());
    }
}

/// Reads lines of InfluxDB's protocol.
pub fn line(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for line in text.lines() {
        let _ = routes::parse_line(line);
    }
}
