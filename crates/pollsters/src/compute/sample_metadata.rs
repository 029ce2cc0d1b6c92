//! [`SampleMetadata`]: what the samples of an instance say of it, made once and shared by all of them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use model::{Map, Metadata, Text, Value};

use super::{Disk, Instance, Nic, NicDefinition};

/// Variants that are kept. An instance that has had more devices than that in its time begins anew.
const VARIANTS_MAX: usize = 256;
/// What Ceilometer's text has for an instance without a name (`None`).
const NO_NAME: &str = "None";

/// The metadata of an instance's samples: what its discovery says, and variants of it with what a pollster adds.
///
/// A variant is made when it is first wanted and kept as long as the instance, so that a cycle of dozens of meters clones
/// no map as long as the discovery finds the same [`Instance`].
pub struct SampleMetadata {
    plain: Metadata,
    variants: Mutex<Vec<Variant>>,
}

struct Variant {
    of: Part,
    labels: Labels,
}

/// What samples of an instance, or of a part of it, carry.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    /// What was measured.
    pub(super) resource_id: Value,
    /// What is known of it.
    pub(super) metadata: Metadata,
}

/// What a variant is about. Everything that goes into it is here.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Whole,
    Processors(Option<u64>),
    Disk(Text),
    Nic(Arc<NicDefinition>),
}

impl Part {
    fn is_nic(&self, nic: &Nic) -> bool {
        matches!(self, Self::Nic(known) if Arc::ptr_eq(known, &nic.definition) || *known == nic.definition)
    }

    /// Whether the two cannot be at the same time.
    fn replaces(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Whole, Self::Whole) | (Self::Processors(_), Self::Processors(_)) => true,
            (Self::Disk(one), Self::Disk(other)) => one == other,
            (Self::Nic(one), Self::Nic(other)) => one.device == other.device,
            _ => false,
        }
    }
}

impl SampleMetadata {
    /// Without anything that pollsters add.
    #[must_use]
    pub fn plain(&self) -> &Metadata {
        &self.plain
    }

    /// The variant that is `wanted`, made if it is not there.
    fn variant(&self, wanted: impl Fn(&Part) -> bool, make: impl FnOnce() -> (Part, Labels)) -> Labels {
        let mut variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = variants.iter().find(|variant| wanted(&variant.of)) {
            return known.labels.clone();
        }
        let (of, labels) = make();
        variants.retain(|variant| !of.replaces(&variant.of));
        if variants.len() >= VARIANTS_MAX {
            variants.clear();
        }
        variants.push(Variant { of, labels: labels.clone() });
        labels
    }

    /// The plain one with `extra` on top.
    fn with(&self, extra: impl IntoIterator<Item = (&'static str, Value)>) -> Metadata {
        let mut metadata = self.plain.as_map().cloned().unwrap_or_default();
        for (key, value) in extra {
            metadata.insert(key, value);
        }
        metadata.into()
    }
}

impl Instance {
    /// Of the instance itself.
    pub(super) fn labels(&self) -> Labels {
        let make = || {
            let metadata = self.metadata.plain.clone();
            (Part::Whole, Labels { resource_id: self.id.as_str().into(), metadata })
        };
        self.metadata.variant(|part| matches!(part, Part::Whole), make)
    }

    /// Of the instance with the number of its processors, as the meter `cpu` has it.
    pub(super) fn labels_with_processors(&self, count: Option<u64>) -> Labels {
        let make = || {
            let metadata = self.metadata.with([("cpu_number", count.map(super::integer).into())]);
            (Part::Processors(count), Labels { resource_id: self.id.as_str().into(), metadata })
        };
        self.metadata.variant(|part| *part == Part::Processors(count), make)
    }

    /// Of a disk.
    pub(super) fn labels_of_disk(&self, disk: &Disk) -> Labels {
        let device = &disk.device;
        let make = || {
            let metadata = self.metadata.with([("disk_name", device.as_str().into())]);
            (
                Part::Disk(device.clone()),
                Labels { resource_id: format!("{}-{device}", self.id).into(), metadata },
            )
        };
        self.metadata.variant(|part| matches!(part, Part::Disk(known) if known == device), make)
    }

