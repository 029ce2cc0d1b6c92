#!/usr/bin/env python3
"""Runs the program of a systemd unit in this process's place, as systemd would where it can be done without it.

    unit.py --root ROOT [--set KEY=VALUE]... [--env NAME=VALUE]... UNIT

ROOT is a directory with a system in it; the unit lies in its lib/systemd/system. Done are: the account with its groups,
the directories with their modes, a bare environment and what the unit adds, limits, umask, no new privileges, no
capabilities, the filters of system calls, of address families and of memory that is written and executed. The last
three are made with libseccomp from systemd's own groups of system calls. Not done is what needs mounts and namespaces; a setting that is neither known as
done nor as not done is an error, so that nobody believes it tested. Must be run as root (or as root of a user namespace).
"""

import argparse
import ctypes
import os
import resource
import shlex
import subprocess
import sys

# Settings that are the service manager's own, or need mounts, namespaces or control groups.
NOT_DONE = {
    "Type", "ExecReload", "Restart", "RestartSec", "RestartPreventExitStatus", "TimeoutStopSec", "EnvironmentFile",
    "ReadWritePaths", "AmbientCapabilities", "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateMounts",
    "PrivateDevices", "DevicePolicy", "DeviceAllow", "PrivateUsers", "ProtectClock", "ProtectControlGroups",
    "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc",
    "LockPersonality", "RemoveIPC", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID",
    "SystemCallArchitectures",
}
DONE = {
    "User", "Group", "Environment", "ExecStart", "WatchdogSec", "LimitNOFILE", "LimitCORE", "UMask",
    "CapabilityBoundingSet", "NoNewPrivileges", "MemoryDenyWriteExecute", "RestrictAddressFamilies", "SystemCallFilter",
    "SystemCallErrorNumber",
}
DIRECTORIES = {"StateDirectory": "var/lib", "LogsDirectory": "var/log", "ConfigurationDirectory": "etc",
               "RuntimeDirectory": "run", "CacheDirectory": "var/cache"}

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
SCMP_ACT_ALLOW, SCMP_ACT_ERRNO = 0x7FFF0000, 0x00050000
SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ = 4, 7
EPERM, EAFNOSUPPORT = 1, 97
PROT_WRITE, PROT_EXEC = 2, 4
FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
MOST_FAMILIES = 46


class Comparison(ctypes.Structure):
    """`struct scmp_arg_cmp` of seccomp.h."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def parse(path):
    """The settings of [Service], each with its values in order; an empty one takes back those before it."""
    settings, section = {}, ""
    with open(path, encoding="utf-8") as file:
        for line in map(str.strip, file):
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and line[0] not in "#;":
                key, value = line.split("=", 1)
                values = settings.setdefault(key, [])
                if value:
                    values.append(value)
                else:
                    values.clear()
    return settings


def entries(root, name):
    with open(os.path.join(root, "etc", name), encoding="utf-8") as file:
        return [line.rstrip("\n").split(":") for line in file]


def account(root, user, group):
    """Number of the user, of the group, and of the user's further groups, and the home directory."""
    [entry] = [entry for entry in entries(root, "passwd") if entry[0] == user]
    groups = entries(root, "group")
    [gid] = [int(entry[2]) for entry in groups if entry[0] == group]
    further = [int(entry[2]) for entry in groups if user in entry[3].split(",")]
    return int(entry[2]), gid, further, entry[5]


def calls(filters):
    """The system calls that the filters leave, names of groups resolved by systemd."""
    listed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True, stdout=subprocess.PIPE,
                            text=True).stdout
    groups, members = {}, None
    for line in listed.splitlines():
        if line.startswith("@"):
            members = groups.setdefault(line.strip(), [])
        elif line.strip() and not line.strip().startswith("#"):
            members.append(line.strip())

    def resolve(names):
        return set().union(*(resolve(groups[name]) if name.startswith("@") else {name} for name in names))

    allowed = resolve(["@default"])
    for line in filters:
        names = resolve(line.lstrip("~").split())
        allowed = allowed - names if line.startswith("~") else allowed | names
    return allowed


class Seccomp:
    def __init__(self):
        self.library = ctypes.CDLL("libseccomp.so.2")
        self.library.seccomp_init.restype = ctypes.c_void_p
        self.library.seccomp_init.argtypes = [ctypes.c_uint32]
        self.library.seccomp_load.argtypes = [ctypes.c_void_p]
        self.library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
        self.library.seccomp_rule_add_array.argtypes = [
            ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison)]

    def filter(self, default, rules):
        """Loads a filter; `rules` are (action, name of the system call, comparisons)."""
        context = self.library.seccomp_init(default)
        for action, name, comparisons in rules:
            number = self.library.seccomp_syscall_resolve_name(name.encode())
            if number < 0:
                continue  # Not of this architecture.
            array = (Comparison * len(comparisons))(*comparisons)
            if self.library.seccomp_rule_add_array(context, action, number, len(comparisons), array):
                sys.exit(f"unit.py: no rule for {name}")
        if self.library.seccomp_load(context):
            sys.exit("unit.py: the filter cannot be loaded")


