//! Neutron: floating IPs, firewalls (FWaaS v2), VPN.
//!
//! `GET /v2.0/floatingips` and so on. Objects are as openstacksdk gives them to Ceilometer: with its types, and Neutron's
//! names where they are the same.

use model::{Map, MeterKind, Value};
use observability::secret::HIDDEN;

use super::attributes::{boolean, convert, integer, list};
use super::collection::CollectionLine;
use super::object_meter::{ObjectMeter, Volume};
use super::python_text::{self, SdkClass};
use crate::Meter;
use crate::rest::{Id, Listing};

/// The service, for [`Pollster::service`](crate::Pollster::service).
const SERVICE: &str = "network";
const FLOATING_IP_KIND: &str = "floating IP";
const FIREWALL_KIND: &str = "firewall group";
const POLICY_KIND: &str = "firewall policy";
const VPN_KIND: &str = "VPN service";
const CONNECTION_KIND: &str = "IPsec connection";
/// Objects on a page. Without a limit Neutron gives all in one answer, however large.
const PAGE: (&str, &str) = ("limit", "1000");

const STATUS: Volume = Volume::Status(
    "status",
    &[
        ("inactive", 0),
        ("active", 1),
        ("pending_create", 2),
        ("down", 3),
        ("created", 4),
        ("pending_update", 5),
        ("pending_delete", 6),
        ("error", 7),
    ],
);

/// `ip.floating`: the number of each floating IP's status.
pub(super) const FLOATING_IP: ObjectMeter = ObjectMeter {
    meter: Meter { name: "ip.floating", kind: MeterKind::Gauge, unit: "ip" },
    service: SERVICE,
    discovery: "fip_services",
    kind: FLOATING_IP_KIND,
    volume: STATUS,
    user: &["user_id"],
    project: &["tenant_id", "project_id"],
    metadata: &[
        ("router_id", "router_id"),
        ("status", "status"),
        ("floating_network_id", "floating_network_id"),
        ("fixed_ip_address", "fixed_ip_address"),
        ("port_id", "port_id"),
        ("floating_ip_address", "floating_ip_address"),
    ],
    more: None,
};

/// `network.services.firewall`: the number of each firewall group's status.
pub(super) const FIREWALL: ObjectMeter = ObjectMeter {
    meter: Meter { name: "network.services.firewall", kind: MeterKind::Gauge, unit: "firewall" },
    service: SERVICE,
    discovery: "fw_services",
    kind: FIREWALL_KIND,
    volume: STATUS,
    user: &[],
    project: &["project_id", "tenant_id"],
    metadata: &[
        ("admin_state_up", "admin_state_up"),
        ("description", "description"),
        ("name", "name"),
        ("status", "status"),
        ("ingress_firewall_policy_id", "ingress_firewall_policy_id"),
        ("egress_firewall_policy_id", "egress_firewall_policy_id"),
    ],
    more: None,
};

/// `network.services.firewall.policy`: 1 for each policy.
pub(super) const FIREWALL_POLICY: ObjectMeter = ObjectMeter {
    meter: Meter {
        name: "network.services.firewall.policy",
        kind: MeterKind::Gauge,
        unit: "firewall_policy",
    },
    service: SERVICE,
    discovery: "fw_policy",
    kind: POLICY_KIND,
    volume: Volume::One,
    user: &[],
    project: &["project_id", "tenant_id"],
    metadata: &[
        ("name", "name"),
        ("description", "description"),
        ("firewall_rules", "firewall_rules"),
        ("shared", "shared"),
        ("audited", "audited"),
    ],
    more: None,
};

/// `network.services.vpn`: the number of each VPN service's status.
pub(super) const VPN: ObjectMeter = ObjectMeter {
    meter: Meter { name: "network.services.vpn", kind: MeterKind::Gauge, unit: "vpnservice" },
    service: SERVICE,
    discovery: "vpn_services",
    kind: VPN_KIND,
    volume: STATUS,
    user: &[],
    project: &["project_id", "tenant_id"],
    metadata: &[
        ("is_admin_state_up", "admin_state_up"),
        ("description", "description"),
        ("name", "name"),
        ("status", "status"),
        ("subnet_id", "subnet_id"),
        ("router_id", "router_id"),
        ("flavor_id", "flavor_id"),
        ("external_v4_ip", "external_v4_ip"),
        ("external_v6_ip", "external_v6_ip"),
    ],
    more: None,
};

/// `network.services.vpn.connections`: 1 for each IPsec connection.
pub(super) const VPN_CONNECTION: ObjectMeter = ObjectMeter {
    meter: Meter {
        name: "network.services.vpn.connections",
        kind: MeterKind::Gauge,
        unit: "ipsec_site_connection",
    },
    service: SERVICE,
    discovery: "ipsec_connections",
    kind: CONNECTION_KIND,
    volume: Volume::One,
    user: &[],
    project: &["project_id", "tenant_id"],
    metadata: &[
        ("name", "name"),
        ("description", "description"),
        ("peer_address", "peer_address"),
        ("peer_id", "peer_id"),
        ("peer_cidrs", "peer_cidrs"),
        ("peer_ep_group_id", "peer_ep_group_id"),
        ("psk", "psk"),
        ("initiator", "initiator"),
        ("ikepolicy_id", "ikepolicy_id"),
        ("ipsecpolicy_id", "ipsecpolicy_id"),
        ("vpnservice_id", "vpnservice_id"),
        ("mtu", "mtu"),
        ("is_admin_state_up", "admin_state_up"),
        ("status", "status"),
        ("project_id", "project_id"),
    ],
    more: None,
};

