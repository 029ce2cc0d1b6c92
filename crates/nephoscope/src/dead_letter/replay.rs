//! `nephoscope dead-letter replay`.

mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use anyhow::{Context as _, anyhow};
use buffer::dead_letters::{DeadLetters, Letter, LetterId, Lock, Refused, Stored};
use oslo_config::Config;
use oslo_messaging::{Delivery, ListenerConfig, RepublishError, Republished, Republisher};
use tokio::runtime::Runtime;

use self::records::RecordReplay;
use super::{SHOWN_ERRORS, count_of, each_selected, printable, report_missing};
use crate::check::with_sources;
use crate::cli::Selection;
use crate::role::Roles;
use crate::surroundings::Surroundings;
use crate::{complain, say};

/// Connections to the brokers that messages came from, and the publishers of records.
struct Replay<'c> {
    runtime: Rc<Runtime>,
    listeners: Vec<ListenerConfig>,
    connections: BTreeMap<String, Republisher>,
    records: RecordReplay<'c>,
    sent: usize,
    kept: usize,
}

/// Sends letters again, file by file, and takes those away that the broker has confirmed or the publisher accepted.
pub(super) fn replay(
    store: &DeadLetters,
    selection: &Selection,
    listeners: Vec<ListenerConfig>,
    config: &Config,
    roles: Roles,
    surroundings: &Surroundings,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let mut replay = Replay {
        runtime: Rc::new(runtime),
        listeners,
        connections: BTreeMap::new(),
        records: RecordReplay::new(config, roles, &surroundings.env),
        sent: 0,
        kept: 0,
    };
    let missing =
        each_selected(store, selection, |lock, file, letters| replay.file(store, lock, file, letters));
    for (_, connection) in std::mem::take(&mut replay.connections) {
        replay.runtime.block_on(connection.close());
    }
    let missing = match missing {
        Ok(missing) => missing,
        Err(error) if replay.sent > 0 => {
            return Err(error.context(format!("stopped after {} had been replayed", count_of(replay.sent))));
        }
        Err(error) => return Err(error),
    };
    say(format_args!("replayed {}", count_of(replay.sent)));
    if replay.kept > 0 {
        return Err(anyhow!("{} could not be sent and stay where they are", count_of(replay.kept)));
    }
    report_missing(&missing)
}

impl Replay<'_> {
    fn file(
        &mut self,
        store: &DeadLetters,
        lock: &Lock,
        file: &str,
        letters: Vec<Stored>,
    ) -> anyhow::Result<()> {
        let (records, messages): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|stored| stored.letter.refused.is_some());
        self.messages(store, lock, file, messages)?;
        self.records(store, lock, file, records)
    }

    fn records(
        &mut self,
        store: &DeadLetters,
        lock: &Lock,
        file: &str,
        letters: Vec<Stored>,
    ) -> anyhow::Result<()> {
        let mut by_publisher: BTreeMap<(String, String), (Refused, Vec<Stored>)> = BTreeMap::new();
        for stored in letters {
            let Some(refused) = stored.letter.refused.clone() else { continue };
            let key = (refused.publisher_key.clone(), refused.kind.clone());
            by_publisher.entry(key).or_insert_with(|| (refused, Vec::new())).1.push(stored);
        }
        for (refused, letters) in by_publisher.into_values() {
            let offered = self.records.offer(&self.runtime, &refused, letters)?;
            for (place, (id, reason)) in offered.refused.iter().enumerate() {
                if self.kept + place < SHOWN_ERRORS {
                    complain(format_args!("{id}: {}", printable(reason)));
                }
            }
            self.taken(store, lock, file, &offered.accepted)?;
            self.kept += offered.refused.len();
        }
        Ok(())
    }

    /// Takes letters away that are somebody else's now, whatever became of the others.
    fn taken(
        &mut self,
        store: &DeadLetters,
        lock: &Lock,
        file: &str,
        sent: &BTreeSet<LetterId>,
    ) -> anyhow::Result<()> {
        store.remove(lock, file, sent).with_context(|| {
            format!("{} of {file} were sent, and cannot be taken away: drop them", count_of(sent.len()))
        })?;
        self.sent += sent.len();
        Ok(())
    }

    fn messages(
        &mut self,
        store: &DeadLetters,
        lock: &Lock,
        file: &str,
        letters: Vec<Stored>,
    ) -> anyhow::Result<()> {
        let mut by_listener: BTreeMap<String, Vec<(LetterId, Delivery, String)>> = BTreeMap::new();
        for Stored { id, letter } in letters {
            let (listener, queue, delivery) = parts(letter);
            by_listener.entry(listener).or_default().push((id, delivery, queue));
        }
        for (listener, letters) in by_listener {
            let runtime = Rc::clone(&self.runtime);
            let connection = self.connection(&listener)?;
            let messages: Vec<Republished<'_>> =
                letters.iter().map(|(_, message, queue)| Republished { message, queue }).collect();
            let results = runtime.block_on(connection.publish(&messages));
            let mut confirmed = BTreeSet::new();
            let mut broken = None;
            let mut failed = 0;
            for ((id, ..), result) in letters.iter().zip(results) {
                match result {
                    Ok(()) => {
                        confirmed.insert(id.clone());
                    }
                    Err(error) => {
                        failed += 1;
                        if self.kept + failed <= SHOWN_ERRORS {
                            complain(format_args!("{id}: {error}"));
                        }
                        if !matches!(error, RepublishError::NoQueue { .. } | RepublishError::Name { .. }) {
                            broken.get_or_insert(error);
                        }
                    }
                }
            }
            self.taken(store, lock, file, &confirmed)?;
            self.kept += failed;
            if let Some(error) = broken {
                return Err(anyhow!(with_sources(&error)));
            }
        }
        Ok(())
    }

    /// The connection to the broker of the listener with that name.
    fn connection(&mut self, listener: &str) -> anyhow::Result<&mut Republisher> {
        let config = match self.listeners.as_slice() {
            // Its name may have been another one when there were several.
            [only] => only,
            several => several.iter().find(|config| config.name == listener).ok_or_else(|| {
                anyhow!("letters came from {listener}, of which [notification] messaging_urls knows nothing")
            })?,
        };
        match self.connections.entry(config.name.clone()) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let connected = self.runtime.block_on(Republisher::connect(config));
                Ok(place.insert(connected.map_err(|error| anyhow!(with_sources(&error)))?))
            }
        }
    }
}

/// A letter's listener, its queue, and the message as it was.
fn parts(letter: Letter) -> (String, String, Delivery) {
    let delivery = Delivery {
        routing_key: letter.routing_key,
        exchange: letter.exchange,
        content_type: letter.content_type,
        content_encoding: letter.content_encoding,
        compression: letter.compression,
        body: letter.body,
        ..Delivery::default()
    };
    (letter.listener, letter.queue, delivery)
}
