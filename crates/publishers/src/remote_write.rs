//! `prometheus+remotewrite://host:9090[/api/v1/write]`: writes samples to Prometheus, or to whatever else takes its remote
//! write protocol 1.0 (Mimir, Thanos, VictoriaMetrics, …). Samples only.
//!
//! **Accepted** means that the server answered 2xx: Prometheus has the sample in its write-ahead log. `post.rs` says what
//! other answers mean. Of a request that is answered with 400 (a sample is out of order, there is another value at its time,
//! it is too old) only the samples at fault are refused.
//!
//! Names and labels are those of [`series`](crate::series); empty labels are left out. Times are those of the samples, in
//! milliseconds. Samples go in the order of their times, whatever order they came in, because a series takes only what is
//! newer than what it has.
//!
//! A server takes the newest value of a series a second time, but not an older one. So that a request whose answer was lost
//! can be repeated, none has two samples of one series; and what was accepted in an attempt that failed half-way is left out
//! of the next ones, also when the records have been on disk in between.

mod message;
mod settled;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::ops::Range;
use std::sync::Arc;

use model::Sample;
use pipeline::{BuildError, PublishError, Publisher, PublisherUrl, Records, RecordsKind, Refusal, Refusals};

use crate::inexpressible::{microseconds_of, volume_of};
use crate::post::{Content, HttpSettings, Place, PostOptions, Poster, REQUEST_BYTES, Shipment};
use crate::series::{Naming, Series};
use crate::url_options::UrlOptions;
use crate::witness::Witness;
use crate::{placed_samples, samples_only};
use message::Message;
use settled::Settled;

/// Where Prometheus receives, unless the URL has a path.
const PATH: &str = "/api/v1/write";
/// Most samples in one request: as Prometheus itself.
const REQUEST_SAMPLES: usize = 2000;

/// What the protocol wants to be said of a request.
const CONTENT: Content = Content {
    media_type: "application/x-protobuf",
    headers: &[("content-encoding", "snappy"), ("x-prometheus-remote-write-version", "0.1.0")],
    is_text: false,
};

/// Writes samples.
#[derive(Debug)]
pub struct RemoteWritePublisher {
    poster: Poster,
    naming: Naming,
    settled: Settled,
    witness: Witness,
}

/// A sample on its way.
struct Point<'s> {
    place: Place,
    sample: &'s Sample,
    series: Series<'s>,
    milliseconds: i64,
    value: f64,
    /// Stands for name and labels. Two series with one number would only make requests smaller.
    series_hash: u64,
    /// Stands for the sample itself.
    identity: u64,
}

impl RemoteWritePublisher {
    /// The publisher for `url`.
    ///
    /// # Errors
    /// [`BuildError::Configuration`] for a URL that can never work, for events, and for certificates that cannot be read.
    pub fn new(
        url: &PublisherUrl,
        kind: RecordsKind,
        settings: &HttpSettings,
        witness: Witness,
    ) -> Result<Self, BuildError> {
        samples_only(url, kind)?;
        let mut options = UrlOptions::from_url(url);
        let naming = Naming { total_suffix: options.switch("total_suffix", false)? };
        let mut options = PostOptions::from_url(url, options)?;
        if matches!(url.path(), "" | "/") {
            options.target.set_path(PATH);
        }
        let poster = Poster::new(options, CONTENT, settings, witness.clone())?;
        Ok(Self { poster, naming, settled: Settled::default(), witness })
    }

    async fn publish_all(&mut self, groups: &[Records]) -> Result<Refusals, PublishError> {
        let mut refusals = Refusals::default();
        let mut points = self.points(groups, &mut refusals);
        let left_out = self.settled.leave_out(&mut points, |point| point.identity);
        let mut message = Message::default();
        for point in &points {
            message.add(&point.series, point.value, point.milliseconds);
        }
        let places: Vec<Place> = points.iter().map(|point| point.place).collect();
        let most = if self.poster.options().batch { REQUEST_SAMPLES } else { 1 };
        for range in requests(&points, &message, most) {
            let in_request = points.get(range.clone()).unwrap_or_default();
            self.tell(in_request);
            let start = range.start;
            let body = |part: Range<usize>| message.body(start + part.start..start + part.end);
            let places = places.get(range.clone()).unwrap_or_default();
            let mut refused = Refusals::default();
            let delivered =
                self.poster.deliver(&Shipment { sub_path: None, places, body: &body }, &mut refused).await;
            if let Err(error) = delivered {
                // What was refused must be refused again by the attempt that succeeds.
                let refused: HashSet<Place> = refusals.iter().map(Place::of).collect();
                let taken = points.iter().take(start).filter(|point| !refused.contains(&point.place));
                self.settled.remember(taken.map(|point| point.identity).collect());
                return Err(error);
            }
            for refusal in &refused {
                let cause = cause(&refusal.reason).unwrap_or(refusal.cause);
                refusals.push(Refusal { cause, ..refusal.clone() });
            }
        }
        self.settled.forget(&left_out);
        Ok(refusals)
    }

