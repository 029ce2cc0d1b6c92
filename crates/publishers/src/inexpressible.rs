//! [`Inexpressible`]: a sample that has no form in a publisher's format.

use model::Sample;
use pipeline::Refusal;

use crate::post::Place;
use crate::series;

/// Why a sample cannot be sent, whatever the peer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inexpressible {
    pub(crate) cause: &'static str,
    pub(crate) reason: String,
}

impl Inexpressible {
    /// Its timestamp is no time.
    pub(crate) fn timestamp(sample: &Sample) -> Self {
        Self { cause: "timestamp", reason: format!("{:?} is not a time", sample.timestamp) }
    }

    /// The refusal of the record at that place.
    pub(crate) fn at(self, place: Place) -> Refusal {
        Refusal { group: place.group, record: place.record, cause: self.cause, reason: self.reason }
    }
}

/// The volume as a double.
pub(crate) fn volume_of(sample: &Sample) -> Result<f64, Inexpressible> {
    series::value_of(sample).map_err(|error| Inexpressible {
        cause: "volume",
        reason: format!("the volume {:?} is no double: {error}", sample.volume),
    })
}

/// The time, in microseconds since 1970.
pub(crate) fn microseconds_of(sample: &Sample) -> Result<i64, Inexpressible> {
    let time = sample.time().and_then(|time| time.timestamp().ok());
    time.map(model::Timestamp::microseconds).ok_or_else(|| Inexpressible::timestamp(sample))
}