/// The discovery `fip_services`.
pub(super) const FLOATING_IPS: CollectionLine = CollectionLine {
    kept: &[
        "id",
        "status",
        "tenant_id",
        "project_id",
        "user_id",
        "router_id",
        "floating_network_id",
        "fixed_ip_address",
        "port_id",
        "floating_ip_address",
    ],
    ..collection("floatingips", "floatingips", FLOATING_IP_KIND, None, &python_text::FLOATING_IP)
};

/// The discovery `fw_services`.
pub(super) const FIREWALL_GROUPS: CollectionLine = collection(
    "fwaas/firewall_groups",
    "firewall_groups",
    FIREWALL_KIND,
    Some(firewall_group),
    &python_text::FIREWALL_GROUP,
);

/// The discovery `fw_policy`.
pub(super) const FIREWALL_POLICIES: CollectionLine = collection(
    "fwaas/firewall_policies",
    "firewall_policies",
    POLICY_KIND,
    Some(firewall_policy),
    &python_text::FIREWALL_POLICY,
);

/// The discovery `vpn_services`.
pub(super) const VPN_SERVICES: CollectionLine =
    collection("vpn/vpnservices", "vpnservices", VPN_KIND, Some(vpn_service), &python_text::VPN_SERVICE);

/// The discovery `ipsec_connections`.
pub(super) const VPN_CONNECTIONS: CollectionLine = collection(
    "vpn/ipsec-site-connections",
    "ipsec_site_connections",
    CONNECTION_KIND,
    Some(vpn_connection),
    &python_text::VPN_CONNECTION,
);

/// A collection of Neutron. All but the networks themselves are extensions, which a cloud may do without.
const fn collection(
    path: &'static str,
    name: &'static str,
    kind: &'static str,
    refine: Option<fn(&mut Map) -> bool>,
    python: &'static SdkClass,
) -> CollectionLine {
    CollectionLine {
        service_type: |tools| &tools.central.service_types.neutron,
        version: Some("v2.0"),
        path,
        listing: Listing { collection: name, kind, id: Id::Attribute("id"), parameters: &[PAGE] },
        refine,
        is_optional: true,
        python: Some(python),
        ..CollectionLine::PLAIN
    }
}

/// Ceilometer's discovery leaves those out whose status is this word, in small letters; Neutron writes it in capitals.
fn firewall_group(group: &mut Map) -> bool {
    group.get("status").and_then(Value::as_str) != Some("error")
}

fn firewall_policy(policy: &mut Map) -> bool {
    convert(policy, "firewall_rules", list);
    true
}

fn vpn_service(service: &mut Map) -> bool {
    convert(service, "admin_state_up", boolean);
    true
}

