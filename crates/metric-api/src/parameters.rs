//! Parameters of requests.

use archive::{Calendar, Grouping};
use metric_index::time;
use model::{Timestamp, Value, pytext};

use crate::failure::Failure;
use crate::request::Request;

/// The words for truth and falsehood.
const TRUE: [&str; 6] = ["t", "true", "on", "y", "yes", "1"];
const FALSE: [&str; 6] = ["f", "false", "off", "n", "no", "0"];

/// A parameter that is true or false.
pub(crate) fn boolean(request: &Request, name: &str, default: bool) -> Result<bool, Failure> {
    let mut values: Vec<&str> = request.parameters(name).collect();
    let value = match (values.pop(), values.is_empty()) {
        (None, _) => return Ok(default),
        (Some(value), true) => value.to_owned(),
        // One that is repeated is a list to Gnocchi, which says neither.
        (Some(last), false) => {
            values.push(last);
            pytext::to_repr(&Value::List(values.into_iter().map(Value::from).collect()))
        }
    };
    let word = value.trim().to_lowercase();
    if TRUE.contains(&word.as_str()) {
        Ok(true)
    } else if FALSE.contains(&word.as_str()) {
        Ok(false)
    } else {
        Err(Failure::invalid(format!(
            "Unable to parse `{name}': Unrecognized value '{value}', acceptable values are: '0', '1', 'f', 'false', \
             'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
        )))
    }
}

/// A point in time.
fn moment(request: &Request, name: &str, now: Timestamp) -> Result<Option<i64>, Failure> {
    let Some(value) = request.parameter(name) else { return Ok(None) };
    let read = time::nanoseconds(&value.into(), now);
    read.map(Some).map_err(|_| Failure::argument(name, "Must be a datetime or a timestamp"))
}

/// `start` and `stop` in nanoseconds.
pub(crate) fn window(request: &Request, now: Timestamp) -> Result<(Option<i64>, Option<i64>), Failure> {
    Ok((moment(request, "start", now)?, moment(request, "stop", now)?))
}

/// `granularity` in nanoseconds.
pub(crate) fn granularity(request: &Request) -> Result<Option<i64>, Failure> {
    let Some(value) = request.parameter("granularity") else { return Ok(None) };
    let read = time::timespan(&value.into());
    read.map(Some).map_err(|error| Failure::argument("granularity", error.to_string()))
}

/// `resample`: a span, or a letter of the calendar. It needs `granularity`.
pub(crate) fn resample(request: &Request) -> Result<Option<Grouping>, Failure> {
    let Some(value) = request.parameter("resample").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if request.parameter("granularity").is_none() {
        return Err(Failure::invalid("A granularity must be specified to resample"));
    }
    if let Some(calendar) = Calendar::from_letter(value) {
        return Ok(Some(Grouping::Calendar(calendar)));
    }
    let span = time::timespan(&value.into()).map_err(|error| Failure::invalid(error.to_string()))?;
    Ok(Some(Grouping::Fixed(span)))
}

/// `needed_overlap`: percent.
pub(crate) fn needed_overlap(request: &Request) -> Result<Option<f64>, Failure> {
    let Some(value) = request.parameter("needed_overlap") else { return Ok(None) };
    let read = model::pytext::float_of(&Value::from(value));
    read.map(Some).map_err(|_| Failure::argument("needed_overlap", "Must be a number"))
}

/// A list parameter's values, sorted, each once.
pub(crate) fn sorted(request: &Request, name: &str) -> Vec<String> {
    let mut values: Vec<String> = request.parameters(name).map(str::to_owned).collect();
    values.sort_unstable();
    values.dedup();
    values
}
