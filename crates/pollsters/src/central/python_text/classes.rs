//! The classes of openstacksdk 4.22 whose objects are polled, with their attributes.

use super::{SdkClass, Unknown};

const fn object(name: &'static str, attributes: &'static str) -> SdkClass {
    SdkClass { name: Some(name), unknown: Unknown::Dropped, attributes }
}

const fn dictionary(unknown: Unknown, attributes: &'static str) -> SdkClass {
    SdkClass { name: None, unknown, attributes }
}

pub(in crate::central) const FLOATING_IP: SdkClass = dictionary(
    Unknown::Kept,
    "created_at description dns_domain dns_name fixed_ip_address floating_ip_address name=floating_ip_address \
     floating_network_id port_details/map port_id qos_policy_id project_id|tenant_id tenant_id router_id status \
     updated_at subnet_id revision_number/int -if_match id -location tags/tags",
);

pub(in crate::central) const FIREWALL_GROUP: SdkClass = dictionary(
    Unknown::Kept,
    "admin_state_up description egress_firewall_policy_id ingress_firewall_policy_id id name ports/list project_id \
     shared status -location",
);

pub(in crate::central) const FIREWALL_POLICY: SdkClass =
    dictionary(Unknown::Kept, "audited description id firewall_rules/list name project_id shared -location");

pub(in crate::central) const VPN_SERVICE: SdkClass = dictionary(
    Unknown::Kept,
    "description external_v4_ip external_v6_ip is_admin_state_up=admin_state_up/bool name router_id \
     project_id|tenant_id tenant_id status subnet_id id -location",
);

pub(in crate::central) const VPN_CONNECTION: SdkClass = dictionary(
    Unknown::Dropped,
    "action auth_mode description dpd/map is_admin_state_up=admin_state_up/bool ikepolicy_id initiator ipsecpolicy_id \
     interval/int local_ep_group_id peer_address local_id mtu/int name peer_id peer_cidrs/list project_id|tenant_id psk \
     peer_ep_group_id route_mode status timeout/int vpnservice_id id -location",
);

pub(in crate::central) const IMAGE: SdkClass = SdkClass {
    name: Some("openstack.image.v2.image.Image"),
    unknown: Unknown::Properties,
    attributes: "checksum container_format created_at disk_format is_hidden=os_hidden is_protected=protected \
         hash_algo=os_hash_algo hash_value=os_hash_value min_disk min_ram name owner owner_id=owner properties size \
         store status updated_at virtual_size visibility file locations direct_url url metadata architecture \
         hypervisor_type instance_type_rxtx_factor instance_uuid needs_config_drive=img_config_drive kernel_id \
         os_distro os_version needs_secure_boot=os_secure_boot os_shutdown_timeout ramdisk_id vm_mode hw_cpu_sockets \
         hw_cpu_cores hw_cpu_threads hw_disk_bus hw_cpu_policy hw_cpu_thread_policy hw_rng_model hw_machine_type \
         hw_scsi_model hw_serial_port_count hw_video_model hw_video_ram hw_watchdog_action os_command_line \
         hw_vif_model is_hw_vif_multiqueue_enabled=hw_vif_multiqueue_enabled is_hw_boot_menu_enabled=hw_boot_menu \
         vmware_adaptertype vmware_ostype has_auto_disk_config=auto_disk_config os_type os_admin_user \
         hw_qemu_guest_agent os_require_quiesce schema id tags",
};

pub(in crate::central) const VOLUME: SdkClass = object(
    "openstack.block_storage.v3.volume.Volume",
    "attachments availability_zone backup_id consistency_group_id=consistencygroup_id consumes_quota cluster_name \
     created_at description encryption_key_id extended_replication_status=os-volume-replication:extended_status \
     group_id host=os-vol-host-attr:host image_id=imageRef is_bootable=bootable is_encrypted=encrypted \
     is_multiattach=multiattach migration_id=os-vol-mig-status-attr:name_id \
     migration_status=os-vol-mig-status-attr:migstat project_id=os-vol-tenant-attr:tenant_id \
     replication_driver_data=os-volume-replication:driver_data provider_id replication_status \
     scheduler_hints=OS-SCH-HNT:scheduler_hints service_uuid shared_targets size snapshot_id \
     source_volume_id=source_volid status updated_at user_id volume_image_metadata volume_type volume_type_id id name \
     metadata",
);

pub(in crate::central) const SNAPSHOT: SdkClass = object(
    "openstack.block_storage.v3.snapshot.Snapshot",
    "consumes_quota created_at description group_snapshot_id is_forced=force \
     progress=os-extended-snapshot-attributes:progress project_id=os-extended-snapshot-attributes:project_id size \
     status updated_at user_id volume_id id name metadata",
);

pub(in crate::central) const BACKUP: SdkClass = object(
    "openstack.block_storage.v3.backup.Backup",
    "availability_zone container created_at data_timestamp description encryption_key_id fail_reason force \
     has_dependent_backups is_incremental links metadata name object_count project_id=os-backup-project-attr:project_id \
     size snapshot_id status updated_at user_id volume_id volume_name id",
);

pub(in crate::central) const POOLS: SdkClass =
    object("openstack.block_storage.v3.stats.Pools", "name capabilities id");

pub(in crate::central) const SERVICE: SdkClass = object(
    "openstack.block_storage.v3.service.Service",
    "active_backend_id availability_zone=zone backend_state binary cluster disabled_reason host is_frozen=frozen name \
     replication_status state status updated_at id",
);

pub(in crate::central) const LOAD_BALANCER: SdkClass = object(
    "openstack.load_balancer.v2.load_balancer.LoadBalancer",
    "is_admin_state_up=admin_state_up availability_zone created_at description flavor_id listeners name \
     operating_status pools project_id provider provisioning_status updated_at vip_address vip_network_id vip_port_id \
     vip_subnet_id vip_qos_policy_id vip_sg_ids additional_vips id tags",
);

pub(in crate::central) const ZONE: SdkClass = object(
    "openstack.dns.v2.zone.Zone",
    "action attributes created_at description email links masters name pool_id project_id serial status ttl type \
     updated_at is_shared=shared id",
);

pub(in crate::central) const SHARE: SdkClass = object(
    "openstack.shared_file_system.v2.share.Share",
    "access_rules_status availability_zone created_at description host is_public \
     is_creating_new_share_from_snapshot_supported=create_share_from_snapshot_support \
     is_mounting_snapshot_supported=mount_snapshot_support \
     is_reverting_to_snapshot_supported=revert_to_snapshot_support is_snapshot_supported=snapshot_support \
     is_replicated=has_replicas metadata progress project_id replication_type share_group_id share_network_id \
     share_protocol=share_proto share_server_id share_type share_type_name size snapshot_id \
     source_share_group_snapshot_member_id status task_state user_id display_name display_description id name",
);
