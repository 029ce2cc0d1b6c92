//! Two agents' files, line by line, as multisets.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::both::Written;

/// What stands for an id that an agent made itself.
const MADE: &str = "MADE";
/// Where the version of a UUID's text stands.
const VERSION_AT: usize = 14;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Upstream,
    Ours,
}

/// The line of a sample without the id, if that was made by the agent; ids that came with polled samples stay.
///
/// Upstream makes UUIDs of version 1, we of version 5.
pub(crate) fn without_made_id(line: &str, side: Side, given: &HashSet<String>) -> String {
    // The last two fields of a sample, whatever its metadata holds.
    let start = line.rfind(", \"id\": ").unwrap_or_else(|| panic!("no id: {line}")) + ", \"id\": ".len();
    let end = line.rfind(", \"monotonic_time\": ").unwrap_or_else(|| panic!("no end: {line}"));
    // An id that is no text is one for us; ids may differ.
    let id = model::pytext::to_str(&model::json::parse(&line[start..end]).unwrap());
    if given.contains(&id) {
        return format!("{}{}{}", &line[..start], model::json::to_string(&id.into()), &line[end..]);
    }
    let version = match side {
        Side::Upstream => b'1',
        Side::Ours => b'5',
    };
    assert_eq!((id.len(), id.as_bytes().get(VERSION_AT)), (36, Some(&version)), "{side:?}: {line}");
    format!("{}\"{MADE}\"{}", &line[..start], &line[end..])
}

/// The result of a comparison.
pub(crate) struct Compared {
    /// How many lines both wrote.
    pub(crate) common: usize,
    /// The different lines that both wrote.
    pub(crate) texts: HashSet<String>,
    pub(crate) only_upstream: Vec<String>,
    pub(crate) only_ours: Vec<String>,
}

/// Compares two multisets.
pub(crate) fn multisets(upstream: &[String], ours: &[String]) -> Compared {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for line in upstream {
        *counts.entry(line).or_default() += 1;
    }
    let mut compared =
        Compared { common: 0, texts: HashSet::new(), only_upstream: Vec::new(), only_ours: Vec::new() };
    for line in ours {
        match counts.get_mut(line.as_str()) {
            Some(count) if *count > 0 => {
                *count -= 1;
                compared.common += 1;
                compared.texts.insert(line.clone());
            }
            _ => compared.only_ours.push(line.clone()),
        }
    }
    for (line, count) in counts {
        compared.only_upstream.extend(std::iter::repeat_n(line.to_owned(), count));
    }
    compared.only_upstream.sort();
    compared
}

/// The lines of samples without the ids that agents made.
pub(crate) fn samples(written: &Written, side: Side, given: &HashSet<String>) -> Vec<String> {
    written.samples.iter().map(|line| without_made_id(line, side, given)).collect()
}

/// Lines by a key that their order is kept within, in the order of the file; only those of `texts`.
pub(crate) fn by_resource(lines: &[String], texts: &HashSet<String>) -> BTreeMap<String, Vec<String>> {
    let mut order: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.iter().filter(|line| texts.contains(*line)) {
        let key = resource_of(line);
        order.entry(key).or_default().push(line.clone());
    }
    order
}

/// A sample's meter and resource. The JSON may have what only Python writes, so it is cut out of the text.
fn resource_of(line: &str) -> String {
    let until = |end: &str| line.find(end).unwrap_or_else(|| panic!("no {end}: {line}"));
    let name = &line[..until(", \"type\": ")];
    let resource = &line[until(", \"resource_id\": ")..until(", \"resource_metadata\": ")];
    // Without the timestamp, which stands between the two.
    format!("{name}{}", resource.rsplit_once(", \"timestamp\": ").map_or(resource, |(resource, _)| resource))
}

/// The `message_id` of an event, which is its first field.
pub(crate) fn message_of(event: &str) -> String {
    let rest = event.strip_prefix("{\"message_id\": ").unwrap_or_else(|| panic!("no message_id: {event}"));
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    values.next().unwrap().unwrap().as_str().unwrap_or_default().to_owned()
}
