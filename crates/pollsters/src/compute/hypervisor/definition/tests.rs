use model::json;
use proptest::prelude::*;

use super::*;

const UUID: &str = "00000001-1111-4111-8111-111111111111";

fn read(xml: &str) -> Definition {
    Definition::read(xml, UUID, "instance-00000001", "node1")
}

/// A domain with that metadata, those devices, and the rest.
fn domain(metadata: &str, devices: &str) -> String {
    format!(
        "<domain type='kvm'><name>instance-00000001</name>{metadata}<os><type arch='x86_64' machine='pc'>hvm</type></os>
         <devices><emulator>/usr/bin/qemu</emulator>{devices}</devices></domain>"
    )
}

/// Nova's element of that version, with prefixes or without.
fn nova(version: &str, prefix: bool, content: &str) -> String {
    let (name, xmlns) = if prefix { ("nova:", "xmlns:nova") } else { ("", "xmlns") };
    let content = content.replace('~', name);
    format!(
        "<metadata><{name}instance {xmlns}='http://openstack.org/xmlns/libvirt/nova/{version}'>{content}</{name}instance></metadata>"
    )
}

const FULL: &str = "<~package version='32.0.0'/><~name>myvm</~name>
  <~flavor name='m1.small' id='fid'><~memory>512</~memory><~disk> 10 </~disk><~swap>0</~swap><~ephemeral>1</~ephemeral>
    <~vcpus>2</~vcpus><~extraSpecs><~extraSpec name='hw:x'>y</~extraSpec></~extraSpecs></~flavor>
  <~image uuid='img'><~containerFormat>bare</~containerFormat><~diskFormat>qcow2</~diskFormat><~minDisk>1</~minDisk>
    <~minRam>0</~minRam><~properties><~property name='hw_disk_bus'>virtio</~property></~properties></~image>
  <~owner><~user uuid='u1'>admin</~user><~project uuid='p1'>admin</~project></~owner>
  <~root type='image' uuid='img'/>";

fn instance(metadata: &str) -> Result<Server, NoInstance> {
    let found = read(&domain(metadata, "")).instance?;
    let id = found.flavor_id.clone().unwrap_or_else(|| found.flavor_name.clone());
    Ok(found.server(DomainState::Running, &id, Map::new()))
}

#[test]
fn an_instance_of_the_newest_nova_has_ceilometers_metadata() {
    for (version, prefix) in [("1.1", true), ("1.1", false), ("1.0", true)] {
        let server = instance(&nova(version, prefix, FULL)).unwrap();
        assert_eq!((&server.user_id, &server.project_id), (&"u1".into(), &"p1".into()));
        let instance = server.into_instance(&crate::compute::UserMetadataRules::default());
        // Seen of Ceilometer with the same domain.
        assert_eq!(
            json::to_string(instance.metadata.plain()),
            r#"{"display_name": "myvm", "name": "instance-00000001", "instance_id": "00000001-1111-4111-8111-111111111111", "instance_type": "m1.small", "host": "899efe77eb027bac7d5378ccac5b373aae0a4d92588b81a314b6d89e", "instance_host": "node1", "flavor": {"id": "fid", "name": "m1.small", "vcpus": 2, "ram": 512, "disk": 10, "ephemeral": 1, "swap": 0, "extra_specs": {"hw:x": "y"}}, "status": "active", "state": "running", "task_state": "", "image": {"id": "img"}, "image_ref": "img", "image_ref_url": null, "image_meta": {"base_image_ref": "img", "container_format": "bare", "disk_format": "qcow2", "min_disk": "1", "min_ram": "0", "hw_disk_bus": "virtio"}, "architecture": "x86_64", "os_type": "hvm", "vcpus": 2, "memory_mb": 512, "disk_gb": 10, "ephemeral_gb": 1, "root_gb": 9}"#
        );
    }
}

