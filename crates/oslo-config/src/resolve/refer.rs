//! Which option a reference means.

use super::Resolver;
use crate::ini::quoted;
use crate::problem::{Origin, Problem};
use crate::registry::Slot;

impl Resolver<'_> {
    /// The option that a reference means: of the same group, else of `DEFAULT`.
    pub(super) fn refer(&self, slot: &Slot, name: &str, origin: &Origin) -> Result<usize, Option<Problem>> {
        let index = &self.index;
        let complain = |what: String, hint: &str| {
            let problem = if slot.opt.secret {
                // The name may be a part of a password with a dollar sign in it.
                Problem::new(
                    origin.clone(),
                    format!(
                        "a dollar sign in the value of option {} is followed by something that is no option's name",
                        slot.opt.name
                    ),
                )
                .hint("write $$ for a dollar sign")
            } else {
                Problem::new(
                    origin.clone(),
                    format!(
                        "{} in the value of option {} {what}",
                        quoted(&format!("${name}")),
                        slot.opt.name
                    ),
                )
                .hint(hint)
            };
            Err(Some(problem))
        };
        let own = match name.split_once('.') {
            Some(("DEFAULT", option)) => {
                return complain(
                    "names the group DEFAULT, which references must not name".to_owned(),
                    &format!("write ${{{option}}}, or $$ for a dollar sign"),
                );
            }
            Some((group, option)) if index.has_group(group) => {
                index.get(group, option).or_else(|| index.former(group, option))
            }
            Some((group, _)) => {
                let near = crate::suggest::nearest(group, index.groups());
                let hint = match near {
                    Some(near) => format!("did you mean the group {near}? Write $$ for a dollar sign"),
                    None => "write $$ for a dollar sign, and ${name} where a dot follows the name".to_owned(),
                };
                return complain(format!("names a group that does not exist, {}", quoted(group)), &hint);
            }
            None => index.get(&slot.group, name).or_else(|| index.former(&slot.group, name)),
        };
        if let Some(number) = own {
            return Ok(number);
        }
        if index.has_group(name) {
            return complain(
                "names a group, not an option".to_owned(),
                "write ${group.option}, or $$ for a dollar sign",
            );
        }
        if let Some(number) = index.get("DEFAULT", name).or_else(|| index.former("DEFAULT", name)) {
            return Ok(number);
        }
        let candidates = self
            .slots
            .iter()
            .filter(|other| other.group == slot.group || other.group == "DEFAULT")
            .map(|other| other.opt.name);
        let hint = match crate::suggest::nearest(name, candidates) {
            Some(near) => format!("did you mean ${near}? Write $$ for a dollar sign"),
            None => "write $$ for a dollar sign".to_owned(),
        };
        complain("names no option".to_owned(), &hint)
    }
}
