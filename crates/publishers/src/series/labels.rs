//! The labels of a sample.

use std::borrow::Cow;

use model::{Sample, Value, pytext};

/// Names of labels that begin like this are Prometheus's own.
const RESERVED: &str = "__";
/// The label that every sample with metadata has a value of.
pub(super) const SERVER_GROUP: &str = "server_group";
/// Labels that only the meters of load balancers and of Cinder's services have.
pub(super) const OF_SOME_METERS: [&str; 4] = ["availability_zone", "binary", "status", "zone"];

/// All labels, sorted by name. The names depend on the meter alone.
///
/// One label is named after the meter's first part, and its value is the third part or, where there is none, the resource
/// (`disk.device.read.bytes`: `disk="read"`). A label of the list that has the same name and a value wins.
pub(super) fn of(sample: &Sample) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut parts = sample.name.split('.');
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let metadata = match &*sample.resource_metadata {
        Value::Map(map) if !map.is_empty() => Some(map),
        _ => None,
    };
    let of_metadata = |key: &str| text(metadata.and_then(|map| map.get(key)));
    let flavor =
        |key: &str| text(metadata.and_then(|map| map.get("flavor")).and_then(|flavor| flavor.get(key)));
    let is_load_balancer = sample.name.starts_with("loadbalancer");
    let is_service_health = sample.name == "volume.service.health";

    let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(20);
    let mut add = |name: &'static str, value| labels.push((Cow::Borrowed(name), value));
    // In the order of their names.
    if is_load_balancer {
        add("availability_zone", of_metadata("availability_zone"));
    }
    if is_service_health {
        add("binary", of_metadata("binary"));
    }
    add("counter", Cow::Borrowed(&*sample.name));
    add("flavor_id", flavor("id"));
    add("flavor_name", flavor("name"));
    add("project", text(Some(&sample.project_id)));
    add("project_name", text(Some(&sample.project_name)));
    add("publisher", Cow::Borrowed("ceilometer"));
    add("resource", text(Some(&sample.resource_id)));
    add("resource_name", resource_name(of_metadata("display_name"), of_metadata("name")));
    add(
        SERVER_GROUP,
        match metadata {
            None => Cow::Borrowed(""),
            Some(map) => match text(map.get("user_metadata").and_then(|user| user.get("server_group"))) {
                group if group.is_empty() => Cow::Borrowed("none"),
                group => group,
            },
        },
    );
    add("state", of_metadata("alarm_state"));
    if is_service_health {
        add("status", of_metadata("status"));
    }
    add("type", Cow::Borrowed(second.unwrap_or(first)));
    add("unit", text(Some(&sample.unit)));
    add("user", text(Some(&sample.user_id)));
    add("user_name", text(Some(&sample.user_name)));
    add("vm_instance", of_metadata("host"));
    if is_service_health {
        add("zone", of_metadata("zone"));
    }

    let name = label_name(first);
    let value = third.map_or_else(|| text(Some(&sample.resource_id)), Cow::Borrowed);
    match labels.binary_search_by(|(known, _)| (**known).cmp(&*name)) {
        Err(place) => labels.insert(place, (name, value)),
        Ok(place) => {
            if let Some((_, known)) = labels.get_mut(place).filter(|(_, known)| known.is_empty()) {
                *known = value;
            }
        }
    }
    labels
}

/// A value as Python prints it; empty for what Python takes for false.
fn text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        Some(Value::Str(text)) => Cow::Borrowed(text),
        Some(other) if other.is_truthy() => Cow::Owned(pytext::to_str(other)),
        _ => Cow::Borrowed(""),
    }
}

/// `display_name:name`, or the one that there is.
fn resource_name<'s>(display_name: Cow<'s, str>, name: Cow<'s, str>) -> Cow<'s, str> {
    match (display_name.is_empty(), name.is_empty()) {
        (true, _) => name,
        (false, true) => display_name,
        (false, false) => Cow::Owned(format!("{display_name}:{name}")),
    }
}

/// A name that Prometheus takes as a label's and does not keep for itself.
fn label_name(part: &str) -> Cow<'_, str> {
    let fits = |(place, byte): (usize, u8)| {
        byte.is_ascii_alphabetic() || byte == b'_' || (place > 0 && byte.is_ascii_digit())
    };
    if !part.is_empty() && !part.starts_with(RESERVED) && part.bytes().enumerate().all(fits) {
        return Cow::Borrowed(part);
    }
    // As `prometheus_client` does it.
    let fitting = |(place, character): (usize, char)| {
        let fits = character.is_ascii_alphabetic() || (place > 0 && character.is_ascii_digit());
        if fits { character } else { '_' }
    };
    let name: String = part.chars().enumerate().map(fitting).collect();
    let own = name.trim_start_matches('_');
    if name.starts_with(RESERVED) || own.is_empty() {
        Cow::Owned(format!("_{own}"))
    } else {
        Cow::Owned(name)
    }
}

