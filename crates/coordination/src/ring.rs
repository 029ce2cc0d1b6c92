//! [`HashRing`]: who has what.
//!
//! Each member has points on a ring of 2¹²⁸ places; what is shared has one place, and belongs to the member whose point
//! comes next. One that comes or goes changes the owners of its own part and of nothing else.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

/// Points of a member of weight 1.
pub const POINTS: u32 = 32;
/// The greatest weight that counts, so that nonsense in the back end costs no memory.
const MAX_WEIGHT: u32 = 1024;

/// tooz's ring (`tooz/hashring.py`) of MD5 and 32 points a member and weight. Equal members make equal rings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashRing {
    members: BTreeMap<String, u32>,
    /// Points in rising order, and whose they are.
    points: Vec<(u128, String)>,
}

impl HashRing {
    /// The ring of members with their weights. One of weight 0 has nothing.
    pub fn new(members: impl IntoIterator<Item = (String, u32)>) -> Self {
        let members: BTreeMap<String, u32> = members.into_iter().collect();
        let mut points = BTreeMap::new();
        for (member, weight) in &members {
            // Each point is the digest of the member's name written once more than for the one before, twice for the first.
            let mut digest = Md5::new_with_prefix(member);
            for _ in 0..POINTS * (*weight).min(MAX_WEIGHT) {
                digest.update(member);
                points.insert(place(digest.clone()), member.clone());
            }
        }
        Self { members, points: points.into_iter().collect() }
    }

    /// Whose `key` is; nobody's if there is no member.
    #[must_use]
    pub fn owner(&self, key: &str) -> Option<&str> {
        let place = place(Md5::new_with_prefix(key));
        let next = self.points.partition_point(|(point, _)| *point <= place);
        let (_, owner) = self.points.get(next).or_else(|| self.points.first())?;
        Some(owner)
    }

    /// The members with their weights.
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<String, u32> {
        &self.members
    }
}

fn place(digest: Md5) -> u128 {
    u128::from_be_bytes(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ring(members: &[(&str, u32)]) -> HashRing {
        HashRing::new(members.iter().map(|(member, weight)| ((*member).to_owned(), *weight)))
    }

    /// From tooz 9.1.
    #[test]
    fn the_ring_is_toozs() {
        let ring = ring(&[("a1", 1), ("b2", 1), ("c3", 1)]);
        assert_eq!(ring.points.len(), 96);
        let smallest: Vec<u128> = ring.points.iter().take(3).map(|(point, _)| *point).collect();
        assert_eq!(
            smallest,
            [
                10_366_695_106_778_173_113_293_273_413_840_152_412,
                13_683_276_501_746_514_829_445_054_441_588_417_662,
                14_485_077_636_692_574_893_827_163_162_580_837_709
            ]
        );
        for (key, owner) in [
            ("r1", "c3"),
            ("r2", "b2"),
            ("r3", "b2"),
            ("<Volume: v1>", "c3"),
            ("11111111-2222-3333-4444-555555555555", "c3"),
        ] {
            assert_eq!(ring.owner(key), Some(owner), "{key}");
        }
    }

    #[test]
    fn nobody_and_those_without_weight_have_nothing() {
        assert_eq!(HashRing::default().owner("r"), None);
        assert_eq!(ring(&[("a", 0)]).owner("r"), None);
        assert_eq!(ring(&[("a", 0), ("b", 1)]).owner("r"), Some("b"));
        assert_eq!(ring(&[("a", u32::MAX)]).points.len(), 32 * 1024);
    }

    proptest! {
        /// Whoever comes takes from the others and moves nothing between them; going again gives it back.
        #[test]
        fn a_member_that_comes_moves_only_what_it_gets(
            members in proptest::collection::btree_map("[a-z0-9-]{1,8}", 1_u32..4, 1..6),
            keys in proptest::collection::vec(".{0,12}", 1..50),
        ) {
            let before = HashRing::new(members.clone());
            let more = members.into_iter().chain([("the newcomer".to_owned(), 1)]);
            let after = HashRing::new(more);
            for key in &keys {
                let (old, new) = (before.owner(key), after.owner(key));
                prop_assert!(old == new || new == Some("the newcomer"));
            }
        }
    }
}