/// The pre-shared key goes no further than here: whoever has it can read the tunnel's traffic.
fn vpn_connection(connection: &mut Map) -> bool {
    convert(connection, "psk", |key| if key.is_null() { key } else { HIDDEN.into() });
    convert(connection, "admin_state_up", boolean);
    convert(connection, "mtu", integer);
    convert(connection, "peer_cidrs", list);
    true
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::super::testing::{object, read, refined};
    use super::*;

    #[tokio::test]
    async fn a_floating_ip_has_the_number_of_its_status() {
        let ip = |text| object(FLOATING_IP_KIND, text);
        let (readings, polled) = read(
            &FLOATING_IP,
            &[
                ip(r#"{"id": "f1", "tenant_id": "p1", "project_id": "p1", "status": "ACTIVE", "router_id": "r1",
                    "floating_network_id": "n1", "fixed_ip_address": "10.0.0.3", "port_id": "q1", "tags": [],
                    "floating_ip_address": "172.24.4.228"}"#),
                ip(r#"{"id": "f2", "project_id": "p2", "user_id": "u2", "status": "down"}"#),
                ip(r#"{"id": "f3", "tenant_id": "p3", "status": "PENDING CREATE"}"#),
                ip(r#"{"id": "f4", "status": null}"#),
                ip(r#"{"id": "f5", "status": ""}"#),
                ip(r#"{"id": "f6", "status": 1}"#),
            ],
        )
        .await;
        assert!(polled.is_ok(), "{polled:?}");
        let volumes: Vec<_> = readings.iter().map(|reading| json::to_string(&reading.volume)).collect();
        assert_eq!(volumes, ["1", "3", "-1", "-1", "-1", "-1"]);
        let projects: Vec<_> = readings.iter().map(|reading| reading.project_id.as_str()).collect();
        assert_eq!(projects, [Some("p1"), Some("p2"), Some("p3"), None, None, None]);
        let users: Vec<_> = readings.iter().map(|reading| reading.user_id.as_str()).collect();
        assert_eq!(users, [None, Some("u2"), None, None, None, None]);
        assert_eq!(
            json::to_string(&readings[0].resource_metadata),
            r#"{"router_id": "r1", "status": "ACTIVE", "floating_network_id": "n1", "fixed_ip_address": "10.0.0.3", "port_id": "q1", "floating_ip_address": "172.24.4.228"}"#
        );
        assert_eq!(
            json::to_string(&readings[3].resource_metadata),
            r#"{"router_id": null, "status": null, "floating_network_id": null, "fixed_ip_address": null, "port_id": null, "floating_ip_address": null}"#
        );
    }

    #[tokio::test]
    async fn firewall_groups_and_policies() {
        let group = |text| refined(&FIREWALL_GROUPS, text);
        assert!(group(r#"{"id": "g0", "status": "error"}"#).is_none());
        let groups: Vec<_> = [
            r#"{"id": "g1", "tenant_id": "p1", "status": "ERROR", "admin_state_up": true, "name": "n"}"#,
            r#"{"id": "g2", "project_id": "p2", "tenant_id": "p3", "status": "INACTIVE"}"#,
        ]
        .into_iter()
        .filter_map(group)
        .collect();
        let (readings, polled) = read(&FIREWALL, &groups).await;
        assert!(polled.is_ok(), "{polled:?}");
        let [first, second] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((&first.volume, first.project_id.as_str()), (&Value::Int(7), Some("p1")));
        assert_eq!((&second.volume, second.project_id.as_str()), (&Value::Int(0), Some("p2")));
        assert_eq!(
            json::to_string(&first.resource_metadata),
            r#"{"admin_state_up": true, "description": null, "name": "n", "status": "ERROR", "ingress_firewall_policy_id": null, "egress_firewall_policy_id": null}"#
        );
        let policy = refined(&FIREWALL_POLICIES, r#"{"id": "y1", "shared": false, "firewall_rules": "r1"}"#);
        let (readings, _) = read(&FIREWALL_POLICY, &[policy.unwrap()]).await;
        assert_eq!((&readings[0].volume, &readings[0].project_id), (&Value::Int(1), &Value::Null));
        assert_eq!(
            json::to_string(&readings[0].resource_metadata),
            r#"{"name": null, "description": null, "firewall_rules": ["r1"], "shared": false, "audited": null}"#
        );
    }

    #[tokio::test]
    async fn a_vpn_service_may_have_no_flavor() {
        let service = refined(
            &VPN_SERVICES,
            r#"{"id": "v1", "tenant_id": "p1", "status": "PENDING_CREATE", "admin_state_up": 1,
                "external_v4_ip": "172.32.1.11"}"#,
        );
        let (readings, polled) = read(&VPN, &[service.unwrap()]).await;
        assert!(polled.is_ok(), "{polled:?}");
        assert_eq!((&readings[0].volume, readings[0].project_id.as_str()), (&Value::Int(2), Some("p1")));
        assert_eq!(
            json::to_string(&readings[0].resource_metadata),
            r#"{"is_admin_state_up": true, "description": null, "name": null, "status": "PENDING_CREATE", "subnet_id": null, "router_id": null, "flavor_id": null, "external_v4_ip": "172.32.1.11", "external_v6_ip": null}"#
        );
    }

    /// The key was copied into the metadata once, and so into every store of samples.
    #[tokio::test]
    async fn the_key_of_a_connection_is_nowhere() {
        let connections = [
            r#"{"id": "c1", "project_id": "p1", "psk": "do not tell", "mtu": "1500", "peer_cidrs": "10.2.0.0/24",
                "admin_state_up": true, "status": "ACTIVE", "auth_mode": "psk"}"#,
            r#"{"id": "c2", "psk": null, "mtu": "large", "peer_cidrs": null}"#,
        ];
        let connections = connections.map(|text| refined(&VPN_CONNECTIONS, text).unwrap());
        assert!(!format!("{connections:?}").contains("do not tell"));
        let (readings, polled) = read(&VPN_CONNECTION, &connections).await;
        assert!(polled.is_ok(), "{polled:?}");
        let [first, second] = &readings[..] else { panic!("{readings:?}") };
        assert_eq!((&first.volume, first.project_id.as_str()), (&Value::Int(1), Some("p1")));
        assert_eq!(
            json::to_string(&first.resource_metadata),
            r#"{"name": null, "description": null, "peer_address": null, "peer_id": null, "peer_cidrs": ["10.2.0.0/24"], "peer_ep_group_id": null, "psk": "***", "initiator": null, "ikepolicy_id": null, "ipsecpolicy_id": null, "vpnservice_id": null, "mtu": 1500, "is_admin_state_up": true, "status": "ACTIVE", "project_id": "p1"}"#
        );
        let of = |key| second.resource_metadata.get(key).cloned();
        assert_eq!((of("psk"), of("mtu")), (Some(Value::Null), Some(Value::Int(0))));
        assert_eq!((of("peer_cidrs"), of("is_admin_state_up")), (Some(Value::Null), Some(Value::Null)));
    }
}
