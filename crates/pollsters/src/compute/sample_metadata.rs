//! [`SampleMetadata`]: what the samples of an instance say of it, made once and shared by all of them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::{Map, Metadata, SharedSubject, Subject, Text, Value};

use super::{Disk, Inspection, Instance, Nic, NicDefinition};

/// What Ceilometer's text has for an instance without a name (`None`).
const NO_NAME: &str = "None";

/// The metadata of an instance's samples: what its discovery says, and what its samples are about, with what pollsters add.
///
/// That is made when it is first wanted and kept until the instance has other parts, so that a cycle of dozens of meters
/// clones no map as long as the discovery finds the same [`Instance`].
pub struct SampleMetadata {
    plain: Metadata,
    whole: OnceLock<SharedSubject>,
    last: Mutex<Option<Arc<Subjects>>>,
}

/// What the samples of an instance and of its parts are about.
#[derive(Debug)]
pub(super) struct Subjects {
    /// The instance itself.
    pub(super) whole: SharedSubject,
    /// The instance with the number of its processors.
    pub(super) processors: SharedSubject,
    /// Each disk, in the order of the inspection.
    pub(super) disks: Vec<SharedSubject>,
    /// Each network interface, in the order of the inspection.
    pub(super) nics: Vec<SharedSubject>,
    parts: Parts,
}

/// The parts of an instance, as far as they are told of.
#[derive(Debug)]
struct Parts {
    vcpus: Option<u64>,
    disks: Vec<Text>,
    nics: Vec<Arc<NicDefinition>>,
}

impl Parts {
    fn of(inspection: &Inspection) -> Self {
        Self {
            vcpus: inspection.machine.vcpus,
            disks: inspection.disks.iter().map(|disk| disk.device.clone()).collect(),
            nics: inspection.nics.iter().map(|nic| Arc::clone(&nic.definition)).collect(),
        }
    }

    fn are_of(&self, inspection: &Inspection) -> bool {
        let is_nic = |known: &Arc<NicDefinition>, nic: &Nic| {
            Arc::ptr_eq(known, &nic.definition) || *known == nic.definition
        };
        self.vcpus == inspection.machine.vcpus
            && self.disks.iter().eq(inspection.disks.iter().map(|disk| &disk.device))
            && self.nics.len() == inspection.nics.len()
            && self.nics.iter().zip(&inspection.nics).all(|(known, nic)| is_nic(known, nic))
    }
}

impl SampleMetadata {
    /// Without anything that pollsters add.
    #[must_use]
    pub fn plain(&self) -> &Metadata {
        &self.plain
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
    /// What the samples of it and of its parts are about.
    pub(super) fn subjects(&self, inspection: &Inspection) -> Arc<Subjects> {
        let mut last = self.metadata.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.parts.are_of(inspection)) {
            return Arc::clone(known);
        }
        Arc::clone(last.insert(Arc::new(Subjects {
            whole: self.whole(),
            processors: self.processors(inspection.machine.vcpus),
            disks: inspection.disks.iter().map(|disk| self.disk(disk)).collect(),
            nics: inspection.nics.iter().map(|nic| self.nic(nic)).collect(),
            parts: Parts::of(inspection),
        })))
    }

    /// The instance itself.
    pub(super) fn whole(&self) -> SharedSubject {
        let make = || self.subject(self.id.as_str(), self.metadata.plain.clone());
        self.metadata.whole.get_or_init(make).clone()
    }

    fn subject(&self, resource_id: impl Into<Value>, metadata: Metadata) -> SharedSubject {
        let subject = Subject {
            user_id: self.user_id.clone(),
            project_id: self.project_id.clone(),
            resource_metadata: metadata,
            ..Subject::new(resource_id)
        };
        subject.into()
    }

    /// The instance with the number of its processors, as the meter `cpu` has it.
    fn processors(&self, count: Option<u64>) -> SharedSubject {
        let metadata = self.metadata.with([("cpu_number", count.map(super::integer).into())]);
        self.subject(self.id.as_str(), metadata)
    }

    fn disk(&self, disk: &Disk) -> SharedSubject {
        let device = &disk.device;
        let metadata = self.metadata.with([("disk_name", device.as_str().into())]);
        self.subject(format!("{}-{device}", self.id), metadata)
    }

    /// A network interface. Its `name` takes the place of the instance's, as in Ceilometer.
    fn nic(&self, nic: &Nic) -> SharedSubject {
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
        self.subject(resource_id, metadata)
    }
}

impl From<Map> for SampleMetadata {
    fn from(plain: Map) -> Self {
        Self { plain: plain.into(), whole: OnceLock::new(), last: Mutex::default() }
    }
}