#[cfg(test)]
mod tests {

    use model::json;

    use super::*;
    use crate::fixtures::sample;

    /// What is not empty, as it would be printed.
    fn printed(sample: &Sample) -> String {
        let labels = of(sample);
        assert!(labels.is_sorted_by(|(one, _), (two, _)| one < two), "{labels:?}");
        let shown = labels.iter().filter(|(_, value)| !value.is_empty());
        shown.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    fn made(name: &str, metadata: &str) -> Sample {
        let mut made = sample(name, "r", 1.into());
        made.resource_metadata = json::parse(metadata).unwrap().into();
        made
    }

    #[test]
    fn labels_are_ceilometers() {
        for (name, metadata, labels) in [
            (
                "cpu",
                "{}",
                "counter=cpu cpu=r project=p publisher=ceilometer resource=r type=cpu unit=B user=u",
            ),
            (
                "disk.device.read.latency",
                r#"{"display_name": "myserver", "name": "instance-2", "host": "H", "flavor": {"id": "F", "name": "tiny"}}"#,
                "counter=disk.device.read.latency disk=read flavor_id=F flavor_name=tiny project=p publisher=ceilometer \
                 resource=r resource_name=myserver:instance-2 server_group=none type=device unit=B user=u vm_instance=H",
            ),
            (
                "alarm.evaluation_result",
                r#"{"alarm_state": "ok", "user_metadata": {"server_group": "g"}}"#,
                "alarm=r counter=alarm.evaluation_result project=p publisher=ceilometer resource=r server_group=g \
                 state=ok type=evaluation_result unit=B user=u",
            ),
            (
                "volume.service.health",
                r#"{"host": "h", "binary": "cinder-volume", "zone": "nova", "status": "enabled"}"#,
                "binary=cinder-volume counter=volume.service.health project=p publisher=ceilometer resource=r \
                 server_group=none status=enabled type=service unit=B user=u vm_instance=h volume=health zone=nova",
            ),
            (
                "loadbalancer.operating",
                r#"{"name": "n", "availability_zone": "az"}"#,
                "availability_zone=az counter=loadbalancer.operating loadbalancer=r project=p publisher=ceilometer \
                 resource=r resource_name=n server_group=none type=operating unit=B user=u",
            ),
        ] {
            assert_eq!(printed(&made(name, metadata)), labels, "{name}");
        }
    }

    #[test]
    fn what_is_no_text_and_what_is_not_there() {
        let mut odd = made("cpu", r#"{"host": 7, "user_metadata": null, "flavor": "x", "name": 0}"#);
        odd.resource_id = Value::Null;
        odd.project_id = 17.into();
        odd.user_id = "".into();
        odd.unit = Value::Null;
        assert_eq!(
            printed(&odd),
            "counter=cpu project=17 publisher=ceilometer server_group=none type=cpu vm_instance=7"
        );
        odd.resource_metadata = "text".into();
        assert_eq!(printed(&odd), "counter=cpu project=17 publisher=ceilometer type=cpu");
    }

    #[test]
    fn the_names_depend_on_the_meter_alone() {
        let names =
            |sample: &Sample| of(sample).into_iter().map(|(name, _)| name.into_owned()).collect::<Vec<_>>();
        for name in ["cpu", "volume.service.health", "loadbalancer.x", "user.a.b"] {
            let mut bare = made(name, "{}");
            bare.user_id = Value::Null;
            let full =
                made(name, r#"{"host": "h", "flavor": {"id": 1}, "zone": "z", "availability_zone": "z"}"#);
            assert_eq!(names(&bare), names(&full));
        }
    }

    #[test]
    fn the_label_of_the_meters_first_part() {
        for (name, label) in [
            ("a-b.c", "a_b=r"),
            ("1x.y", "_x=r"),
            ("__name__.y", "_name__=r"),
            ("é😀.y", "_=r"),
            (".y", "_=r"),
            ("", "_=r"),
            ("Upper.y.z", "Upper=z"),
        ] {
            let printed = printed(&sample(name, "r", 1.into()));
            assert!(printed.split(' ').any(|seen| seen == label), "{name}: {printed}");
        }
        // A name of the list: its own value wins, if it has one.
        let mut clash = sample("user.x.y", "r", 1.into());
        assert!(printed(&clash).contains(" user=u"));
        clash.user_id = Value::Null;
        assert!(printed(&clash).contains(" user=y"));
    }
}