def filters(settings):
    """The filters as lists of what `Seccomp.filter` takes."""
    deny = SCMP_ACT_ERRNO | EPERM
    if settings.get("SystemCallErrorNumber") != ["EPERM"]:
        sys.exit("unit.py: another SystemCallErrorNumber= than EPERM is not known")
    yield deny, [(SCMP_ACT_ALLOW, name, []) for name in sorted(calls(settings["SystemCallFilter"]))]
    allowed = {FAMILIES[name] for line in settings["RestrictAddressFamilies"] for name in line.split()}
    yield SCMP_ACT_ALLOW, [(SCMP_ACT_ERRNO | EAFNOSUPPORT, "socket", [Comparison(0, SCMP_CMP_EQ, family, 0)])
                           for family in range(MOST_FAMILIES) if family not in allowed]
    if settings.get("MemoryDenyWriteExecute") == ["yes"]:
        both = PROT_WRITE | PROT_EXEC
        yield SCMP_ACT_ALLOW, [
            (deny, "mmap", [Comparison(2, SCMP_CMP_MASKED_EQ, both, both)]),
            (deny, "mprotect", [Comparison(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)]),
            (deny, "pkey_mprotect", [Comparison(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)]),
        ]


def directories(root, settings, uid, gid, environment):
    for key, parent in DIRECTORIES.items():
        mode = int(settings.get(f"{key}Mode", ["0755"])[-1], 8)
        for name in " ".join(settings.get(key, [])).split():
            path = os.path.join(root, parent, name)
            if not os.path.isdir(path):
                os.makedirs(path)
                os.chmod(path, mode)
            # What somebody else has configured is not given to the service.
            if key != "ConfigurationDirectory":
                os.chmod(path, mode)
                os.chown(path, uid, gid)
            environment[{"StateDirectory": "STATE_DIRECTORY", "LogsDirectory": "LOGS_DIRECTORY"}.get(
                key, key.replace("Directory", "").upper() + "_DIRECTORY")] = f"/{parent}/{name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("unit")
    options = parser.parse_args()
    settings = parse(os.path.join(options.root, "lib/systemd/system", options.unit))
    unknown = set(settings) - DONE - NOT_DONE - set(DIRECTORIES) - {f"{key}Mode" for key in DIRECTORIES}
    if unknown:
        sys.exit(f"unit.py: is it done or not done: {', '.join(sorted(unknown))}?")
    settings.update((key, [value]) for key, value in (text.split("=", 1) for text in options.set))
    user = settings["User"][-1]
    uid, gid, further, home = account(options.root, user, settings["Group"][-1])
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "LANG": "C.UTF-8", "USER": user,
                   "LOGNAME": user, "HOME": home, "SHELL": "/usr/sbin/nologin"}
    directories(options.root, settings, uid, gid, environment)
    if "WatchdogSec" in settings:
        environment["WATCHDOG_USEC"] = str(int(float(settings["WatchdogSec"][-1]) * 1_000_000))
        environment["WATCHDOG_PID"] = str(os.getpid())
    of_unit = [text for line in settings.get("Environment", []) for text in shlex.split(line)]
    environment.update(text.split("=", 1) for text in [*of_unit, *options.env])
    to_load = list(filters(settings))
    seccomp, libc = Seccomp(), ctypes.CDLL(None, use_errno=True)
    command = shlex.split(settings["ExecStart"][-1])

    resource.setrlimit(resource.RLIMIT_CORE, (int(settings["LimitCORE"][-1]),) * 2)
    files = int(settings["LimitNOFILE"][-1])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = files if hard == resource.RLIM_INFINITY else min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    os.umask(int(settings["UMask"][-1], 8))
    os.chroot(options.root)
    os.chdir("/")
    if settings.get("CapabilityBoundingSet") != []:
        sys.exit("unit.py: only an empty CapabilityBoundingSet= is known")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups(sorted({gid, *further}))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if settings.get("NoNewPrivileges") == ["yes"]:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # The one that allows least comes last: it may forbid what loading needs.
    for default, rules in reversed(to_load):
        seccomp.filter(default, rules)
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main()
