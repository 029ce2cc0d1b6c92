//! Starts the workers of publishers, with their buffers, dead letters and health checks.

use std::convert::Infallible;

use pipeline::{RecordLetters, Workers};

use super::{Buffers, House, watch};

/// Starts them.
pub(super) fn start(house: &House, mut workers: Workers, letters: &RecordLetters, buffers: Option<&Buffers>) {
    workers.with_dead_letters(letters);
    for (name, state) in workers.states() {
        watch::publisher(house, name, state);
    }
    for (name, state) in buffers.into_iter().flat_map(|buffers| buffers.attach(&mut workers)) {
        watch::buffer(house, &name, state);
    }
    for (name, task) in workers.into_tasks(house.supervisor.token()) {
        house.supervisor.spawn_once(name, async move {
            task.await;
            Ok::<(), Infallible>(())
        });
    }
}
