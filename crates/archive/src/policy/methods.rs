//! The list of methods of a policy, with its signs.

use crate::method::{Method, MethodSet, UnknownMethod};

/// What a list of aggregation methods means: names, `*` for all of them, and names with a sign.
///
/// With `*`, it starts from all methods; if every entry has a sign, and also if there is none, from `defaults`;
/// otherwise from the names without one. Then `-x` takes a method away and `+x` adds one, in the order of the list.
pub fn expand_methods<'a>(
    entries: impl IntoIterator<Item = &'a str>,
    defaults: MethodSet,
) -> Result<MethodSet, UnknownMethod> {
    let mut plain = MethodSet::EMPTY;
    let mut signed = Vec::new();
    let (mut every, mut all_signed) = (false, true);
    for entry in entries {
        let unknown = |_| UnknownMethod { name: entry.to_owned() };
        match entry.split_at_checked(1) {
            Some(("*", "")) => every = true,
            Some((sign @ ("-" | "+"), name)) => {
                signed.push((sign == "+", name.parse::<Method>().map_err(unknown)?));
            }
            _ => {
                plain.insert(entry.parse()?);
                all_signed = false;
            }
        }
    }
    let mut methods = if every {
        MethodSet::all()
    } else if all_signed {
        defaults
    } else {
        plain
    };
    for (added, method) in signed {
        if added { methods.insert(method) } else { methods.remove(method) }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ArchivePolicy;

    fn expand(entries: &[&str]) -> Vec<String> {
        let expanded = expand_methods(entries.iter().copied(), ArchivePolicy::default_methods()).unwrap();
        expanded.iter().map(|method| method.to_string()).collect()
    }

    #[test]
    fn signs_start_from_the_defaults() {
        assert_eq!(expand(&[]), ["mean", "sum", "min", "max", "count", "std"]);
        assert_eq!(expand(&["-mean", "+95pct"]), ["sum", "min", "max", "count", "std", "95pct"]);
        assert_eq!(expand(&["mean", "last"]), ["mean", "last"]);
        assert_eq!(expand(&["mean", "last", "-mean", "+rate:max"]), ["last", "rate:max"]);
        assert_eq!(expand(&["*", "-mean"]).len(), 215);
    }

    #[test]
    fn unknown_entries_are_named_as_written() {
        for entry in ["foo", "-foo", "+", "-", "", "**", "--mean", "-*", "é"] {
            let error = expand_methods(["mean", entry], MethodSet::EMPTY).unwrap_err();
            assert_eq!(error.name, entry);
        }
    }
}