/// Without what was made of it: the clone may become another instance's.
impl Clone for SampleMetadata {
    fn clone(&self) -> Self {
        Self { plain: self.plain.clone(), whole: OnceLock::new(), last: Mutex::default() }
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
    use crate::compute::testing::{inspection, instance, nic};

    fn text(subject: &Subject) -> (String, String) {
        let owner = (&subject.user_id, &subject.project_id);
        assert_eq!(owner, (&"user".into(), &"project".into()));
        let id = subject.resource_id.as_str().unwrap().to_owned();
        (id, json::to_string(&subject.resource_metadata))
    }

    #[test]
    fn a_part_has_its_own_id_and_its_keys_behind_or_over_the_instances() {
        let instance = instance("u1");
        assert_eq!(
            text(&instance.whole()),
            ("u1".into(), r#"{"display_name": "vm", "name": "instance-1"}"#.into())
        );
        assert_eq!(
            text(&instance.processors(None)).1,
            r#"{"display_name": "vm", "name": "instance-1", "cpu_number": null}"#
        );
        let disk = Disk { device: "vda".into(), ..Disk::default() };
        assert_eq!(
            text(&instance.disk(&disk)),
            ("u1-vda".into(), r#"{"display_name": "vm", "name": "instance-1", "disk_name": "vda"}"#.into())
        );
        let mut nic = nic("tap1");
        assert_eq!(
            text(&instance.nic(&nic)),
            (
                "instance-1-u1-tap1".into(),
                r#"{"display_name": "vm", "name": "tap1", "mac": "fa:16", "fref": null, "parameters": {"interfaceid": "p1", "bridge": null}, "vnic_name": "tap1"}"#.into()
            )
        );
        Arc::make_mut(&mut nic.definition).filter = Some("no-spoof".into());
        let (id, metadata) = text(&instance.nic(&nic));
        assert_eq!(id, "no-spoof");
        assert!(
            metadata.contains(r#""fref": "no-spoof""#) && metadata.contains(r#""vnic_name": "no-spoof""#)
        );
        Arc::make_mut(&mut nic.definition).filter = Some(String::new());
        assert_eq!(text(&instance.nic(&nic)).0, "u1");
    }

    #[test]
    fn they_are_made_once_and_again_when_the_instance_has_other_parts() {
        let (instance, mut inspection) = (instance("u1"), inspection());
        let first = instance.subjects(&inspection);
        assert!(first.whole.is_copy_of(&instance.whole()));
        assert!(first.whole.resource_metadata.is_copy_of(instance.metadata.plain()));
        // Other numbers are no other parts, and the same interface may have been read again.
        inspection.disks[0].read_bytes = Some(77);
        inspection.nics[0].definition = Arc::new(NicDefinition::clone(&inspection.nics[0].definition));
        assert!(Arc::ptr_eq(&first, &instance.subjects(&inspection)));
        let changes: [fn(&mut Inspection); 5] = [
            |inspection| Arc::make_mut(&mut inspection.nics[0].definition).mac = "fa:17".into(),
            |inspection| inspection.machine.vcpus = Some(3),
            |inspection| inspection.disks[0].device = "vdz".into(),
            |inspection| inspection.disks.clear(),
            |inspection| inspection.nics.clear(),
        ];
        let mut last = first;
        for change in changes {
            change(&mut inspection);
            let now = instance.subjects(&inspection);
            assert!(!Arc::ptr_eq(&last, &now));
            assert_eq!(now.processors.resource_metadata.get("cpu_number").cloned(), vcpus(&inspection));
            for (subject, disk) in now.disks.iter().zip(&inspection.disks) {
                assert_eq!(subject.resource_metadata.get("disk_name"), Some(&disk.device.as_str().into()));
            }
            for (subject, nic) in now.nics.iter().zip(&inspection.nics) {
                assert_eq!(subject.resource_metadata.get("mac"), Some(&nic.definition.mac.as_str().into()));
            }
            assert_eq!((now.disks.len(), now.nics.len()), (inspection.disks.len(), inspection.nics.len()));
            last = now;
        }
    }

    fn vcpus(inspection: &Inspection) -> Option<Value> {
        inspection.machine.vcpus.map(crate::compute::integer)
    }

    #[test]
    fn an_instance_without_a_name_is_called_as_upstream_calls_it() {
        let instance = Instance { name: String::new(), ..instance("u1") };
        assert_eq!(text(&instance.nic(&nic("tap1"))).0, "None-u1-tap1");
    }
}
