//! [`Exposition`]: the text of a scrape, in the classic format and in OpenMetrics.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use model::pytext;
use model::pytext::Specials;

use super::snapshot::{FamilyShot, Snapshot};
use super::{INFO, Kind, TOTAL};

/// About how large a piece of text is, in bytes.
const PIECE_BYTES: usize = 32 * 1024;

/// The two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus's text format 0.0.4.
    Classic,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The text of a snapshot, piece by piece, so that a slow reader holds no more than one piece.
///
/// In OpenMetrics a counter's name ends with `_total`, and its values are numbers from zero on. A family that does not keep
/// to that is of unknown type there, rather than to have another name in one format than in the other. So is, in both
/// formats, a family whose series are not all of one kind. An info family, whose name ends with `_info`, is a gauge in the
/// classic format, which does not know any better.
#[derive(Debug)]
pub struct Exposition {
    families: std::vec::IntoIter<FamilyShot>,
    /// The family that is being written, and its next series.
    current: Option<(FamilyShot, usize)>,
    names: HashSet<Arc<str>>,
    format: Format,
    has_ended: bool,
}

impl Exposition {
    /// The text of a snapshot in a format.
    #[must_use]
    pub fn new(snapshot: Snapshot, format: Format) -> Self {
        let names = snapshot.families.iter().map(|family| Arc::clone(&family.name)).collect();
        Self { families: snapshot.families.into_iter(), current: None, names, format, has_ended: false }
    }

    /// The family's name and type as they are declared.
    fn declared<'f>(&self, family: &'f FamilyShot) -> (&'f str, &'static str) {
        match (self.format, family.kind) {
            (_, Some(Kind::Gauge)) | (Format::Classic, Some(Kind::Info)) => (&*family.name, "gauge"),
            (Format::Classic, Some(Kind::Counter)) => (&*family.name, "counter"),
            (Format::Classic, None) => (&*family.name, "untyped"),
            (Format::OpenMetrics, None) => (&*family.name, "unknown"),
            (Format::OpenMetrics, Some(Kind::Counter)) => match family.name.strip_suffix(TOTAL) {
                Some(base) if self.may_count(base, family) => (base, "counter"),
                _ => (&*family.name, "unknown"),
            },
            (Format::OpenMetrics, Some(Kind::Info)) => match family.name.strip_suffix(INFO) {
                Some(base) if !self.names.contains(base) => (base, "info"),
                _ => (&*family.name, "unknown"),
            },
        }
    }

    /// Whether OpenMetrics takes the family as a counter of that name, beside all the others.
    fn may_count(&self, base: &str, family: &FamilyShot) -> bool {
        let is_taken = |name: &str| self.names.contains(name);
        !is_taken(base)
            && !is_taken(&format!("{base}_created"))
            // Another counter, whose family would be that.
            && !is_taken(&format!("{base}_created_total"))
            && family.series.iter().all(|(_, value)| *value >= 0.0)
    }

    fn write_head(&self, family: &FamilyShot, out: &mut String) {
        let (name, kind) = self.declared(family);
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        escape(&family.help, self.format == Format::OpenMetrics, out);
        for part in ["\n# TYPE ", name, " ", kind, "\n"] {
            out.push_str(part);
        }
        let is_named = |unit: &str| name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        // The classic format has no units, and OpenMetrics wants the name to end with it.
        if let Some(unit) = family.unit.filter(|unit| self.format == Format::OpenMetrics && is_named(unit)) {
            for part in ["# UNIT ", name, " ", unit, "\n"] {
                out.push_str(part);
            }
        }
    }
}

impl Iterator for Exposition {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.has_ended {
            return None;
        }
        let mut out = String::with_capacity(PIECE_BYTES + 4096);
        while out.len() < PIECE_BYTES {
            let (family, place) = if let Some(current) = self.current.take() {
                current
            } else if let Some(family) = self.families.next() {
                self.write_head(&family, &mut out);
                (family, 0)
            } else {
                self.has_ended = true;
                if self.format == Format::OpenMetrics {
                    out.push_str("# EOF\n");
                }
                break;
            };
            let Some((labels, value)) = family.series.get(place) else { continue };
            for part in [&*family.name, &**labels, " "] {
                out.push_str(part);
            }
            write_value(*value, &mut out);
            out.push('\n');
            self.current = Some((family, place + 1));
        }
        (!out.is_empty()).then(|| out.into_bytes())
    }
}

