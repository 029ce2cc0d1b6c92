//! [`Past`]: what counters of network interfaces were when they were read last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::pollster::Seen;
use super::{Nic, NicDefinition, Survey};

/// A task that has not run for so many of its intervals is not there any more.
const INTERVALS_KEPT: f64 = 10.0;

/// The last readings of a pollster, for each task by itself: tasks have other intervals.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<Vec<OfTask>>);

#[derive(Debug, Default)]
struct OfTask {
    /// Its number, which is its interval; there are few.
    task: u64,
    ended: f64,
    /// Mostly in the order in which they are read.
    instances: Vec<OfInstance>,
    /// Where each is among them, by its id.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct OfInstance {
    id: String,
    counters: Vec<Counter>,
}

/// What is known of a task.
fn of_task(tasks: &mut [OfTask], task: u64) -> Option<&mut OfTask> {
    tasks.iter_mut().find(|of| of.task == task)
}

impl OfTask {
    /// The counters of an instance, which probably is the `hint`th.
    fn of(&mut self, hint: usize, id: &str) -> Option<&mut Vec<Counter>> {
        let is_hinted = self.instances.get(hint).is_some_and(|of| of.id == id);
        let place = if is_hinted { hint } else { *self.places.get(id)? };
        self.instances.get_mut(place).map(|of| &mut of.counters)
    }

    fn add(&mut self, id: &str, counter: Counter) {
        self.places.insert(id.to_owned(), self.instances.len());
        self.instances.push(OfInstance { id: id.to_owned(), counters: vec![counter] });
    }

    /// Forgets what is not in the survey.
    fn retain(&mut self, survey: &Survey) {
        let now = survey.monotonic_time;
        self.instances.retain_mut(|of| {
            // Those that were read just now are there, which nearly all are.
            if !of.counters.is_empty() && of.counters.iter().all(|counter| counter.is_read_at(now)) {
                return true;
            }
            let Some(inspection) = survey.domains.get(&of.id) else { return false };
            of.counters.retain(|counter| inspection.nics.iter().any(|nic| counter.is_of(nic)));
            true
        });
        if self.places.len() != self.instances.len() {
            self.places =
                self.instances.iter().enumerate().map(|(place, of)| (of.id.clone(), place)).collect();
        }
    }
}

/// Device and address together are an interface: another one may get either of them.
#[derive(Debug)]
struct Counter {
    definition: Arc<NicDefinition>,
    value: u64,
    seconds: f64,
}

impl Counter {
    fn is_read_at(&self, seconds: f64) -> bool {
        self.seconds.total_cmp(&seconds).is_eq()
    }

    fn is_of(&self, nic: &Nic) -> bool {
        let known = &self.definition;
        Arc::ptr_eq(known, &nic.definition) || known.device == nic.device && known.mac == nic.mac
    }
}

/// How a counter has grown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub(super) amount: u64,
    pub(super) seconds: f64,
}

impl Change {
    /// None if no time has passed.
    #[expect(clippy::cast_precision_loss, reason = "a rate is not exact")]
    pub(super) fn per_second(self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.amount as f64 / self.seconds)
    }
}

impl Past {
    /// The change since the task's last reading, which `value` takes the place of. One that is smaller than before began
    /// at zero since, and all of it is new.
    pub(super) fn change(&self, seen: Seen<'_>, nic: &Nic, value: u64) -> Option<Change> {
        let now = seen.survey.monotonic_time;
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Counter { definition: Arc::clone(&nic.definition), value, seconds: now };
        let Some(task) = of_task(&mut tasks, seen.task) else {
            let mut task = OfTask { task: seen.task, ended: now, ..OfTask::default() };
            task.add(&seen.instance.id, new());
            tasks.push(task);
            return None;
        };
        let Some(counters) = task.of(seen.place, &seen.instance.id) else {
            task.add(&seen.instance.id, new());
            return None;
        };
        let Some(last) = counters.iter_mut().find(|counter| counter.is_of(nic)) else {
            counters.push(new());
            return None;
        };
        let amount = value.checked_sub(last.value).unwrap_or(value);
        let change = Change { amount, seconds: now - last.seconds };
        (last.value, last.seconds) = (value, now);
        Some(change)
    }

    /// The instance does not run: its counters begin at zero when it does.
    pub(super) fn stopped(&self, seen: Seen<'_>) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = of_task(&mut tasks, seen.task).and_then(|task| task.of(seen.place, &seen.instance.id));
        for counter in counters.into_iter().flatten() {
            counter.value = 0;
        }
    }

    /// A run of the task has ended. Forgets what is not in the survey, and tasks that do not run any more.
    pub(super) fn forget(&self, survey: &Survey, task: u64) {
        let now = survey.monotonic_time;
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = of_task(&mut tasks, task) {
            task.ended = now;
            task.retain(survey);
        }
        #[expect(clippy::cast_precision_loss, reason = "an interval has few digits")]
        tasks.retain(|kept| kept.task == task || now - kept.ended <= INTERVALS_KEPT * kept.task as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::super::roll::Observed;
    use super::super::testing::{inspection, instance, survey};
    use super::*;

    #[test]
    fn a_task_that_does_not_run_any_more_is_forgotten() {
        let past = Past::default();
        let (instance, inspection) = (Arc::new(instance("u1")), inspection());
        let run = |task, seconds| {
            let survey = survey(seconds, [("u1", inspection.clone())]);
            let subjects = &Observed::of(&instance, &survey).unwrap().subjects;
            let seen = Seen {
                instance: &instance,
                inspection: &inspection,
                subjects,
                survey: &survey,
                task,
                place: 0,
            };
            let change = past.change(seen, &inspection.nics[0], 1);
            past.forget(&survey, task);
            change.is_some()
        };
        assert!(!run(60, 0.0) && !run(300, 0.0) && run(60, 599.0));
        assert!(run(300, 1199.0), "600 s after its last run, the other task is still there");
        assert_eq!(past.0.lock().unwrap().len(), 2);
        assert!(run(300, 1201.0));
        assert_eq!(past.0.lock().unwrap().len(), 1);
        assert!(!run(60, 1202.0));
    }
}
