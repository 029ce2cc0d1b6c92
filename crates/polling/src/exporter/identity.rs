//! [`identity`]: which series are of the same thing, whatever is said of it.

/// Labels that describe a resource and may change while it stays what it is.
const CHANGING: [&str; 11] = [
    "availability_zone",
    "flavor_id",
    "flavor_name",
    "project",
    "project_name",
    "resource_name",
    "server_group",
    "status",
    "user",
    "user_name",
    "vm_instance",
];

/// The labels of a series (`{name="value",…}`) without those that may change.
pub(super) fn identity(labels: &str) -> String {
    let mut kept = String::with_capacity(labels.len());
    let mut rest = labels.trim_start_matches('{');
    while let Some((name, after)) = rest.split_once("=\"") {
        // A quote of the value has a backslash before it.
        let mut is_escaped = false;
        let end = after.bytes().position(|byte| {
            let ends = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            ends
        });
        let (value, after) = after.split_at(end.unwrap_or(after.len()));
        let name = name.trim_start_matches(['"', ',']);
        if !CHANGING.contains(&name) {
            kept.push_str(name);
            kept.push_str("=\"");
            kept.push_str(value);
            kept.push('"');
        }
        rest = after;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_describes_a_resource_is_no_part_of_it() {
        for (labels, expected) in [
            ("", ""),
            (r#"{counter="cpu",flavor_name="m1",resource="r",user="u"}"#, r#"counter="cpu"resource="r""#),
            (r#"{resource="r",state="ok"}"#, r#"resource="r"state="ok""#),
            (r#"{a="x\"user=\"y",flavor_id="\\",resource="r\\"}"#, r#"a="x\"user=\"y"resource="r\\""#),
            (r#"{flavor_name=""}"#, ""),
            (r#"{a="torn"#, r#"a="torn""#),
        ] {
            assert_eq!(identity(labels), expected, "{labels}");
        }
    }
}