/// Appends a text with its backslashes and line ends, and, if asked for, its quotes escaped.
pub(super) fn escape(text: &str, quotes: bool, out: &mut String) {
    let mut rest = text;
    while let Some(place) = rest.find(['\\', '\n', '"']) {
        let (plain, behind) = rest.split_at(place);
        out.push_str(plain);
        let mut characters = behind.chars();
        match characters.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\\') => out.push_str("\\\\"),
            Some(_) if quotes => out.push_str("\\\""),
            _ => out.push('"'),
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// Appends a value: the shortest digits that read back the same, in the form that Python's `prometheus_client` gives them
/// (from a million on with an exponent, as Go does).
fn write_value(value: f64, out: &mut String) {
    if value.is_finite() {
        let mut digits = Vec::with_capacity(24);
        pytext::write_float(value, Specials::Repr, &mut digits);
        let start = out.len();
        out.extend(digits.into_iter().map(char::from));
        let point = out.get(start..).and_then(|digits| digits.find('.'));
        if let Some(point) = point.filter(|point| value > 0.0 && *point > 6) {
            out.remove(start + point);
            out.insert(start + 1, '.');
            out.truncate(out.trim_end_matches(['0', '.']).len().max(start + 1));
            // Writing to a String cannot fail.
            let _ = write!(out, "e+{:02}", point - 1);
        }
    } else {
        out.push_str(if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, kind: Option<Kind>, values: &[f64]) -> FamilyShot {
        let series =
            values.iter().enumerate().map(|(place, value)| (format!("{{a=\"{place}\"}}").into(), *value));
        FamilyShot {
            name: name.into(),
            help: "Meter a \"b\\\n".into(),
            kind,
            unit: None,
            series: series.collect(),
        }
    }

    fn printed(families: Vec<FamilyShot>, format: Format) -> String {
        let pieces: Vec<_> = Exposition::new(Snapshot { families }, format).collect();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn both_formats() {
        let families = || {
            vec![family("c", Some(Kind::Counter), &[1.0]), family("g", Some(Kind::Gauge), &[f64::NAN, 1e16])]
        };
        assert_eq!(
            printed(families(), Format::Classic),
            "# HELP c Meter a \"b\\\\\\n\n# TYPE c counter\nc{a=\"0\"} 1.0\n# HELP g Meter a \"b\\\\\\n\n# TYPE g gauge\n\
             g{a=\"0\"} NaN\ng{a=\"1\"} 1e+16\n"
        );
        assert_eq!(
            printed(families(), Format::OpenMetrics),
            "# HELP c Meter a \\\"b\\\\\\n\n# TYPE c unknown\nc{a=\"0\"} 1.0\n# HELP g Meter a \\\"b\\\\\\n\n# TYPE g \
             gauge\ng{a=\"0\"} NaN\ng{a=\"1\"} 1e+16\n# EOF\n"
        );
        assert_eq!(printed(Vec::new(), Format::Classic), "");
        assert_eq!(printed(Vec::new(), Format::OpenMetrics), "# EOF\n");
    }

    #[test]
    fn a_counter_of_openmetrics_is_one_in_all_respects() {
        let counter = || family("c_total", Some(Kind::Counter), &[1.0]);
        let text = |others: Vec<FamilyShot>| {
            let all = [vec![counter()], others].concat();
            printed(all, Format::OpenMetrics)
        };
        assert!(text(Vec::new()).starts_with("# HELP c Meter"));
        assert!(text(Vec::new()).contains("# TYPE c counter\nc_total{"));
        for name in ["c", "c_created", "c_created_total"] {
            assert!(text(vec![family(name, Some(Kind::Gauge), &[1.0])]).contains("# TYPE c_total unknown\n"));
        }
        for value in [f64::NAN, -1.0] {
            let odd = family("c_total", Some(Kind::Counter), &[1.0, value]);
            assert!(printed(vec![odd], Format::OpenMetrics).contains("# TYPE c_total unknown\n"));
        }
        let mixed = || vec![family("m", None, &[1.0])];
        assert!(printed(mixed(), Format::Classic).contains("# TYPE m untyped\n"));
        assert!(printed(mixed(), Format::OpenMetrics).contains("# TYPE m unknown\n"));
    }

    #[test]
    fn labels_of_something_are_information_and_units_are_declared_where_names_end_with_them() {
        let of = |name: &str, kind, unit| FamilyShot { unit, ..family(name, Some(kind), &[1.0]) };
        let families = || {
            vec![
                of("r_info", Kind::Info, None),
                of("s_seconds_total", Kind::Counter, Some("seconds")),
                of("u_bytes", Kind::Gauge, Some("bytes")),
                of("v_bytes_delta", Kind::Gauge, Some("bytes")),
            ]
        };
        let declared = |format| {
            let text = printed(families(), format);
            let lines = text.lines().filter(|line| line.starts_with("# TYPE") || line.starts_with("# UNIT"));
            lines.map(|line| line.trim_start_matches("# ").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            declared(Format::Classic),
            [
                "TYPE r_info gauge",
                "TYPE s_seconds_total counter",
                "TYPE u_bytes gauge",
                "TYPE v_bytes_delta gauge"
            ]
        );
        assert_eq!(
            declared(Format::OpenMetrics),
            [
                "TYPE r info",
                "TYPE s_seconds counter",
                "UNIT s_seconds seconds",
                "TYPE u_bytes gauge",
                "UNIT u_bytes bytes",
                "TYPE v_bytes_delta gauge"
            ]
        );
        let clash = vec![of("r", Kind::Gauge, None), of("r_info", Kind::Info, None)];
        assert!(printed(clash, Format::OpenMetrics).contains("# TYPE r_info unknown\n"));
    }

    #[test]
    fn a_long_text_comes_in_pieces() {
        let values: Vec<f64> = (0..10_000).map(f64::from).collect();
        let shot = Snapshot { families: vec![family("g", Some(Kind::Gauge), &values)] };
        let pieces: Vec<_> = Exposition::new(shot, Format::OpenMetrics).collect();
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() < PIECE_BYTES + 4096));
        let text = String::from_utf8(pieces.concat()).unwrap();
        assert_eq!((text.lines().count(), text.matches("# TYPE").count()), (10_003, 1));
    }

    #[test]
    fn values_read_back_the_same() {
        for (value, text) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (2.321e8, "2.321e+08"),
            (232_128_754.0, "2.32128754e+08"),
            (-2.321e8, "-232100000.0"),
            (999_999.5, "999999.5"),
            (1e6, "1e+06"),
            (1_234_567.25, "1.23456725e+06"),
            (1e15, "1e+15"),
            (1e16, "1e+16"),
            (12_345_678_901_234_568.0, "1.2345678901234568e+16"),
            (1e-7, "1e-07"),
        ] {
            let mut out = String::new();
            write_value(value, &mut out);
            assert_eq!(out, text);
        }
    }
}
