"""Nova's API as a WSGI application, with two additions below `/-/`: commands that write what Nova's other services would
(servers, flavors), and as much of Neutron as a list of servers asks for. Run by serve_wsgi.py for nova.py.

The folder holds this module alone, because it is put on Python's path, where a neighbour named `openstack` would hide
the SDK.
"""

from nova import monkey_patch

monkey_patch.patch(backend="threading")

import json  # noqa: E402
import os  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402

from nova import context, objects  # noqa: E402
from nova.api.openstack import wsgi_app  # noqa: E402
from nova.network import model as network_model  # noqa: E402
from oslo_config import cfg  # noqa: E402
from oslo_utils import timeutils, uuidutils  # noqa: E402

NAME = "osapi_compute"
PROGRAM = "nova-api"
CELL_1 = "00000000-0000-0000-0000-000000000001"
NOBODY = "00000000000000000000000000000000"

_one_at_a_time = threading.Lock()


class Commands:
    """What `POST /-/fixture/VERB` does. Arguments come as a JSON object; the answer is JSON."""

    def create_flavor(self, **properties):
        """Makes a flavor; returns its id."""
        flavor = objects.Flavor(
            context.get_admin_context(),
            **{
                "flavorid": uuidutils.generate_uuid(),
                "memory_mb": 512,
                "vcpus": 1,
                "root_gb": 10,
                "ephemeral_gb": 0,
                "swap": 0,
                "rxtx_factor": 1.0,
                "vcpu_weight": 0,
                "disabled": False,
                "is_public": True,
                **properties,
            },
        )
        flavor.create()
        return flavor.flavorid

    def delete_flavor(self, id):
        objects.Flavor.get_by_flavor_id(context.get_admin_context(), id).destroy()

    def create_server(self, flavor, **properties):
        """Makes a running server on the host `compute-1` of the second cell; returns its UUID."""
        uuid = properties.pop("uuid", None) or uuidutils.generate_uuid()
        image = properties.pop("image", None)
        flavor = objects.Flavor.get_by_flavor_id(context.get_admin_context(), flavor)
        with self._cell() as cell:
            server = objects.Instance(
                cell,
                **{
                    "uuid": uuid,
                    "user_id": NOBODY,
                    "project_id": NOBODY,
                    "host": "compute-1",
                    "vm_state": "active",
                    "power_state": 1,
                    "task_state": None,
                    "display_name": "server",
                    "hostname": "server",
                    "availability_zone": "nova",
                    "reservation_id": "r-fixture1",
                    "image_ref": image,
                    "root_device_name": "/dev/vda",
                    "metadata": {},
                    "system_metadata": {},
                    "memory_mb": flavor.memory_mb,
                    "vcpus": flavor.vcpus,
                    "root_gb": flavor.root_gb,
                    "ephemeral_gb": flavor.ephemeral_gb,
                    "instance_type_id": flavor.id,
                    **properties,
                },
            )
            server.info_cache = objects.InstanceInfoCache(cell, network_info=network_model.NetworkInfo())
            server.flavor = flavor
            server.old_flavor = None
            server.new_flavor = None
            server.create()
            # As compute does when the guest runs; only what was written again is a change to Nova.
            server.launched_at = timeutils.utcnow()
            server.save()
        objects.InstanceMapping(
            context.get_admin_context(),
            instance_uuid=uuid,
            project_id=server.project_id,
            user_id=server.user_id,
            cell_mapping=self._mapping(),
        ).create()
        return uuid

    def update_server(self, id, **properties):
        """Changes attributes of a server, by Nova's own names."""
        with self._cell() as cell:
            server = objects.Instance.get_by_uuid(cell, id)
            for name, value in properties.items():
                setattr(server, name, value)
            server.save()

    def delete_server(self, id):
        """Deletes a server as compute does when a guest is gone: softly, so that it shows among changes."""
        with self._cell() as cell:
            server = objects.Instance.get_by_uuid(cell, id)
            server.vm_state = "deleted"
            server.task_state = None
            server.terminated_at = timeutils.utcnow()
            server.save()
            server.destroy()

    @staticmethod
    def _mapping():
        return objects.CellMapping.get_by_uuid(context.get_admin_context(), CELL_1)

    def _cell(self):
        return context.target_cell(context.get_admin_context(), self._mapping())


def map_cells():
    """Enters both cells where Nova looks for them. Their databases lie in the fixture's own directory."""
    connections = {
        objects.CellMapping.CELL0_UUID: ("cell0", cfg.CONF.database.connection),
        CELL_1: ("cell1", cfg.CONF.nephoscope.cell1),
    }
    for uuid, (name, connection) in connections.items():
        objects.CellMapping(
            context.get_admin_context(),
            uuid=uuid,
            name=name,
            transport_url="none:///" if name == "cell0" else "fake://",
            database_connection=connection,
            disabled=False,
        ).create()


def make():
    folder = os.environ["OS_NOVA_CONFIG_DIR"]
    cfg.CONF.register_opts([cfg.StrOpt("cell1")], group="nephoscope")
    wsgi_app.init_global_data([os.path.join(folder, "nova.conf")], NAME, PROGRAM)
    map_cells()
    return wsgi_app.init_application(NAME, PROGRAM)


nova = make()
commands = Commands()


def application(environ, start_response):
    path = environ.get("PATH_INFO", "")
    if not path.startswith("/-/"):
        return nova(environ, start_response)
    status, answer = "200 OK", None
    if path.startswith("/-/neutron/v2.0/"):
        collection = path.rsplit("/", 1)[1].removesuffix(".json").replace("-", "_")
        answer = {collection: []}
    else:
        verb = path.removeprefix("/-/fixture/")
        body = environ["wsgi.input"].read()
        try:
            with _one_at_a_time:
                answer = getattr(commands, verb)(**json.loads(body or b"{}"))
        except Exception:  # whatever it is, the owner must hear of it
            status, answer = "500 Internal Server Error", traceback.format_exc()
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
