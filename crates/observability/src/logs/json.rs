//! One JSON object a line, with the keys of oslo.log's JSON formatter.

use serde_json::{Map, Value, json};

use super::record::Record;
use super::template::{Surroundings, date};

/// The object for one record, without a line end. Keys that only mean something in Python (`args`, `thread`,
/// `relative_created`) are left out.
pub(super) fn render(record: &Record, around: &Surroundings) -> String {
    let extra: Map<String, Value> = record
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), Value::from(field.value.as_str())))
        .collect();
    let mut context = Map::new();
    if let Some(request_id) = &record.request_id {
        context.insert("request_id".to_owned(), Value::from(request_id.as_str()));
    }
    let file = record.file.as_deref();
    json!({
        "message": record.message,
        "asctime": date(record, &around.date_format),
        "created": record.created_seconds(),
        "msecs": record.local.time().millisecond(),
        "name": record.name,
        "levelname": record.level_name(),
        "levelno": record.level_number(),
        "pathname": file,
        "filename": file.and_then(|file| file.rsplit('/').next()),
        "lineno": record.line,
        "process": around.process,
        "process_name": around.program,
        "hostname": around.hostname,
        "context": context,
        "extra": extra,
    })
    .to_string()
}
