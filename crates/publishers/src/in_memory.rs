//! `test://`: keeps records in memory. Samples and events.
//!
//! **Accepted** means kept until the process ends, or until newer records have taken their place: unlike Ceilometer's, which
//! grows for ever, it holds the newest [`KEPT`] records. Nobody can look at them but a test of this crate; it serves
//! pipelines whose routing is tried out (`nephoscope tap` shows what goes there).

use std::collections::VecDeque;
use std::sync::Arc;

use pipeline::{Publisher, Records, Refusals};

use crate::witness::Witness;

/// How many records are kept.
pub const KEPT: usize = 1000;

/// Keeps the newest records.
#[derive(Debug, Default)]
pub struct TestPublisher {
    kept: VecDeque<Records>,
    total: u64,
    witness: Witness,
}

impl TestPublisher {
    /// A publisher that has nothing yet. Ceilometer's takes any URL, and so does this.
    #[must_use]
    pub fn new(witness: Witness) -> Self {
        Self { witness, ..Self::default() }
    }

    /// What is kept, the oldest first, each record in a group of its own.
    pub fn kept(&self) -> impl Iterator<Item = &Records> {
        self.kept.iter()
    }

    /// How many records have come.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    fn keep(&mut self, record: Records) {
        self.kept.push_back(record);
        self.total += 1;
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }
}

impl Publisher for TestPublisher {
    fn publish(&mut self, groups: Arc<[Records]>) -> pipeline::Publishing<'_> {
        Box::pin(async move {
            for records in groups.iter() {
                match records {
                    Records::Samples(samples) => {
                        for sample in samples {
                            self.keep(Records::Samples(vec![Arc::clone(sample)]));
                        }
                    }
                    Records::Events(events) => {
                        for event in events {
                            self.keep(Records::Events(vec![Arc::clone(event)]));
                        }
                    }
                }
            }
            self.witness.tell(|| format!("  {} records kept in memory", self.kept.len()));
            Ok(Refusals::default())
        })
    }
}
