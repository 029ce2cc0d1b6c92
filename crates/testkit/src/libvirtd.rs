//! A private libvirtd with real QEMU domains.
//!
//! It is the session daemon of an account (`nobody` when the tests run as root): its state lies below `XDG_*`
//! directories of its own, so that nothing of the machine is touched, and neither systemd nor D-Bus nor KVM is needed.
//! QEMU emulates (`type='qemu'`) 16 MiB of memory without any system in it. `scripts/services/libvirtd.py` is the
//! recipe.

mod system;

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Error;
use crate::rabbitmq::Certificates;
use crate::service::Service;

pub use self::system::SystemLibvirtd;

/// How a libvirtd shall be started.
#[must_use]
#[derive(Debug, Default)]
pub struct LibvirtdBuilder {
    arguments: Vec<String>,
}

impl LibvirtdBuilder {
    /// Asks for user and password with these SASL mechanisms, separated by spaces.
    pub fn sasl(mut self, mechanisms: &str) -> Self {
        self.arguments.push(format!("--sasl={mechanisms}"));
        self
    }

    /// Listens on TCP as well.
    pub fn tcp(mut self) -> Self {
        self.arguments.push("--tcp".to_owned());
        self
    }

    /// Listens on TLS as well; clients must have a certificate.
    pub fn tls(mut self) -> Self {
        self.arguments.push("--tls".to_owned());
        self
    }

    /// A line for `libvirtd.conf`.
    pub fn setting(mut self, line: &str) -> Self {
        self.arguments.push(format!("--setting={line}"));
        self
    }

    /// Starts it and waits until its socket accepts.
    pub fn start(self) -> Result<Libvirtd, Error> {
        let (service, report) = Service::start_reporting("libvirtd", "libvirtd.py", &self.arguments)?;
        Ok(Libvirtd { service, report })
    }
}

/// A running libvirtd. Dropped, it is gone, and its domains with it.
#[derive(Debug)]
pub struct Libvirtd {
    service: Service,
    report: Report,
}

#[derive(Debug, Deserialize)]
struct Report {
    dir: PathBuf,
    socket: PathBuf,
    uri: String,
    log: PathBuf,
    user: Option<String>,
    password: Option<String>,
    tcp_port: Option<u16>,
    tls_port: Option<u16>,
    certificates: Option<Certificates>,
}

impl Libvirtd {
    /// Without authentication, on its Unix socket alone.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// With more than that.
    pub fn builder() -> LibvirtdBuilder {
        LibvirtdBuilder::default()
    }

    /// The Unix socket.
    pub fn socket(&self) -> &PathBuf {
        &self.report.socket
    }

    /// URI of the QEMU driver, socket included.
    pub fn uri(&self) -> &str {
        &self.report.uri
    }

    /// URI of another driver's path, `test:///default` for example, over the same socket.
    pub fn uri_of(&self, driver: &str, path: &str) -> String {
        format!("{driver}+unix://{path}?socket={}", self.report.socket.display())
    }

    /// Its directory.
    pub fn dir(&self) -> &PathBuf {
        &self.report.dir
    }

