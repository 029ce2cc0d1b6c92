//! [`Lines`]: records as text, ready to be written.

use pipeline::Records;

use super::options::Format;

/// Lines, each with its end.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    lengths: Vec<usize>,
}

impl Lines {
    /// Adds the lines of `records`.
    pub(super) fn print(&mut self, records: &Records, format: Format) {
        match records {
            Records::Samples(samples) => {
                for sample in samples {
                    self.add(|line| match format {
                        Format::Json => sample.write_json(line),
                        Format::Python => sample.write_pytext(line),
                    });
                }
            }
            Records::Events(events) => {
                for event in events {
                    self.add(|line| match format {
                        Format::Json => event.write_json(line),
                        Format::Python => event.write_pytext(line),
                    });
                }
            }
        }
    }

    fn add(&mut self, print: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        print(&mut self.text);
        self.text.push(b'\n');
        self.lengths.push(self.text.len() - start);
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The length of each line in bytes, its end included.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().copied()
    }

    /// Forgets the lines and keeps the memory, unless that is large.
    pub(super) fn clear(&mut self, kept_bytes: usize) {
        self.text.clear();
        self.text.shrink_to(kept_bytes);
        self.lengths.clear();
        self.lengths.shrink_to(kept_bytes / 256);
    }
}
