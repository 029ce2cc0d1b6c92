//! Keeps health checks and the service manager's status line true to the states of listeners and publishers.

use std::convert::Infallible;
use std::time::Duration;

use notification::{DeadLetterOffice, DeadLetterState};
use observability::health::{Check, Scope};
use oslo_messaging::ListenerState;
use pipeline::{BufferState, SinkState};
use tokio::sync::watch;

use super::House;

/// How often the dead letters are looked at: commands take them away without telling the agent.
const DEAD_LETTERS_EVERY: Duration = Duration::from_secs(15);

/// Follows a listener: not ready while it is not consuming every queue.
pub(crate) fn listener(house: &House, name: &str, states: watch::Receiver<ListenerState>) {
    let manager = house.manager.clone();
    let name_in_status = name.to_owned();
    follow(house, name, states, move |check, state| {
        let place = state.endpoint.as_deref().unwrap_or("no host");
        if let Some(reason) = &state.blocked {
            check.degraded(format_args!("{place} blocks connections that publish: {reason}"));
        } else if state.is_ready() {
            check.ok();
            manager.status(&format!("{name_in_status}: consuming {} queues of {place}", state.consumers));
        } else {
            let error = state.last_error.as_deref().unwrap_or("connecting");
            let (consumers, queues) = (state.consumers, state.queues);
            check.failed(format_args!("{place}: {consumers} of {queues} queues consumed: {error}"));
            manager.status(&format!("{name_in_status}: {place}: {error}"));
        }
    });
}

/// Follows a publisher: degraded while it does not accept; its records wait.
pub(crate) fn publisher(house: &House, name: &str, states: watch::Receiver<SinkState>) {
    follow(house, name, states, |check, state| match state {
        SinkState::Working => check.ok(),
        SinkState::Failing { attempts, error } => {
            check.degraded(format_args!("{attempts} attempts failed, records are kept: {error}"));
        }
    });
}

/// Follows the dead letters: degraded while what cannot be processed is lost, or goes round.
pub(crate) fn dead_letters(house: &House, office: DeadLetterOffice) {
    follow(house, "dead-letters", office.state(), |check, state| match state {
        DeadLetterState { error: Some(error), .. } => {
            check.degraded(format_args!("messages that cannot be processed go back to their queue: {error}"));
        }
        DeadLetterState { is_full: true, usage, .. } => {
            let (bytes, files) = (usage.bytes, usage.files);
            check.degraded(format_args!(
                "full ({bytes} bytes in {files} files): messages that cannot be processed are lost; see `nephoscope \
                 dead-letter list`"
            ));
        }
        DeadLetterState { .. } => check.ok(),
    });
    let token = house.supervisor.token().clone();
    house.supervisor.spawn_once("dead-letters", async move {
        loop {
            let looking = office.clone();
            // A panic in there has been logged; the next look comes soon.
            let _ = tokio::task::spawn_blocking(move || looking.look()).await;
            tokio::select! {
                () = token.cancelled() => break,
                () = tokio::time::sleep(DEAD_LETTERS_EVERY) => {}
            }
        }
        Ok::<(), Infallible>(())
    });
}

/// Follows a publisher's buffer: degraded while it takes nothing more, or while its oldest record is too old.
pub(crate) fn buffer(house: &House, name: &str, states: watch::Receiver<BufferState>) {
    follow(house, &format!("buffer:{name}"), states, |check, state| {
        match (&state.problem, state.old_minutes) {
            (Some(problem), _) => check.degraded(format_args!("the input is held back: {problem}")),
            (None, Some(minutes)) => {
                check.degraded(format_args!("the oldest record has waited for {minutes} minutes"));
            }
            (None, None) => check.ok(),
        }
    });
}

fn follow<S: Clone + Send + Sync + 'static>(
    house: &House,
    name: &str,
    mut states: watch::Receiver<S>,
    apply: impl Fn(&Check, &S) + Send + 'static,
) {
    let check = house.health.register(name, Scope::Ready);
    let token = house.supervisor.token().clone();
    house.supervisor.spawn_once(format!("watch:{name}"), async move {
        loop {
            let state = states.borrow_and_update().clone();
            apply(&check, &state);
            tokio::select! {
                () = token.cancelled() => break,
                changed = states.changed() => if changed.is_err() { break },
            }
        }
        Ok::<(), Infallible>(())
    });
}