    /// User and password, if it asks for them.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.report.user.as_deref().zip(self.report.password.as_deref())
    }

    /// The port of TCP, if it listens there.
    pub fn tcp_port(&self) -> Option<u16> {
        self.report.tcp_port
    }

    /// The port of TLS, if it listens there.
    pub fn tls_port(&self) -> Option<u16> {
        self.report.tls_port
    }

    /// The files of TLS.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.report.certificates.as_ref()
    }

    /// Everything that it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// Runs virsh and returns what it prints.
    pub fn virsh(&self, arguments: &[&str]) -> Result<String, Error> {
        let answer = self.service.command(&format!("virsh {}", json!(arguments)))?;
        Ok(answer["output"].as_str().unwrap_or_default().to_owned())
    }

    /// Defines a domain.
    pub fn define(&self, domain: &TestDomain) -> Result<(), Error> {
        self.service.command(&format!("define {}", Value::from(domain.xml()))).map(drop)
    }

    /// Defines an instance as Nova does, and brings it into a state: `{"number": 1, "guest": "busy", "state": "running"}`
    /// and what `scripts/services/domains.py` takes besides (`nova`, `flavor`, `display_name`, `nics`, `disks`, `vcpus`).
    pub fn instance(&self, description: &Value) -> Result<TestInstance, Error> {
        let answer = self.service.command(&format!("instance {description}"))?;
        serde_json::from_value(answer).map_err(|error| Error::answer("libvirtd: instance", error))
    }

    /// Process id of a running domain's QEMU.
    pub fn domain_pid(&self, name: &str) -> Result<u32, Error> {
        let answer = self.service.command(&format!("pid {name}"))?;
        let pid = answer["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.ok_or_else(|| Error::answer("libvirtd: pid", answer))
    }

    /// Stops a domain's QEMU with SIGSTOP: it hangs.
    pub fn hang(&self, name: &str) -> Result<(), Error> {
        self.signal(name, "STOP")
    }

    /// Lets it go on.
    pub fn resume(&self, name: &str) -> Result<(), Error> {
        self.signal(name, "CONT")
    }

    fn signal(&self, domain: &str, signal: &str) -> Result<(), Error> {
        self.service.command(&format!("signal {}", json!({"domain": domain, "signal": signal}))).map(drop)
    }

    /// Stops the daemon in order; domains go on.
    pub fn stop(&self) -> Result<(), Error> {
        self.service.command("stop").map(drop)
    }

    /// Starts it again.
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start").map(drop)
    }

    /// Kills the daemon with -9; domains go on.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }
}

/// A domain that [`Libvirtd::instance`] has made.
#[derive(Debug, Clone, Deserialize)]
pub struct TestInstance {
    /// The domain's name.
    pub name: String,
    /// Its UUID, as text.
    pub uuid: String,
}

/// A domain for [`Libvirtd::define`]: two disks, of which one is a drive without a medium, and a network device.
#[derive(Debug, Clone)]
pub struct TestDomain {
    /// Its name.
    pub name: String,
    /// Its UUID, as text.
    pub uuid: String,
    /// Whether it has the metadata that Nova writes.
    pub nova: bool,
}

impl TestDomain {
    /// A domain as Nova makes it; `number` goes into its name and UUID.
    pub fn new(number: u32) -> Self {
        Self {
            name: format!("instance-{number:08x}"),
            uuid: format!("{number:08x}-1111-4111-8111-111111111111"),
            nova: true,
        }
    }

    /// Made by somebody else.
    #[must_use]
    pub fn without_metadata(self) -> Self {
        Self { nova: false, ..self }
    }

    /// Its definition; `@DIR@` stands for the fixture's directory.
    pub fn xml(&self) -> String {
        let Self { name, uuid, .. } = self;
        let metadata = if self.nova { NOVA_METADATA.replace("@NAME@", name) } else { String::new() };
        let end = uuid.get(..8).unwrap_or("00000000");
        let mac = format!("52:54:00:{}:{}:{}", &end[2..4], &end[4..6], &end[6..8]);
        format!(
            "<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>{metadata}
<memory unit='MiB'>16</memory><vcpu>2</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<devices>
  <emulator>/usr/bin/qemu-system-x86_64</emulator>
  <disk type='file' device='disk'><driver name='qemu' type='raw'/>
    <source file='@DIR@/disks/{name}.img'/><target dev='vda' bus='virtio'/></disk>
  <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
  <interface type='user'><mac address='{mac}'/><model type='virtio'/></interface>
</devices></domain>"
        )
    }
}

/// What Nova 2025.1 writes of an instance, shortened.
const NOVA_METADATA: &str = "<metadata>
<nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>
  <nova:package version='31.0.0'/>
  <nova:name>vm of @NAME@</nova:name>
  <nova:creationTime>2026-11-26 05:00:00</nova:creationTime>
  <nova:flavor name='m1.tiny'>
    <nova:memory>16</nova:memory><nova:disk>1</nova:disk><nova:swap>0</nova:swap>
    <nova:ephemeral>0</nova:ephemeral><nova:vcpus>2</nova:vcpus>
  </nova:flavor>
  <nova:owner>
    <nova:user uuid='0a2c4e5d7b9f4d26a1c3b5d7e9f01234'>admin</nova:user>
    <nova:project uuid='5b7d9f01a3c5e7f9b1d3f5a7c9e0b2d4'>admin</nova:project>
  </nova:owner>
  <nova:root type='image' uuid='c3f1a2b4-5d6e-4f70-8192-a3b4c5d6e7f8'/>
</nova:instance></metadata>";