#[test]
fn what_older_novas_leave_out() {
    let content = "<~name/><~flavor name='m1.tiny'><~memory>16</~memory></~flavor>
        <~owner><~user uuid='u1'/><~project uuid='p1'/></~owner>";
    let metadata = nova("1.0", true, content);
    let found = read(&domain(&metadata, "")).instance.unwrap();
    assert_eq!((found.flavor_name.as_str(), found.flavor_id.as_deref()), ("m1.tiny", None));
    let server = instance(&metadata).unwrap();
    assert_eq!((server.display_name, server.image, server.image_meta.len()), (Value::Null, Value::Null, 0));
    assert_eq!(
        json::to_string(&server.flavor.into()),
        r#"{"id": "m1.tiny", "name": "m1.tiny", "vcpus": 0, "ram": 16, "disk": 0, "ephemeral": 0, "swap": 0}"#
    );
    // Extra specs that are there and empty are told apart from none at all.
    let content =
        content.replace("</~flavor>", "<~extraSpecs/></~flavor>").replace("m1.tiny'", "m1.tiny' id=''");
    let server = instance(&nova("1.1", true, &content)).unwrap();
    assert_eq!(server.flavor.get("extra_specs"), Some(&Value::Map(Map::new())));
    assert_eq!(server.flavor.get("id"), Some(&"m1.tiny".into()));
}

#[test]
fn the_newer_metadata_wins_and_that_of_others_is_passed_over() {
    let old = FULL.replace("myvm", "old");
    let both = format!(
        "<metadata><other xmlns='urn:x'><name>x</name></other>{}{}</metadata>",
        nova("1.0", true, &old).replace("<metadata>", "").replace("</metadata>", ""),
        nova("1.1", true, FULL).replace("<metadata>", "").replace("</metadata>", ""),
    );
    assert_eq!(instance(&both).unwrap().display_name, "myvm".into());
}

#[test]
fn states_are_those_that_nova_would_tell() {
    let found = read(&domain(&nova("1.1", true, FULL), "")).instance.unwrap();
    for (number, vm_state, status) in [
        (0, Some("pending"), Some("building")),
        (1, Some("running"), Some("active")),
        (2, Some("running"), Some("active")),
        (3, Some("paused"), Some("paused")),
        (4, Some("shutdown"), Some("stopped")),
        (5, Some("shutdown"), Some("stopped")),
        (6, Some("crashed"), Some("error")),
        (7, Some("suspended"), Some("suspended")),
        (8, None, None),
    ] {
        let server = found.server(DomainState::from(number), "f", Map::new());
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(server.vm_state.as_ref().and_then(text), vm_state.map(str::to_owned), "{number}");
        assert_eq!(text(&server.status), status.map(str::to_owned), "{number}");
    }
}

#[test]
fn what_is_no_instance_says_why() {
    let cut = |from: &str| nova("1.1", true, &FULL.replace(from, ""));
    for (metadata, reason) in [
        (String::new(), "it has no metadata of Nova's"),
        ("<metadata/>".into(), "it has no metadata of Nova's"),
        ("<metadata><x xmlns='urn:x'/>text</metadata>".into(), "it has no metadata of Nova's"),
        (nova("1.1", true, ""), "nova:flavor is missing"),
        (cut(" name='m1.small'"), "nova:flavor/@name is missing"),
        (cut("<~name>myvm</~name>"), "nova:name is missing"),
        (cut("<~user uuid='u1'>admin</~user>"), "nova:owner/nova:user/@uuid is missing"),
        (cut(" uuid='u1'"), "nova:owner/nova:user/@uuid is missing"),
        (cut("<~project uuid='p1'>admin</~project>"), "nova:owner/nova:project/@uuid is missing"),
        (nova("1.1", true, &FULL.replace("'image' uuid='img'", "'image'")), "nova:root/@uuid is missing"),
        (nova("1.1", true, &FULL.replace("512", "lots")), "memory of its flavor is \"lots\", and no number"),
        (nova("1.1", true, &FULL.replace("512", "")), "memory of its flavor is \"\", and no number"),
    ] {
        let error = instance(&metadata).unwrap_err().to_string();
        assert_eq!(error, reason, "{metadata}");
    }
    let bare = domain(&nova("1.1", true, FULL), "").replace(" arch='x86_64'", "");
    assert_eq!(read(&bare).instance.unwrap_err().to_string(), "os/type/@arch is missing");
    let none = bare.replace("<os>", "<so>").replace("</os>", "</so>");
    assert_eq!(read(&none).instance.unwrap_err().to_string(), "os/type is missing");
}

