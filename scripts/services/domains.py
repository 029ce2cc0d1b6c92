"""Domains as Nova defines them, with guests of a few instructions in their boot sectors.

A guest is no more than a boot sector: it needs no image, no KVM and no network, and what it does is known to the byte.
Real hypervisors then say of it what they say of any machine: its processor time moves, its disk is read and written, it
crashes, it sleeps.
"""

import hashlib

SECTOR_BYTES = 512
# int 13h's address packet of a guest that uses its disk: eight sectors from the second, at 0x8000.
PACKET_AT = 0x30
PACKET = bytes.fromhex("1000080000800000" "0100000000000000")

GUESTS = {
    # sti; again: hlt; jmp again
    "idle": "fb f4 ebfd",
    # At each tick of the timer (18 a second): read the eight sectors, write them back.
    # sti; ds = 0; again: si = packet; dl = first disk; ah = 42h; int 13h; the same with ax = 4300h; hlt; jmp again
    "busy": "fb 31c0 8ed8  be307c b280 b442 cd13  be307c b280 b80043 cd13  f4 ebea",
    # out 505h, 1 (pvpanic); again: hlt; jmp again
    "panics": "ba0505 b001 ee f4 ebfd",
    # out 604h, 2400h (ACPI of the machine type pc: sleep, S3); again: hlt; jmp again
    "sleeps": "ba0406 b80024 ef f4 ebfd",
}

NOVA = "http://openstack.org/xmlns/libvirt/nova/"
USER = "0a2c4e5d7b9f4d26a1c3b5d7e9f01234"
PROJECT = "5b7d9f01a3c5e7f9b1d3f5a7c9e0b2d4"
IMAGE = "c3f1a2b4-5d6e-4f70-8192-a3b4c5d6e7f8"


def name_of(number):
    return f"instance-{number:08x}"


def uuid_of(number):
    return f"{number:08x}-3333-4333-8333-333333333333"


def boot_sector(guest):
    code = bytes.fromhex(GUESTS[guest].replace(" ", ""))
    sector = code.ljust(PACKET_AT, b"\0") + PACKET
    return sector.ljust(SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"


def metadata(number, version, flavor, display_name):
    """What Nova writes of an instance. Version 1.0: until 2021. 1.1: with the ports. 2025.2: with the flavor's id and extra
    specs, and the image's properties.
    """
    namespace = NOVA + ("1.0" if version == "1.0" else "1.1")
    release = {"1.0": "23.2.3", "1.1": "31.0.0", "2025.2": "32.0.0"}[version]
    newest = version == "2025.2"
    identity = f' id="{hashlib.md5(flavor.encode()).hexdigest()}"' if newest else ""
    extra_specs = (
        '<nova:extraSpecs><nova:extraSpec name="hw:cpu_policy">shared</nova:extraSpec>'
        '<nova:extraSpec name="hw_rng:allowed">True</nova:extraSpec></nova:extraSpecs>'
    )
    image = (
        f'<nova:image uuid="{IMAGE}"><nova:containerFormat>bare</nova:containerFormat>'
        "<nova:diskFormat>raw</nova:diskFormat><nova:minDisk>1</nova:minDisk><nova:minRam>0</nova:minRam>"
        '<nova:properties><nova:property name="hw_disk_bus">virtio</nova:property>'
        '<nova:property name="os_distro">é &amp; others</nova:property></nova:properties></nova:image>'
    )
    ports = (
        f'<nova:ports><nova:port uuid="{uuid_of(number)}">'
        f'<nova:ip type="fixed" address="10.0.0.{number % 250 + 2}" ipVersion="4"/></nova:port></nova:ports>'
    )
    return f"""<metadata>
<nova:instance xmlns:nova="{namespace}">
  <nova:package version="{release}"/>
  <nova:name>{display_name}</nova:name>
  <nova:creationTime>2026-11-26 05:00:00</nova:creationTime>
  <nova:flavor name="{flavor}"{identity}>
    <nova:memory>16</nova:memory>
    <nova:disk>3</nova:disk>
    <nova:swap>0</nova:swap>
    <nova:ephemeral>1</nova:ephemeral>
    <nova:vcpus>1</nova:vcpus>
    {extra_specs if newest else ""}
  </nova:flavor>
  {image if newest else ""}
  <nova:owner>
    <nova:user uuid="{USER}">demo</nova:user>
    <nova:project uuid="{PROJECT}">demo</nova:project>
  </nova:owner>
  <nova:root type="image" uuid="{IMAGE}"/>
  {"" if version == "1.0" else ports}
</nova:instance></metadata>"""


def interface(number, index, device):
    """A network device. QEMU's own user network needs no privilege; libvirt tells the counters of the host's device of the
    name, whatever that is, and that is `lo` where no tap can be made. An empty name: no device on the host.
    """
    target = f"<target dev='{device}'/>" if device else ""
    mac = f"fa:16:3e:{number >> 8 & 255:02x}:{number & 255:02x}:{index:02x}"
    return f"<interface type='user'><mac address='{mac}'/>{target}<model type='virtio'/></interface>"


def disk(name, device, bus):
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/>"
        f"<source file='@DIR@/disks/{name}-{device}.img'/><target dev='{device}' bus='{bus}'/></disk>"
    )


def tap(number, index, bridge):
    """A network device as Neutron's bridges have it: a tap on a bridge of the host."""
    mac = f"fa:16:3e:{number >> 8 & 255:02x}:{number & 255:02x}:{index + 128:02x}"
    return (
        f"<interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/>"
        f"<target dev='tap{number:x}-{index}'/><model type='virtio'/></interface>"
    )


def container(number, name, bridge, program):
    """The XML of a container (LXC) in which a program sleeps, with a network device on a bridge."""
    return f"""<domain type='lxc'><name>{name}</name><uuid>{uuid_of(number)}</uuid>
{metadata(number, "1.1", "m1.tiny", f"container {number}")}
<memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>exe</type><init>{program}</init><initarg>-c</initarg>
<initarg>import time; time.sleep(100000)</initarg></os>
<devices>
  <filesystem type='mount'><source dir='/'/><target dir='/'/><readonly/></filesystem>
  {tap(number, 0, bridge).replace("<model type='virtio'/>", "")}
  <console type='pty'/>
</devices></domain>"""


def definition(
    number, nova="1.1", flavor="m1.tiny", display_name=None, nics=("lo",), disks=("vda",), vcpus=1, bridge="", taps=0
):
    """The XML of a domain. `@DIR@` stands for the directory that has the folder of disks; the first one is booted from.
    `nova`: a version of the metadata, or None. Beside `nics` it has that many taps on the bridge.
    """
    name = name_of(number)
    buses = {"vd": "virtio", "sd": "sata", "hd": "ide"}
    devices = [disk(name, device, buses[device[:2]]) for device in disks]
    # A drive without a medium.
    devices.append("<disk type='file' device='cdrom'><target dev='sdz' bus='sata'/><readonly/></disk>")
    devices += [interface(number, index, device) for index, device in enumerate(nics)]
    devices += [tap(number, index, bridge) for index in range(taps)]
    return f"""<domain type='qemu'><name>{name}</name><uuid>{uuid_of(number)}</uuid>
{metadata(number, nova, flavor, display_name or f"server {number}") if nova else ""}
<memory unit='MiB'>16</memory><vcpu>{vcpus}</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
<on_crash>preserve</on_crash><pm><suspend-to-mem enabled='yes'/></pm>
<devices>
  <emulator>/usr/bin/qemu-system-x86_64</emulator>
  {" ".join(devices)}
  <panic model='isa'/>
</devices></domain>"""