    /// What there is to send, in the order of time. What has no form in the protocol is refused.
    fn points<'s>(&self, groups: &'s [Records], refusals: &mut Refusals) -> Vec<Point<'s>> {
        let (places, samples) = placed_samples(groups);
        let mut points = Vec::with_capacity(samples.len());
        for (place, sample) in places.into_iter().zip(samples) {
            let measured = microseconds_of(sample).and_then(|time| Ok((time, volume_of(sample)?)));
            let (microseconds, value) = match measured {
                Ok(measured) => measured,
                Err(refused) => {
                    refusals.push(refused.at(place));
                    continue;
                }
            };
            let series = Series::of(sample, self.naming);
            let mut hasher = DefaultHasher::new();
            series.hash(&mut hasher);
            let series_hash = hasher.finish();
            let milliseconds = microseconds.div_euclid(1000);
            (milliseconds, value.to_bits(), &sample.id).hash(&mut hasher);
            let identity = hasher.finish();
            points.push(Point { place, sample, series, milliseconds, value, series_hash, identity });
        }
        points.sort_by_key(|point| point.milliseconds);
        points
    }

    fn tell(&self, points: &[Point<'_>]) {
        for Point { sample, series, milliseconds, value, .. } in points {
            self.witness.tell(|| {
                let mut labels = String::new();
                series.write_labels(&mut labels);
                format!("  {}{labels} {value} at {milliseconds} ms, of {}", series.name, sample.id)
            });
        }
    }
}

impl Publisher for RemoteWritePublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move { self.publish_all(&groups).await })
    }
}

/// Divides samples into requests: bounded in number and bytes, and none with two samples of one series.
fn requests(points: &[Point<'_>], message: &Message, most: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut series = HashSet::new();
    let mut start = 0;
    for (place, point) in points.iter().enumerate() {
        let is_full = place - start >= most
            || message.bytes(start..place + 1) > REQUEST_BYTES
            || series.contains(&point.series_hash);
        if place > start && is_full {
            ranges.push(start..place);
            series.clear();
            start = place;
        }
        series.insert(point.series_hash);
    }
    if start < points.len() {
        ranges.push(start..points.len());
    }
    ranges
}

/// The cause of a refusal, where the server's words are known: Prometheus, Mimir, Cortex, Thanos.
fn cause(reason: &str) -> Option<&'static str> {
    let reason = reason.to_ascii_lowercase();
    let known = [
        ("out of order", "out_of_order"),
        ("out-of-order", "out_of_order"),
        ("duplicate", "duplicate"),
        ("out of bounds", "too_old"),
        ("too old", "too_old"),
        ("too-old", "too_old"),
    ];
    known.iter().find(|(words, _)| reason.contains(words)).map(|(_, cause)| *cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::sample;

    fn publisher() -> RemoteWritePublisher {
        let url = PublisherUrl::new("prometheus+remotewrite://h:9090");
        RemoteWritePublisher::new(&url, RecordsKind::Samples, &HttpSettings::default(), Witness::nobody())
            .unwrap()
    }

    fn ranges(samples: Vec<(&str, &str)>, most: usize) -> Vec<Range<usize>> {
        let samples = samples.into_iter().map(|(resource, time)| {
            let mut sample = sample("m", resource, 1.into());
            sample.timestamp = time.into();
            Arc::new(sample)
        });
        let groups = [Records::Samples(samples.collect())];
        let mut refusals = Refusals::default();
        let points = publisher().points(&groups, &mut refusals);
        assert!(refusals.is_empty());
        let mut message = Message::default();
        for point in &points {
            message.add(&point.series, point.value, point.milliseconds);
        }
        requests(&points, &message, most)
    }

    #[test]
    fn no_request_has_two_samples_of_one_series() {
        let (early, late, later) = ("2026-11-26T12:00:00", "2026-11-26T12:00:01", "2026-11-26T12:00:01.0005");
        assert!(ranges(vec![], 9).is_empty());
        // In the order of time: a and b of the early time, then those of the late one.
        assert_eq!(ranges(vec![("a", late), ("a", early), ("b", late), ("b", early)], 9), [0..2, 2..4]);
        assert_eq!(ranges(vec![("a", early), ("b", early), ("c", early)], 2), [0..2, 2..3]);
        // The same millisecond, the same series.
        assert_eq!(ranges(vec![("a", late), ("a", later)], 9), [0..1, 1..2]);
    }

    #[test]
    fn a_request_is_bounded_in_bytes() {
        let long: Vec<String> =
            (0..5).map(|number| format!("{number}{}", "x".repeat(REQUEST_BYTES / 4))).collect();
        let time = "2026-11-26T12:00:00";
        // Resource and the label of the meter's name: each sample takes half of what a request may have.
        let samples = long.iter().map(|resource| (resource.as_str(), time)).collect();
        assert_eq!(ranges(samples, 9), [0..1, 1..2, 2..3, 3..4, 4..5]);
    }

    #[test]
    fn causes_are_those_of_the_servers_words() {
        for (reason, expected) in [
            ("http://h/: 400 Bad Request: out of order sample", Some("out_of_order")),
            ("http://h/: 400 Bad Request: duplicate sample for timestamp", Some("duplicate")),
            ("http://h/: 400 Bad Request: out of bounds", Some("too_old")),
            ("http://h/: 400 Bad Request: snappy: corrupt input", None),
        ] {
            assert_eq!(cause(reason), expected, "{reason}");
        }
    }

    #[test]
    fn what_has_no_form_is_refused() {
        let mut timeless = sample("m", "r", 1.into());
        timeless.timestamp = "soon".into();
        let groups = [Records::Samples(vec![
            Arc::new(timeless),
            Arc::new(sample("m", "r", "x".into())),
            Arc::new(sample("m", "r", 1.into())),
        ])];
        let mut refusals = Refusals::default();
        assert_eq!(publisher().points(&groups, &mut refusals).len(), 1);
        let seen: Vec<_> = refusals.iter().map(|refusal| (refusal.record, refusal.cause)).collect();
        assert_eq!(seen, [(0, "timestamp"), (1, "volume")]);
    }
}