#[test]
fn devices_come_in_order_and_those_without_what_is_needed_are_left_out() {
    let definition = read(&domain(
        "",
        "<disk type='file' device='disk'><source file='/x'/><target dev='vda' bus='virtio'/></disk>
         <interface type='bridge'><mac address='fa:16:3e:00:00:01'/><source bridge='br-int'/>
           <virtualport type='openvswitch'><parameters interfaceid='port-1'/></virtualport><target dev='tap1'/>
           <filterref filter='nova-base'><parameter name='IP' value='10.0.0.2'/><parameter name='x'/><parameter/></filterref>
         </interface>
         <disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>
         <interface type='user'><mac address='fa:16:3e:00:00:02'/></interface>
         <interface type='ethernet'><target dev='tap2'/></interface>
         <interface type='ethernet'><mac address='fa:16:3e:00:00:03'/><target dev='tap3' managed='no'/></interface>
         <disk type='network'><source protocol='rbd' name='vms/x'/><target dev='vdb'/></disk>
         <disk type='file'><source file='/y'/></disk><disk><source/><target dev=''/></disk>",
    ));
    assert_eq!(definition.disks, ["vda", "vdb"]);
    let [first, second] = &definition.nics[..] else { panic!("{definition:?}") };
    assert_eq!((first.device.as_str(), first.mac.as_str()), ("tap1", "fa:16:3e:00:00:01"));
    assert_eq!(first.filter.as_deref(), Some("nova-base"));
    assert_eq!(
        json::to_string(&first.parameters.clone().into()),
        r#"{"ip": "10.0.0.2", "x": null, "interfaceid": "port-1", "bridge": "br-int"}"#
    );
    assert_eq!((second.device.as_str(), &second.filter), ("tap3", &None));
    assert_eq!(
        json::to_string(&second.parameters.clone().into()),
        r#"{"interfaceid": null, "bridge": null}"#
    );
}

#[test]
fn entities_are_not_expanded_and_what_is_no_xml_is_told() {
    let bomb = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><domain>&b;</domain>";
    for xml in [bomb, "", "<domain>", "\0", "<a/><b/>"] {
        let definition = read(xml);
        assert!(definition.nics.is_empty() && definition.disks.is_empty());
        let Err(NoInstance::Unreadable { problem }) = definition.instance else { panic!("{xml}") };
        assert!(!problem.is_empty());
    }
}

#[test]
fn a_very_deep_definition_does_no_harm() {
    for deep in [10_000, 300_000] {
        read(&format!("{}{}", "<domain>".repeat(deep), "</domain>".repeat(deep)));
        read(&domain(
            &nova("1.1", true, &format!("{}{}", "<~flavor>".repeat(deep), "</~flavor>".repeat(deep))),
            "",
        ));
    }
}

/// Pieces that XML of a domain is made of, in any order.
fn piece() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "<domain>",
        "</domain>",
        "<metadata>",
        "</metadata>",
        "<devices>",
        "</devices>",
        "<os>",
        "</os>",
        "<disk>",
        "</disk>",
        "<interface>",
        "</interface>",
        "<target dev='vda'/>",
        "<target dev=\"\"/>",
        "<source/>",
        "<mac address='x'/>",
        "<filterref filter='f'>",
        "</filterref>",
        "<parameter name='A' value='b'/>",
        "<type arch='x'>",
        "</type>",
        "<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>",
        "</nova:instance>",
        "<nova:flavor name='x'>",
        "</nova:flavor>",
        "<nova:vcpus>",
        "</nova:vcpus>",
        "99999999999999999999",
        "-1",
        "&lt;",
        "&#0;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE x>",
        "<?xml version='1.0'?>",
        "\u{feff}",
        "é",
        "'",
        "\"",
    ]);
    prop_oneof![words.prop_map(str::to_owned), ".{0,8}"]
}

proptest! {
    #[test]
    fn no_xml_does_harm(pieces in prop::collection::vec(piece(), 0..40)) {
        read(&pieces.concat());
    }

    #[test]
    fn no_damage_to_good_xml_does_harm(at in 0_usize..2_000, cut in 0_usize..40, insert in piece()) {
        let mut xml = domain(&nova("1.1", true, FULL), "<disk><source/><target dev='vda'/></disk>");
        let start = xml.floor_char_boundary(at.min(xml.len()));
        let end = xml.ceil_char_boundary((start + cut).min(xml.len()));
        xml.replace_range(start..end, &insert);
        if let Ok(found) = read(&xml).instance {
            found.server(DomainState::Running, "f", Map::new());
        }
    }
}
