//! Numbers of the remote protocol's procedures. They are never reused, so that daemons of
//! all ages understand them alike.

/// Opens the driver.
pub const CONNECT_OPEN: i32 = 1;
/// Says good-bye.
pub const CONNECT_CLOSE: i32 = 2;
/// The driver's name.
pub const CONNECT_GET_TYPE: i32 = 3;
/// The hypervisor's version.
pub const CONNECT_GET_VERSION: i32 = 4;
/// The host's processors and memory.
pub const NODE_GET_INFO: i32 = 6;
/// A domain's definition.
pub const DOMAIN_GET_XML_DESC: i32 = 14;
/// A domain's state, memory, processors, time.
pub const DOMAIN_GET_INFO: i32 = 16;
/// A domain by its name.
pub const DOMAIN_LOOKUP_BY_NAME: i32 = 23;
/// A domain by its UUID.
pub const DOMAIN_LOOKUP_BY_UUID: i32 = 24;
/// The host's name.
pub const CONNECT_GET_HOSTNAME: i32 = 59;
/// Whether the daemon can do something.
pub const CONNECT_SUPPORTS_FEATURE: i32 = 60;
/// Counters of a disk.
pub const DOMAIN_BLOCK_STATS: i32 = 64;
/// Counters of a network device.
pub const DOMAIN_INTERFACE_STATS: i32 = 65;
/// Which authentications the daemon wants.
pub const AUTH_LIST: i32 = 66;
/// SASL: which mechanisms there are.
pub const AUTH_SASL_INIT: i32 = 67;
/// SASL: the client's first message.
pub const AUTH_SASL_START: i32 = 68;
/// SASL: its further messages.
pub const AUTH_SASL_STEP: i32 = 69;
/// Asks polkit.
pub const AUTH_POLKIT: i32 = 70;
/// libvirt's version.
pub const CONNECT_GET_LIB_VERSION: i32 = 157;
/// A domain's memory.
pub const DOMAIN_MEMORY_STATS: i32 = 159;
/// Sizes of a disk.
pub const DOMAIN_GET_BLOCK_INFO: i32 = 194;
/// A domain's state and its reason.
pub const DOMAIN_GET_STATE: i32 = 212;
/// Counters of a disk, as typed parameters.
pub const DOMAIN_BLOCK_STATS_FLAGS: i32 = 243;
/// A domain's title, description, or one of its metadata elements.
pub const DOMAIN_GET_METADATA: i32 = 265;
/// Every domain.
pub const CONNECT_LIST_ALL_DOMAINS: i32 = 273;
/// Begins to receive an event.
pub const CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY: i32 = 316;
/// Event: a domain was started, stopped, defined, …
pub const DOMAIN_EVENT_CALLBACK_LIFECYCLE: i32 = 318;
/// Event: a device is gone.
pub const DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED: i32 = 333;
/// Statistics of every domain.
pub const CONNECT_GET_ALL_DOMAIN_STATS: i32 = 344;
/// A domain's addresses.
pub const DOMAIN_INTERFACE_ADDRESSES: i32 = 353;
/// Event: a device has come.
pub const DOMAIN_EVENT_CALLBACK_DEVICE_ADDED: i32 = 354;
/// Event: a title, description or metadata element has changed.
pub const DOMAIN_EVENT_CALLBACK_METADATA_CHANGE: i32 = 379;

/// Keep-alive: are you there?
pub const KEEP_ALIVE_PING: i32 = 1;
/// Keep-alive: yes.
pub const KEEP_ALIVE_PONG: i32 = 2;

/// The public function that a procedure stands for, for error messages.
pub const fn name(procedure: i32) -> &'static str {
    match procedure {
        CONNECT_OPEN => "ConnectOpen",
        CONNECT_CLOSE => "ConnectClose",
        CONNECT_GET_TYPE => "ConnectGetType",
        CONNECT_GET_VERSION => "ConnectGetVersion",
        NODE_GET_INFO => "NodeGetInfo",
        DOMAIN_GET_XML_DESC => "DomainGetXMLDesc",
        DOMAIN_GET_INFO => "DomainGetInfo",
        DOMAIN_LOOKUP_BY_NAME => "DomainLookupByName",
        DOMAIN_LOOKUP_BY_UUID => "DomainLookupByUUID",
        CONNECT_GET_HOSTNAME => "ConnectGetHostname",
        CONNECT_SUPPORTS_FEATURE => "ConnectSupportsFeature",
        DOMAIN_BLOCK_STATS => "DomainBlockStats",
        DOMAIN_INTERFACE_STATS => "DomainInterfaceStats",
        AUTH_LIST => "AuthList",
        AUTH_SASL_INIT => "AuthSaslInit",
        AUTH_SASL_START => "AuthSaslStart",
        AUTH_SASL_STEP => "AuthSaslStep",
        AUTH_POLKIT => "AuthPolkit",
        CONNECT_GET_LIB_VERSION => "ConnectGetLibVersion",
        DOMAIN_MEMORY_STATS => "DomainMemoryStats",
        DOMAIN_GET_BLOCK_INFO => "DomainGetBlockInfo",
        DOMAIN_GET_STATE => "DomainGetState",
        DOMAIN_BLOCK_STATS_FLAGS => "DomainBlockStatsFlags",
        DOMAIN_GET_METADATA => "DomainGetMetadata",
        CONNECT_LIST_ALL_DOMAINS => "ConnectListAllDomains",
        CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY => "ConnectDomainEventRegisterAny",
        CONNECT_GET_ALL_DOMAIN_STATS => "ConnectGetAllDomainStats",
        DOMAIN_INTERFACE_ADDRESSES => "DomainInterfaceAddresses",
        _ => "an unnamed procedure",
    }
}
