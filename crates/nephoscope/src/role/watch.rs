//! Keeps health checks and the service manager's status line true to the states of listeners and publishers.

use std::convert::Infallible;

use observability::health::{Check, Scope};
use oslo_messaging::ListenerState;
use pipeline::{BufferState, SinkState};
use tokio::sync::watch;

use super::House;

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
