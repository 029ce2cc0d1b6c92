"""What the Keystone, Glance and Gnocchi launchers share: configuration files, database templates, start."""

import configparser
import fcntl
import hashlib
import os
import shutil

from launcher import Failure, accepts

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
START_SECONDS = 120
ADMIN_USER = "admin"
ADMIN_PASSWORD = "private-cloud"
REGION = "RegionOne"


def venv():
    """The Python environment that scripts/provision makes."""
    path = os.environ.get("NEPHOSCOPE_VENV") or os.path.join(ROOT, "target", "venv")
    if not os.access(os.path.join(path, "bin", "python"), os.X_OK):
        raise Failure(f"{path} is missing: run scripts/provision test")
    return path


def add_options(parser):
    """Options of every OpenStack service."""
    parser.add_argument("--transport-url", required=True, help="the broker that notifications go to")
    parser.add_argument("--driver", default="messagingv2", help="notification driver")
    parser.add_argument("--topics", default="notifications", help="notification topics, comma separated")
    parser.add_argument(
        "--set", action="append", default=[], metavar="GROUP.NAME=VALUE", help="any other option of the service"
    )


def notifications(options):
    """The configuration by which a service notifies, as an operator writes it."""
    return {
        "DEFAULT": {"transport_url": options.transport_url},
        "oslo_messaging_notifications": {"driver": options.driver, "topics": options.topics},
    }


def write_configuration(launcher, name, groups, overrides=()):
    """Writes an ini file from nested tables; overrides win."""
    parser = configparser.RawConfigParser(default_section="no default section")
    parser.optionxform = str
    for group, values in groups.items():
        parser[group] = values
    for override in overrides:
        place, value = override.split("=", 1)
        group, option = place.rsplit(".", 1)
        if not parser.has_section(group):
            parser.add_section(group)
        parser.set(group, option, value)
    with open(launcher.path(name), "w", encoding="utf-8") as file:
        parser.write(file)
    os.chmod(launcher.path(name), 0o600)
    return launcher.path(name)


def from_template(launcher, name, make):
    """Copies the service's freshly migrated state into the fixture, making it once for all fixtures.

    Migrations take several seconds. Their result depends on the installed versions only, so it is kept under
    target/ by a hash of the lock files and of this folder's scripts; `make(folder)` fills a new one.
    """
    digest = hashlib.sha256()
    here = os.path.dirname(os.path.abspath(__file__))
    locks = [os.path.join(ROOT, "tests", f"{lock}.lock") for lock in ("requirements", name)]
    for source in (*filter(os.path.exists, locks), os.path.join(here, f"{name}.py"), __file__):
        with open(source, "rb") as file:
            digest.update(file.read())
    parent = os.path.join(ROOT, "target", "service-templates")
    os.makedirs(parent, exist_ok=True)
    template = os.path.join(parent, f"{name}-{digest.hexdigest()[:16]}")
    with open(os.path.join(parent, f"{name}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(template):
            # Made in the fixture's own directory, so that an interrupted attempt goes with it.
            fresh = launcher.path("template")
            os.mkdir(fresh)
            make(fresh)
            shutil.copytree(fresh, f"{template}.new", dirs_exist_ok=True)
            os.rename(f"{template}.new", template)
            for old in os.listdir(parent):
                if old.startswith(f"{name}-") and os.path.join(parent, old) != template:
                    shutil.rmtree(os.path.join(parent, old), ignore_errors=True)
    shutil.copytree(template, launcher.path("state"))
    return launcher.path("state")


def serve(launcher, module, port, threads, env=None, arguments=()):
    """Starts the service's WSGI application, which may have arguments, and waits until it listens."""
    log = launcher.path("server.log")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "serve_wsgi.py")
    server = launcher.spawn(
        [os.path.join(venv(), "bin", "python"), "-B", "-P", script, module, str(port), str(threads), *arguments],
        "server.log",
        env,
    )
    launcher.wait_until("listening service", lambda: accepts(port), server, log, START_SECONDS)
    return server, log


