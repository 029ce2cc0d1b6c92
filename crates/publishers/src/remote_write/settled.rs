//! [`Settled`]: samples that were taken in attempts that failed later on.

use std::collections::HashSet;

/// Most samples that are remembered: more than wait in memory.
const MOST: usize = 100_000;

/// Numbers that stand for samples. They are left out when they are offered again, and forgotten when that has succeeded.
#[derive(Debug, Default)]
pub(super) struct Settled(HashSet<u64>);

impl Settled {
    /// Remembers samples that need not be sent again. They come again soon, so that what has been here for long is given up
    /// when there are too many.
    pub(super) fn remember(&mut self, identities: Vec<u64>) {
        if self.0.len() + identities.len() > MOST {
            self.0.clear();
        }
        self.0.extend(identities.into_iter().take(MOST));
    }

    /// Takes out of `offered` what need not be sent again, and says what it was.
    pub(super) fn leave_out<T>(&self, offered: &mut Vec<T>, identity: impl Fn(&T) -> u64) -> Vec<u64> {
        let mut left_out = Vec::new();
        if !self.0.is_empty() {
            offered.retain(|one| {
                let identity = identity(one);
                let is_settled = self.0.contains(&identity);
                if is_settled {
                    left_out.push(identity);
                }
                !is_settled
            });
        }
        left_out
    }

    /// Forgets samples that do not come again.
    pub(super) fn forget(&mut self, identities: &[u64]) {
        for identity in identities {
            self.0.remove(identity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_left_out_until_all_has_succeeded() {
        let mut settled = Settled::default();
        settled.remember(vec![1, 2]);
        for _ in 0..2 {
            let mut offered = vec![1, 3, 4];
            assert_eq!(settled.leave_out(&mut offered, |one| *one), [1]);
            assert_eq!(offered, [3, 4]);
        }
        settled.forget(&[1]);
        assert_eq!(settled.0.len(), 1);
        settled.remember((0..2 * MOST as u64).collect());
        assert_eq!(settled.0.len(), MOST);
    }
}
