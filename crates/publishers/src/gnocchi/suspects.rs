//! Records that Gnocchi fails at although it works: 5xx for this one, for ever, and 2xx for others.
//!
//! An attempt that ends with 5xx says nothing about what was sent: the server may be ill. So it is only from the
//! [`PATIENT_ATTEMPTS`]th such attempt of an offer on that its records are told apart: batches are halved, and what fails
//! alone is put aside while the others go on. Before that begins, after [`IN_A_ROW`] failures without a success, and when
//! something was put aside, Gnocchi's *health* is examined: a measure that it has taken before is sent again, and a resource
//! that it has is created again, which says 2xx and 409 as long as both its storage and its index can be written to. A
//! Gnocchi that fails this test, or of which nothing is known yet, holds everything back.
//!
//! A record is given up when it failed alone [`TRIALS`] times with a healthy Gnocchi, over `give_up_after` at least. The
//! metric or resource that it was about is remembered for a while: its next record is given up at once when it fails alone
//! and Gnocchi is healthy, lest each of them holds the others back as long.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use model::Map;
use tokio::time::Instant;

use super::batch::{Entry, body, compact};
use super::client::{Failure, Later, path};
use super::progress::Progress;
use super::writer::{MEASURES, Writer};

/// Attempts of an offer that may end with 5xx before it is asked which record is at fault.
const PATIENT_ATTEMPTS: u32 = 3;
/// Failures without a success after which it is asked whether Gnocchi works at all.
const IN_A_ROW: u32 = 100;
/// How often something must have failed alone with a healthy Gnocchi.
const TRIALS: u32 = 5;
/// How long it is remembered what was given up.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How much of it is remembered.
const GUILTY: usize = 1_000;
/// The cause of what is given up.
pub(super) const CAUSE: &str = "server_error";

/// What failed alone: a metric, a resource or an event, in words.
type Subject = String;

/// How often something failed alone, and since when.
#[derive(Debug, Clone, Copy)]
struct Trial {
    times: u32,
    since: Instant,
}

/// What is known of the failures of one offer.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Attempts that ended with 5xx.
    pub(super) attempts: u32,
    trials: HashMap<Subject, Trial>,
    /// Records that have failed alone in this attempt, and what Gnocchi said.
    aside: BTreeMap<usize, (Subject, String)>,
}

impl Faults {
    pub(super) fn is_aside(&self, place: usize) -> bool {
        self.aside.contains_key(&place)
    }

    /// Leaves a record for the end of this attempt.
    pub(super) fn put_aside(&mut self, place: usize, subject: Subject, said: String) {
        self.aside.insert(place, (subject, said));
    }

    /// Another attempt begins.
    pub(super) fn begin(&mut self) {
        self.aside.clear();
    }

    /// Counts a failure of something alone with a healthy Gnocchi; returns whether that is enough.
    fn is_enough(&mut self, subject: &str, now: Instant, give_up_after: Duration) -> bool {
        let trial = self.trials.entry(subject.to_owned()).or_insert(Trial { times: 0, since: now });
        trial.times += 1;
        trial.times >= TRIALS && now.duration_since(trial.since) >= give_up_after
    }
}

/// Something that Gnocchi has accepted, to be sent again.
#[derive(Debug, Clone)]
pub(super) struct Witness {
    /// The resource.
    id: Arc<str>,
    /// The body of a request with one measure of it, if it was a measure.
    measure: Option<Vec<u8>>,
}

/// What was given up, and until when that is remembered.
#[derive(Debug, Default)]
pub(super) struct Guilty(HashMap<Subject, Instant>);

impl Guilty {
    fn knows(&self, subject: &str, now: Instant) -> bool {
        self.0.get(subject).is_some_and(|until| now < *until)
    }

    fn add(&mut self, subject: Subject, now: Instant) {
        self.0.retain(|_, until| now < *until);
        if self.0.len() < GUILTY || self.0.contains_key(&subject) {
            self.0.insert(subject, now + REMEMBERED);
        }
    }
}

/// One attempt's search for what Gnocchi fails at.
#[derive(Debug)]
pub(super) struct Search {
    /// Otherwise the first failure ends the attempt.
    pub(super) is_on: bool,
    is_examined: bool,
    in_a_row: u32,
}

impl Search {
    /// Something was accepted, or refused in words.
    pub(super) fn passed(&mut self) {
        self.in_a_row = 0;
    }
}

impl Writer {
    /// Whether this attempt tells records apart.
    pub(super) fn begin_search(&self, progress: &Progress) -> Search {
        let now = Instant::now();
        let knows_guilty = self.guilty().0.values().any(|until| now < *until);
        let is_on = progress.faults.attempts >= PATIENT_ATTEMPTS || knows_guilty;
        Search { is_on, is_examined: false, in_a_row: 0 }
    }

    /// Whether to go on with other records behind a failure; then it returns what the failure said.
    ///
    /// # Errors
    /// The failure itself: nobody knows whether it has to do with what was sent.
    pub(super) async fn go_on(&self, search: &mut Search, later: Later) -> Result<String, Later> {
        if !search.is_on || !later.is_server_error {
            return Err(later);
        }
        search.in_a_row += 1;
        let is_long = search.in_a_row >= IN_A_ROW;
        if !search.is_examined || is_long {
            search.is_examined = true;
            match self.is_healthy().await {
                Some(true) => search.in_a_row = 0,
                // Something of this attempt may still be accepted.
                None if !is_long => {}
                None | Some(false) => return Err(later),
            }
        }
        Ok(later.message)
    }

