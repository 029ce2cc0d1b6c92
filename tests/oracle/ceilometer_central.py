"""Ceilometer's polling agent with a Cinder client that works: `ceilometer_central.py OPTION...`

Ceilometer 27.0.0 hands its configuration to openstacksdk, which takes a service without a section of its own for one that is
switched off; without it, it finds Cinder in the catalogue.
"""

import sys

import openstack.connection
from ceilometer import cinder_client


class Connection(openstack.connection.Connection):
    def __init__(self, *arguments, oslo_conf=None, **named):
        super().__init__(*arguments, **named)


cinder_client.connection = type("module", (), {"Connection": Connection})


if __name__ == "__main__":
    from ceilometer.cmd.polling import main

    sys.argv[0] = "ceilometer-polling"
    sys.exit(main())
