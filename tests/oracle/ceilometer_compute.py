"""Ceilometer's polling agent with the libvirt module of Debian's python3-libvirt: `ceilometer_compute.py OPTION...`

The environment of the originals is made by Debian's interpreter, for which Debian's module is built; it is taken by its
path, because an environment does not see the system's packages. Imported, this gives the module alone.
"""

import importlib.machinery
import importlib.util
import sys

PLACE = "/usr/lib/python3/dist-packages"


def load(name):
    spec = importlib.machinery.PathFinder.find_spec(name, [PLACE])
    if spec is None:
        raise ImportError(f"no {name} in {PLACE}: run scripts/provision test")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


for needed in ("libvirtmod", "libvirt"):
    if needed not in sys.modules:
        load(needed)


if __name__ == "__main__":
    from ceilometer.cmd.polling import main

    sys.argv[0] = "ceilometer-polling"
    sys.exit(main())
