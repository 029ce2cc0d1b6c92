//! Comprehensions, element by element.

use std::sync::Arc;

use crate::ast::{Comprehension, Target};
use crate::error::{Outcome, type_error, value_error};
use crate::eval::Env;
use crate::limits::Machine;
use crate::value::{Object, iterator};

/// A comprehension that has given some of its elements.
pub(crate) struct Generator {
    comprehension: Arc<Comprehension>,
    /// For each clause that runs, its iterator and the variables that it sees.
    running: Vec<(Object, Env)>,
}

impl Generator {
    /// The first iterable is evaluated at once, as in Python.
    pub(crate) fn new(machine: &mut Machine, comprehension: &Arc<Comprehension>, env: &Env) -> Outcome<Self> {
        let mut running = Vec::new();
        if let Some(clause) = comprehension.clauses.first() {
            let iterable = machine.evaluate(&clause.iterable, env)?;
            let iterator = iterator::iterate(&iterable).map_err(|raised| raised.or_at(clause.iterable.at))?;
            running.push((iterator, env.clone()));
        }
        Ok(Self { comprehension: Arc::clone(comprehension), running })
    }

    /// The next element; of a dict's the pair.
    pub(crate) fn next(&mut self, machine: &mut Machine) -> Outcome<Option<Object>> {
        let comprehension = Arc::clone(&self.comprehension);
        loop {
            let Some((iterator, env)) = self.running.last() else { return Ok(None) };
            let Some(clause) = comprehension.clauses.get(self.running.len() - 1) else { return Ok(None) };
            let Some(item) = iterator::next(machine, iterator)? else {
                self.running.pop();
                continue;
            };
            let env = bind(machine, env, &clause.target, item)?;
            let mut is_wanted = true;
            for condition in &clause.conditions {
                if !machine.evaluate(condition, &env)?.is_truthy() {
                    is_wanted = false;
                    break;
                }
            }
            if !is_wanted {
                continue;
            }
            if let Some(inner) = comprehension.clauses.get(self.running.len()) {
                let iterable = machine.evaluate(&inner.iterable, &env)?;
                let iterator =
                    iterator::iterate(&iterable).map_err(|raised| raised.or_at(inner.iterable.at))?;
                self.running.push((iterator, env));
                continue;
            }
            let element = machine.evaluate(&comprehension.element, &env)?;
            return match &comprehension.value {
                None => Ok(Some(element)),
                Some(value) => {
                    let value = machine.evaluate(value, &env)?;
                    Ok(Some(Object::tuple(vec![element, value])))
                }
            };
        }
    }
}

fn bind(machine: &mut Machine, env: &Env, target: &Target, value: Object) -> Outcome<Env> {
    let Target::Tuple(targets) = target else { return Ok(env.with(value)) };
    let values = iterator::iterate(&value)
        .map_err(|_| type_error(format!("cannot unpack non-iterable {} object", value.type_name())))?;
    let values = iterator::collect(machine, &values)?;
    if values.len() != targets.len() {
        let wanted = targets.len();
        return Err(value_error(if values.len() > wanted {
            format!("too many values to unpack (expected {wanted})")
        } else {
            format!("not enough values to unpack (expected {wanted}, got {})", values.len())
        }));
    }
    let mut env = env.clone();
    for (target, value) in targets.iter().zip(values) {
        env = bind(machine, &env, target, value)?;
    }
    Ok(env)
}
