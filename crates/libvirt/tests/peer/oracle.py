"""Everything that the tests ask, asked by libvirt's own library: `oracle.py URI` prints a JSON object.

What fails is `{"error": CODE}`. Numbers are what the C functions return, in the same order.
"""

import json
import re
import sys

import libvirt

GROUPS = 63
NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"


def attempt(call):
    try:
        return call()
    except libvirt.libvirtError as error:
        return {"error": error.get_error_code()}


def devices(xml, element):
    """Names on the host of disks or network devices."""
    return [
        found
        for block in re.findall(rf"<{element}[ >].*?</{element}>", xml, re.S)
        for found in re.findall(r"<target dev='([^']*)'", block)
    ]


def domain(dom):
    xml = attempt(dom.XMLDesc)
    text = xml if isinstance(xml, str) else ""
    return {
        "xml": xml,
        "metadata": attempt(lambda: dom.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NOVA)),
        "title": attempt(lambda: dom.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None)),
        "info": attempt(dom.info),
        "state": attempt(dom.state),
        "memory": attempt(dom.memoryStats),
        "block": {disk: attempt(lambda: list(dom.blockStats(disk))) for disk in devices(text, "disk")},
        "block_flags": {disk: attempt(lambda: dom.blockStatsFlags(disk)) for disk in devices(text, "disk")},
        "block_info": {disk: attempt(lambda: dom.blockInfo(disk)) for disk in devices(text, "disk")},
        "interface": {
            name: attempt(lambda: list(dom.interfaceStats(name))) for name in [*devices(text, "interface"), "nowhere"]
        },
        "addresses": attempt(lambda: dom.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)),
    }


def main():
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.openReadOnly(sys.argv[1])
    domains = connection.listAllDomains()
    nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
    # The driver of containers has none.
    stats = attempt(lambda: {dom.name(): values for dom, values in connection.getAllDomainStats(GROUPS, nowait)})
    print(
        json.dumps(
            {
                "hostname": connection.getHostname(),
                "driver": connection.getType(),
                "libvirt": connection.getLibVersion(),
                "hypervisor": connection.getVersion(),
                "node": connection.getInfo(),
                "domains": sorted([dom.name(), dom.UUIDString(), dom.ID()] for dom in domains),
                "stats": stats,
                "single": {dom.name(): domain(dom) for dom in domains[:5]},
            }
        )
    )


main()