    /// Of a network interface. Its `name` takes the place of the instance's, as in Ceilometer.
    pub(super) fn labels_of_nic(&self, nic: &Nic) -> Labels {
        let make = || {
            let NicDefinition { device, mac, filter, parameters } = &*nic.definition;
            let shown = filter.as_ref().unwrap_or(device);
            let metadata = self.metadata.with([
                ("name", device.as_str().into()),
                ("mac", mac.as_str().into()),
                ("fref", filter.as_deref().into()),
                ("parameters", parameters.clone().into()),
                ("vnic_name", shown.as_str().into()),
            ]);
            let resource_id = match filter.as_deref() {
                // Upstream takes a false id for none.
                Some("") => self.id.clone(),
                Some(filter) => filter.to_owned(),
                None => {
                    let name = if self.name.is_empty() { NO_NAME } else { &self.name };
                    format!("{name}-{}-{device}", self.id)
                }
            };
            (Part::Nic(Arc::clone(&nic.definition)), Labels { resource_id: resource_id.into(), metadata })
        };
        self.metadata.variant(|part| part.is_nic(nic), make)
    }
}

impl From<Map> for SampleMetadata {
    fn from(plain: Map) -> Self {
        Self { plain: plain.into(), variants: Mutex::default() }
    }
}

/// Without the variants: they are made again.
impl Clone for SampleMetadata {
    fn clone(&self) -> Self {
        Self { plain: self.plain.clone(), variants: Mutex::default() }
    }
}

impl PartialEq for SampleMetadata {
    fn eq(&self, other: &Self) -> bool {
        self.plain == other.plain
    }
}

impl fmt::Debug for SampleMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plain.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;
    use crate::compute::testing::{instance, nic};

    fn text(labels: &Labels) -> (String, String) {
        let id = labels.resource_id.as_str().unwrap().to_owned();
        (id, json::to_string(&labels.metadata))
    }

    #[test]
    fn a_part_has_its_own_id_and_its_keys_behind_or_over_the_instances() {
        let instance = instance("u1");
        assert_eq!(
            text(&instance.labels()),
            ("u1".into(), r#"{"display_name": "vm", "name": "instance-1"}"#.into())
        );
        assert_eq!(
            text(&instance.labels_with_processors(None)).1,
            r#"{"display_name": "vm", "name": "instance-1", "cpu_number": null}"#
        );
        let disk = Disk { device: "vda".into(), ..Disk::default() };
        assert_eq!(
            text(&instance.labels_of_disk(&disk)),
            ("u1-vda".into(), r#"{"display_name": "vm", "name": "instance-1", "disk_name": "vda"}"#.into())
        );
        let mut nic = nic("tap1");
        assert_eq!(
            text(&instance.labels_of_nic(&nic)),
            (
                "instance-1-u1-tap1".into(),
                r#"{"display_name": "vm", "name": "tap1", "mac": "fa:16", "fref": null, "parameters": {"interfaceid": "p1", "bridge": null}, "vnic_name": "tap1"}"#.into()
            )
        );
        Arc::make_mut(&mut nic.definition).filter = Some("no-spoof".into());
        let (id, metadata) = text(&instance.labels_of_nic(&nic));
        assert_eq!(id, "no-spoof");
        assert!(
            metadata.contains(r#""fref": "no-spoof""#) && metadata.contains(r#""vnic_name": "no-spoof""#)
        );
        Arc::make_mut(&mut nic.definition).filter = Some(String::new());
        assert_eq!(text(&instance.labels_of_nic(&nic)).0, "u1");
    }

    #[test]
    fn a_variant_is_made_once_and_again_when_what_it_says_has_changed() {
        let instance = instance("u1");
        let mut nic = nic("tap1");
        let first = instance.labels_of_nic(&nic).metadata;
        assert!(first.is_copy_of(&instance.labels_of_nic(&nic).metadata));
        assert!(instance.labels().metadata.is_copy_of(instance.metadata.plain()));
        Arc::make_mut(&mut nic.definition).mac = "fa:17".into();
        let second = instance.labels_of_nic(&nic).metadata;
        assert_eq!(second.get("mac"), Some(&"fa:17".into()));
        let one = instance.labels_with_processors(Some(1)).metadata;
        let two = instance.labels_with_processors(Some(2)).metadata;
        assert_ne!(one, two);
        // The whole, the processors and the interface: what was replaced is gone.
        assert_eq!(instance.metadata.variants.lock().unwrap().len(), 3);
        for number in 0..2 * VARIANTS_MAX {
            instance.labels_of_disk(&Disk { device: format!("vd{number}").into(), ..Disk::default() });
            assert!(instance.metadata.variants.lock().unwrap().len() <= VARIANTS_MAX);
        }
    }

    #[test]
    fn an_instance_without_a_name_is_called_as_upstream_calls_it() {
        let instance = Instance { name: String::new(), ..instance("u1") };
        assert_eq!(text(&instance.labels_of_nic(&nic("tap1"))).0, "None-u1-tap1");
    }
}
