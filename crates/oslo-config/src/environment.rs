//! The environment as a source of option values.

/// The variable that sets an option: `OS_<GROUP>__<OPTION>` in upper case.
pub(crate) fn variable(group: &str, name: &str) -> String {
    format!("OS_{}__{}", group.to_uppercase(), name.to_uppercase())
}

/// Group and option that a variable of that form names, in lower case (`DEFAULT` as it is).
pub(crate) fn parse(variable: &str) -> Option<(String, String)> {
    let (group, name) = variable.strip_prefix("OS_")?.split_once("__")?;
    if group.is_empty() || name.is_empty() {
        return None;
    }
    let group = if group == "DEFAULT" { group.to_owned() } else { group.to_lowercase() };
    Some((group, name.to_lowercase()))
}
