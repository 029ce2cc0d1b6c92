//! [`Definition`]: what a domain's XML says, of its devices and of the instance that it is.
//!
//! The instance is described by the element that Nova writes into the domain's metadata (namespace
//! `http://openstack.org/xmlns/libvirt/nova/1.1`, of old `…/1.0`).

use std::sync::Arc;

use libvirt::DomainState;
use model::{Map, Text, Value};
use roxmltree::{Document, Node, ParsingOptions};
use sha2::{Digest as _, Sha224};

use crate::compute::{NicDefinition, Server};

/// Namespaces of Nova's element, the newest first.
const NOVA: [&str; 2] =
    ["http://openstack.org/xmlns/libvirt/nova/1.1", "http://openstack.org/xmlns/libvirt/nova/1.0"];
/// Nodes that are read at most; a domain's XML has hundreds.
const NODES_MAX: u32 = 200_000;

/// A domain's definition, as far as it is needed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::compute) struct Definition {
    /// Network interfaces that have a host device and an address, in order, without counters.
    pub(super) nics: Vec<Arc<NicDefinition>>,
    /// Disks with a source, in order, by the guest's device.
    pub(super) disks: Vec<Text>,
    /// What Nova says of the instance, or why that cannot be used.
    pub(in crate::compute) instance: Result<NovaInstance, NoInstance>,
}

/// An instance as Nova's metadata and the rest of the XML describe it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::compute) struct NovaInstance {
    /// Everything but its state and the flavor's id.
    server: Server,
    /// The flavor's name.
    pub(in crate::compute) flavor_name: String,
    /// The flavor's id, which Nova writes since 2025.2.
    pub(in crate::compute) flavor_id: Option<String>,
}

/// Why a domain is not taken for an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::compute) enum NoInstance {
    /// Nova has not made it.
    #[error("it has no metadata of Nova's")]
    NoMetadata,
    /// Something that every instance has is not there.
    #[error("{missing} is missing")]
    Missing {
        /// What, as a path from the root of the XML.
        missing: &'static str,
    },
    /// Its XML cannot be read.
    #[error("its definition cannot be read: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
    /// A number is none.
    #[error("{element} of its flavor is {text:?}, and no number")]
    Number {
        /// The element.
        element: &'static str,
        /// What it says.
        text: String,
    },
}

impl Definition {
    /// Reads the XML of the domain of that UUID and name, on this host.
    pub(in crate::compute) fn read(xml: &str, uuid: &str, name: &str, host: &str) -> Self {
        // Without DTDs there are no entities to expand.
        let options =
            ParsingOptions { allow_dtd: false, nodes_limit: NODES_MAX, ..ParsingOptions::default() };
        let document = match Document::parse_with_options(xml, options) {
            Ok(document) => document,
            Err(error) => {
                let instance = Err(NoInstance::Unreadable { problem: error.to_string() });
                return Self { nics: Vec::new(), disks: Vec::new(), instance };
            }
        };
        let domain = document.root_element();
        let devices = children(domain, "devices").flat_map(|devices| devices.children());
        let (mut nics, mut disks) = (Vec::new(), Vec::new());
        for device in devices {
            match device.tag_name().name() {
                "interface" => nics.extend(nic(device)),
                "disk" => disks.extend(disk(device)),
                _ => {}
            }
        }
        Self { nics, disks, instance: NovaInstance::read(domain, uuid, name, host) }
    }
}

fn nic(interface: Node<'_, '_>) -> Option<Arc<NicDefinition>> {
    let device = child(interface, "target")?.attribute("dev")?.to_owned();
    let mac = child(interface, "mac")?.attribute("address")?.to_owned();
    let filterref = child(interface, "filterref");
    let filter = filterref.and_then(|filterref| filterref.attribute("filter")).map(str::to_owned);
    let given = filterref.into_iter().flat_map(|filterref| children(filterref, "parameter"));
    let mut parameters: Vec<(Text, Value)> = given
        .filter_map(|parameter| {
            Some((parameter.attribute("name")?.to_lowercase().into(), or_null(parameter.attribute("value"))))
        })
        .collect();
    let port = child(interface, "virtualport").and_then(|port| child(port, "parameters"));
    let port = port.and_then(|parameters| parameters.attribute("interfaceid"));
    parameters.push((Text::new_static("interfaceid"), or_null(port)));
    let bridge = child(interface, "source").and_then(|source| source.attribute("bridge"));
    parameters.push((Text::new_static("bridge"), or_null(bridge)));
    let parameters = Map::from_pairs(parameters);
    Some(Arc::new(NicDefinition { device, mac, filter, parameters }))
}

fn disk(disk: Node<'_, '_>) -> Option<Text> {
    child(disk, "source")?;
    child(disk, "target")?.attribute("dev").filter(|device| !device.is_empty()).map(Text::from)
}