    /// Decides about the records that were put aside.
    ///
    /// # Errors
    /// [`Later`] while some of them are to be tried again.
    pub(super) async fn settle(&self, progress: &mut Progress) -> Result<(), Later> {
        if progress.faults.aside.is_empty() {
            return Ok(());
        }
        let aside = std::mem::take(&mut progress.faults.aside);
        let subjects: HashSet<Subject> = aside.values().map(|(subject, _)| subject.clone()).collect();
        let given_up = self.judge(progress, subjects).await;
        let mut open = 0;
        let mut first = None;
        for (place, (subject, said)) in aside {
            if given_up.contains(&subject) {
                progress.refuse(place, CAUSE, format!("Gnocchi fails at {subject} and takes others: {said}"));
            } else {
                open += 1;
                first.get_or_insert((subject, said));
            }
        }
        first.map_or(Ok(()), |(subject, said)| Err(waiting(open, &subject, &said)))
    }

    /// Which of these, each of which has just failed alone, are given up.
    pub(super) async fn judge(
        &self,
        progress: &mut Progress,
        subjects: HashSet<Subject>,
    ) -> HashSet<Subject> {
        let mut given_up = HashSet::new();
        if subjects.is_empty() || self.is_healthy().await != Some(true) {
            return given_up;
        }
        let now = Instant::now();
        for subject in subjects {
            let is_enough = progress.faults.is_enough(&subject, now, self.give_up_after);
            let mut guilty = self.guilty();
            if is_enough || guilty.knows(&subject, now) {
                tracing::warn!("Gnocchi fails at {subject} and takes others: given up");
                guilty.add(subject.clone(), now);
                given_up.insert(subject);
            }
        }
        given_up
    }

    /// Whether Gnocchi can write measures and resources now. `None`: it has accepted nothing yet that could tell.
    async fn is_healthy(&self) -> Option<bool> {
        let witness = self.witness().clone()?;
        let known = match &witness.measure {
            Some(measure) => self.client.post(MEASURES, measure.clone()).await.map(drop),
            None => self.client.get(&path(&["resource", "generic", &witness.id])).await.map(drop),
        };
        match known {
            Ok(()) => {}
            Err(Failure::Later(_)) => return Some(false),
            Err(Failure::Refused(_)) => {
                // It has been deleted since.
                *self.witness() = None;
                return None;
            }
        }
        let id: Map = [("id", &*witness.id)].into_iter().collect();
        match self.client.post(&path(&["resource", "generic"]), compact(id)).await {
            Err(Failure::Refused(rejection)) => Some(rejection.status == 409),
            Err(Failure::Later(_)) => Some(false),
            Ok(_) => {
                // It was deleted a moment ago; ours must not stay.
                let _ = self.client.delete(&path(&["resource", "generic", &witness.id])).await;
                *self.witness() = None;
                None
            }
        }
    }

    /// Gnocchi has accepted a part of a batch.
    pub(super) fn remember_measure(&self, entries: &[Entry<'_>]) {
        if let Some(last) = entries.last() {
            let measure = Some(body(std::slice::from_ref(last)));
            *self.witness() = Some(Witness { id: Arc::clone(&last.resource), measure });
        }
    }

    /// Gnocchi has accepted a change of a resource.
    pub(super) fn remember_resource(&self, id: &str) {
        let mut witness = self.witness();
        // A measure says more.
        if witness.as_ref().is_none_or(|known| known.measure.is_none()) {
            *witness = Some(Witness { id: id.into(), measure: None });
        }
    }

    fn witness(&self) -> MutexGuard<'_, Option<Witness>> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn guilty(&self) -> MutexGuard<'_, Guilty> {
        self.guilty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records wait for what Gnocchi fails at.
pub(super) fn waiting(count: usize, subject: &str, said: &str) -> Later {
    let message = format!("{count} records that Gnocchi fails at are tried again, of them {subject}: {said}");
    Later { is_server_error: true, ..Later::new(CAUSE, message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enough_is_a_number_of_trials_and_a_time() {
        let (mut faults, start) = (Faults::default(), Instant::now());
        let mut at =
            |seconds| faults.is_enough("m", start + Duration::from_secs(seconds), Duration::from_mins(1));
        let seen = [0, 1, 2, 3, 4, 59, 60].map(&mut at);
        assert_eq!(seen, [false, false, false, false, false, false, true]);
        // Seldom tried: long enough, and not often enough.
        let seen = [0, 100, 200, 300, 400].map(|seconds| {
            faults.is_enough("n", start + Duration::from_secs(seconds), Duration::from_mins(1))
        });
        assert_eq!(seen, [false, false, false, false, true]);
    }

    #[test]
    fn what_was_given_up_is_remembered_within_bounds() {
        let (mut guilty, now) = (Guilty::default(), Instant::now());
        for number in 0..2 * GUILTY {
            guilty.add(number.to_string(), now);
        }
        assert!(guilty.knows("0", now) && !guilty.knows("0", now + REMEMBERED));
        assert_eq!(guilty.0.len(), GUILTY);
        guilty.add("later".into(), now + REMEMBERED);
        assert_eq!(guilty.0.len(), 1);
    }
}
