//! What a path can look at, worked out without data.

use super::ast::{Expr, Operand};

/// Tells `visit` the first field of each way that `expr` goes, and its second one if nothing but that can be seen behind
/// the first. `false` if `expr` may look anywhere.
pub(super) fn visit(expr: &Expr, visit: &mut dyn FnMut(&str, Option<&str>)) -> bool {
    match expr {
        Expr::Union(parts) => parts.iter().all(|part| self::visit(part, visit)),
        Expr::Operation(left, _, right) => [left, right].into_iter().all(|side| match &**side {
            Operand::Path(path) => self::visit(path, visit),
            Operand::Literal(_) => true,
        }),
        Expr::Chain(steps) => chain(steps, visit),
        single => chain(std::slice::from_ref(single), visit),
    }
}

fn chain(steps: &[Expr], visit: &mut dyn FnMut(&str, Option<&str>)) -> bool {
    let steps = match steps {
        [Expr::Root | Expr::This, rest @ ..] => rest,
        all => all,
    };
    let Some((Expr::Fields(firsts), rest)) = steps.split_first() else { return false };
    let seconds = match rest.first() {
        Some(Expr::Fields(seconds)) => seconds.as_slice(),
        _ => &[],
    };
    if !rest.iter().all(stays_below) {
        return false;
    }
    for first in firsts {
        if seconds.is_empty() {
            visit(first, None);
        }
        for second in seconds {
            visit(first, Some(second));
        }
    }
    true
}

/// Whether a step only goes on from what the steps before it found: not up, and not back to the root.
fn stays_below(step: &Expr) -> bool {
    match step {
        Expr::Root | Expr::Parent => false,
        Expr::Union(parts) | Expr::Chain(parts) => parts.iter().all(stays_below),
        Expr::Descendants(from, to) | Expr::Where(from, to) => stays_below(from) && stays_below(to),
        Expr::Operation(left, _, right) => [left, right].into_iter().all(|side| match &**side {
            Operand::Path(path) => stays_below(path),
            Operand::Literal(_) => true,
        }),
        Expr::Filter(conditions) => conditions.iter().all(|condition| stays_below(&condition.target)),
        Expr::Sort(keys) => keys.iter().all(|key| stays_below(&key.field)),
        Expr::This
        | Expr::Fields(_)
        | Expr::AnyField
        | Expr::Index(_)
        | Expr::Slice(..)
        | Expr::Intersect
        | Expr::Len
        | Expr::Split(_)
        | Expr::Sub(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::JsonPath;

    fn reach(path: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        let path = JsonPath::parse(path).unwrap();
        path.reach(&mut |first, second| {
            found.push(second.map_or(first.to_owned(), |second| format!("{first}.{second}")));
        })
        .then_some(found)
    }

    #[test]
    fn the_first_two_fields_of_every_way_are_told() {
        for (path, ways) in [
            ("payload", &["payload"] as &[_]),
            ("$.payload.a", &["payload.a"]),
            ("payload.a.b[0].c", &["payload.a"]),
            ("payload['a','b'].c", &["payload.a", "payload.b"]),
            ("(payload.a)|(ctxt.b)", &["payload.a", "ctxt.b"]),
            ("payload.*", &["payload"]),
            ("payload[0].a", &["payload"]),
            ("payload.a.`parent`.b", &[]),
            ("payload..a", &[]),
            ("*.a", &[]),
            ("$", &[]),
            ("payload.a.$.ctxt", &[]),
            ("payload.a[?(@.b == 1)].c", &["payload.a"]),
            ("$.payload.a + $.payload.b", &["payload.a", "payload.b"]),
            ("payload.a.`split(., 1, -1)`", &["payload.a"]),
            // `|` binds tighter than `.`.
            ("ctxt.user_id|ctxt.user", &["ctxt"]),
        ] {
            let ways = (!ways.is_empty()).then(|| ways.iter().map(|&way| way.to_owned()).collect());
            assert_eq!(reach(path), ways, "{path}");
        }
    }
}