impl NovaInstance {
    fn read(domain: Node<'_, '_>, uuid: &str, name: &str, host: &str) -> Result<Self, NoInstance> {
        let metadata = child(domain, "metadata").ok_or(NoInstance::NoMetadata)?;
        let of = |namespace: &str| {
            metadata
                .children()
                .find(|node| node.is_element() && node.tag_name().namespace() == Some(namespace))
        };
        let nova = NOVA.into_iter().find_map(of).ok_or(NoInstance::NoMetadata)?;
        let missing = |missing| move || NoInstance::Missing { missing };
        let flavor = child(nova, "flavor").ok_or_else(missing("nova:flavor"))?;
        let owner = child(nova, "owner");
        let owner_id =
            |element| owner.and_then(|owner| child(owner, element))?.attribute("uuid").map(str::to_owned);
        let user_id = owner_id("user").ok_or_else(missing("nova:owner/nova:user/@uuid"))?;
        let project_id = owner_id("project").ok_or_else(missing("nova:owner/nova:project/@uuid"))?;
        let display_name = text(child(nova, "name").ok_or_else(missing("nova:name"))?);
        let os_type = child(domain, "os").and_then(|os| child(os, "type")).ok_or_else(missing("os/type"))?;
        let architecture = os_type.attribute("arch").ok_or_else(missing("os/type/@arch"))?;
        let flavor_name = flavor.attribute("name").ok_or_else(missing("nova:flavor/@name"))?.to_owned();
        let root = children(nova, "root").find(|root| root.attribute("type") == Some("image"));
        let image = match root {
            None => Value::Null,
            Some(root) => {
                let id = root.attribute("uuid").ok_or_else(missing("nova:root/@uuid"))?;
                Map::from_iter([("id", id)]).into()
            }
        };
        let server = Server {
            id: uuid.to_owned(),
            display_name,
            instance_name: Some(name.into()),
            host_id: host_id(&project_id, host).into(),
            instance_host: Some(host.into()),
            flavor: sizes(flavor, &flavor_name)?,
            image,
            image_meta: child(nova, "image").map(image_meta).unwrap_or_default(),
            architecture: Some(architecture.into()),
            os_type: Some(text(os_type)),
            user_id: user_id.into(),
            project_id: project_id.into(),
            ..Server::default()
        };
        let flavor_id = flavor.attribute("id").filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Self { server, flavor_name, flavor_id })
    }

    /// The instance in that state, with that id of its flavor and those metadata of its user.
    pub(in crate::compute) fn server(
        &self,
        state: DomainState,
        flavor_id: &str,
        user_metadata: Map,
    ) -> Server {
        let mut server = self.server.clone();
        server.flavor.insert("id", flavor_id);
        let (vm_state, status) = states(state);
        server.vm_state = Some(or_null(vm_state));
        server.status = or_null(status);
        server.user_metadata = user_metadata;
        server
    }

    /// Its UUID.
    pub(in crate::compute) fn id(&self) -> &str {
        &self.server.id
    }
}

/// `OS-EXT-STS:vm_state` and `status` as Nova would say them.
const fn states(state: DomainState) -> (Option<&'static str>, Option<&'static str>) {
    match state {
        DomainState::NoState => (Some("pending"), Some("building")),
        DomainState::Running | DomainState::Blocked => (Some("running"), Some("active")),
        DomainState::Paused => (Some("paused"), Some("paused")),
        DomainState::Shutdown | DomainState::ShutOff => (Some("shutdown"), Some("stopped")),
        DomainState::Crashed => (Some("crashed"), Some("error")),
        DomainState::PmSuspended => (Some("suspended"), Some("suspended")),
        DomainState::Other(_) => (None, None),
    }
}

/// A flavor as samples carry it; the id's place is kept.
fn sizes(flavor: Node<'_, '_>, name: &str) -> Result<Map, NoInstance> {
    let size = |element: &'static str| match child(flavor, element) {
        None => Ok(Value::Int(0)),
        Some(found) => {
            let text = found.text().unwrap_or_default();
            let number = text.trim().parse().map(Value::Int);
            number.map_err(|_| NoInstance::Number { element, text: text.chars().take(40).collect() })
        }
    };
    let mut map = Map::with_capacity(8);
    map.insert("id", Value::Null);
    map.insert("name", name);
    map.insert("vcpus", size("vcpus")?);
    map.insert("ram", size("memory")?);
    map.insert("disk", size("disk")?);
    map.insert("ephemeral", size("ephemeral")?);
    map.insert("swap", size("swap")?);
    if let Some(specs) = child(flavor, "extraSpecs") {
        let specs = named_texts(specs, "extraSpec");
        map.insert("extra_specs", Map::from_pairs(specs));
    }
    Ok(map)
}

fn image_meta(image: Node<'_, '_>) -> Map {
    let mut pairs: Vec<(Text, Value)> = Vec::new();
    if let Some(id) = image.attribute("uuid") {
        pairs.push((Text::new_static("base_image_ref"), id.into()));
    }
    for (element, key) in [
        ("containerFormat", "container_format"),
        ("diskFormat", "disk_format"),
        ("minDisk", "min_disk"),
        ("minRam", "min_ram"),
    ] {
        if let Some(found) = child(image, element) {
            pairs.push((Text::new_static(key), text(found)));
        }
    }
    if let Some(properties) = child(image, "properties") {
        pairs.extend(named_texts(properties, "property"));
    }
    Map::from_pairs(pairs)
}

/// The texts of elements by their attribute `name`; those without one are passed over.
fn named_texts(parent: Node<'_, '_>, element: &'static str) -> Vec<(Text, Value)> {
    children(parent, element).filter_map(|node| Some((node.attribute("name")?.into(), text(node)))).collect()
}

/// Nova's `hostId`: tells hosts apart without naming them.
fn host_id(project_id: &str, host: &str) -> String {
    let digest = Sha224::new().chain_update(project_id).chain_update(host).finalize();
    digest.iter().fold(String::with_capacity(56), |mut hex, byte| {
        for digit in [byte >> 4, byte & 15] {
            hex.extend(char::from_digit(digit.into(), 16));
        }
        hex
    })
}

/// Child elements of that name, in whatever namespace.
fn children<'a, 'i>(
    parent: Node<'a, 'i>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
    parent.children().filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn child<'a, 'i>(parent: Node<'a, 'i>, name: &'static str) -> Option<Node<'a, 'i>> {
    children(parent, name).next()
}

/// An element's text; null if it has none.
fn text(node: Node<'_, '_>) -> Value {
    or_null(node.text())
}

fn or_null(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests;
