//! Installation, upgrade, removal and purge in a clean Debian, alone and beside Debian's Ceilometer.

use std::path::Path;

use crate::build::{NEXT_VERSION, both, next_packages, packages, upstreams_names};
use crate::clean_root::{CleanRoot, upstream};

const CONFIGURATION: &str = "/etc/ceilometer/ceilometer.conf.d/nephoscope.conf";

/// The directories of a fresh installation and who may do what with them, as the operator's guide has it.
fn assert_documented_modes(root: &CleanRoot) {
    for (path, expected) in [
        ("/etc/ceilometer", "root:ceilometer 750"),
        ("/etc/ceilometer/ceilometer.conf.d", "root:ceilometer 750"),
        (CONFIGURATION, "root:ceilometer 640"),
        ("/var/lib/nephoscope", "nephoscope:nephoscope 750"),
        ("/var/log/nephoscope", "nephoscope:nephoscope 750"),
    ] {
        assert_eq!(root.owner_and_mode(path), expected, "{path}");
    }
}

#[test]
fn a_package_is_installed_upgraded_removed_and_purged() {
    let root = CleanRoot::new();
    let first = packages();
    root.dpkg("--install", &[&first.nephoscope, &first.names]);
    let version = format!("nephoscope {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(root.sh("nephoscope version"), version);
    for name in upstreams_names() {
        let help = root.sh(&format!("{name} --help"));
        assert!(help.contains("--config-file") || help.contains("upgrade"), "{name}: {help}");
        assert_eq!(root.try_sh(&format!("{name} --nonsense")).status.code(), Some(2), "{name}");
    }
    for (namespace, package) in first.of_namespaces() {
        root.dpkg("--install", &[package]);
        let agent = format!("ceilometer-agent-{namespace}");
        assert!(root.sh(&format!("{agent} --help")).contains("--polling-namespaces"), "{agent}");
        assert_eq!(root.try_sh(&format!("{agent} --nonsense")).status.code(), Some(2), "{agent}");
        root.sh(&format!("dpkg --purge nephoscope-ceilometer-{namespace}"));
    }
    root.dpkg("--install", &[&first.gnocchi]);
    assert!(root.sh("gnocchi-api --help").contains("--port"));
    assert_eq!(root.try_sh("gnocchi-api --nonsense").status.code(), Some(2));
    assert_eq!(root.sh("readlink /lib/systemd/system/gnocchi-api.service"), "nephoscope-metric.service\n");
    root.sh("dpkg --purge nephoscope-gnocchi");
    let user = root.sh("getent passwd nephoscope");
    assert!(user.contains(":/var/lib/nephoscope:/usr/sbin/nologin"), "{user}");
    assert_eq!(root.sh("id -nG nephoscope").trim(), "nephoscope ceilometer");
    assert_documented_modes(&root);
    // Nothing starts by itself: it would take a part of another agent's messages.
    assert_eq!(root.sh("find /etc/systemd -name '*nephoscope*'"), "");

    // Checks, as the service's user, of what is packaged.
    let as_user = |command: &str| {
        root.try_sh(&format!("setpriv --reuid=nephoscope --regid=nephoscope --init-groups {command}"))
    };
    let check = as_user("nephoscope check --strict --role run");
    assert!(check.status.success(), "{}", both(&check));
    assert!(both(&check).contains("0 errors, 0 warnings"), "{}", both(&check));
    let check =
        as_user("nephoscope check --strict --config-file /usr/share/doc/nephoscope/examples/ceilometer.conf");
    assert!(check.status.success(), "{}", both(&check));
    for page in ["event_pipeline.yaml", "pipeline.yaml"] {
        assert!(both(&check).contains(&format!("examples/{page}\n")), "{}", both(&check));
    }
    // Without them the agent alone says what is missing.
    assert_eq!(as_user("nephoscope check").status.code(), Some(78));

    // What an administrator and the agent have written survives everything but a purge.
    root.sh(&format!("echo 'buffer_spill_seconds = 11' >>{CONFIGURATION}"));
    root.write("/etc/ceilometer/ceilometer.conf", "[DEFAULT]\ntransport_url = rabbit://h/\n");
    root.sh("mkdir /var/lib/nephoscope/dead-letters && echo letter >/var/lib/nephoscope/dead-letters/letter");
    let is_kept = |when: &str| {
        assert!(root.sh(&format!("cat {CONFIGURATION}")).ends_with("buffer_spill_seconds = 11\n"), "{when}");
        assert_eq!(root.sh("cat /var/lib/nephoscope/dead-letters/letter"), "letter\n", "{when}");
        assert_documented_modes(&root);
    };
    let next = next_packages();
    root.dpkg("--install", &[&next.nephoscope, &next.names]);
    assert_eq!(root.sh("dpkg-query --show --showformat='${Version}' nephoscope"), NEXT_VERSION);
    is_kept("upgrade");
    root.dpkg("--install", &[&next.nephoscope, &next.names]);
    is_kept("reinstallation");
    // Modes that an administrator has set are left alone.
    root.sh(&format!("chmod 644 {CONFIGURATION} && chgrp root {CONFIGURATION}"));
    root.dpkg("--install", &[&next.nephoscope]);
    assert_eq!(root.owner_and_mode(CONFIGURATION), "root:root 644");
    root.sh(&format!("chmod 640 {CONFIGURATION} && chgrp ceilometer {CONFIGURATION}"));

    root.sh("dpkg --remove nephoscope-ceilometer nephoscope");
    assert_eq!(root.sh("ls /usr/bin | grep -E 'nephoscope|^ceilometer' || true"), "");
    is_kept("removal");
    root.dpkg("--install", &[&next.nephoscope]);
    is_kept("installation again");

    root.sh("mkdir -p /etc/systemd/system/multi-user.target.wants && ln -s /lib/systemd/system/nephoscope.service \
             /etc/systemd/system/multi-user.target.wants/nephoscope.service");
    root.sh("dpkg --purge nephoscope-ceilometer nephoscope");
    let left = root.sh("find / -xdev -path /proc -prune -o -name '*nephoscope*' -print");
    // The first packages lie there; the account stays, as Debian's policy has it.
    let left: Vec<&str> = left.lines().filter(|path| !path.starts_with("/tmp/")).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(root.sh("ls -A /etc/ceilometer"), "ceilometer.conf\n");
    assert!(root.sh("getent passwd nephoscope").starts_with("nephoscope:"));
}

/// Debian's packages of Ceilometer, unpacked, without what they depend on.
fn unpack(root: &CleanRoot, package: &Path) {
    root.dpkg("--force-depends --unpack", &[package]);
}

/// `ceilometer-common` is needed by the polling agents. It has three programs whose names the package of links has as well.
#[test]
fn debians_ceilometer_stays_beside_ours() {
    let root = CleanRoot::new();
    let (common, agent) = (upstream("ceilometer-common"), upstream("ceilometer-agent-notification"));
    unpack(&root, &common);
    unpack(&root, &agent);
    // What openstack-pkg-tools does when ceilometer-common is configured.
    root.sh("addgroup --quiet --system ceilometer; adduser --system --home /var/lib/ceilometer --no-create-home --quiet \
             --disabled-password --shell /bin/false --group ceilometer");
    root.sh("install -g ceilometer -o ceilometer -m 0750 -d /etc/ceilometer && \
             install -m 0640 -o root -g ceilometer /usr/share/ceilometer-common/ceilometer.conf /etc/ceilometer/");
    let ours = packages();
    // The agent itself has no file in common with Ceilometer's, and reads its configuration.
    root.dpkg("--install", &[&ours.nephoscope]);
    assert_eq!(root.owner_and_mode("/etc/ceilometer"), "ceilometer:ceilometer 750");
    let check = root.try_sh(
        "setpriv --reuid=nephoscope --regid=nephoscope --init-groups nephoscope config show --changed",
    );
    assert!(check.status.success(), "{}", both(&check));
    assert!(root.sh("head -n 1 /usr/bin/ceilometer-agent-notification").starts_with("#!"));

    // The names replace the other agent, and leave the rest of Ceilometer.
    let replaced = root.try_dpkg("--install", &[&ours.names]);
    assert!(replaced.status.success(), "{}", both(&replaced));
    assert!(both(&replaced).contains("in favour of nephoscope-ceilometer"), "{}", both(&replaced));
    let status =
        |package: &str| root.sh(&format!("dpkg-query --show --showformat='${{db:Status-Status}}' {package}"));
    assert_eq!(status("ceilometer-agent-notification"), "config-files");
    assert_eq!(status("ceilometer-common"), "unpacked");
    assert_eq!(root.sh("readlink /usr/bin/ceilometer-agent-notification"), "nephoscope\n");
    for name in ["ceilometer-upgrade", "ceilometer-send-sample", "ceilometer-status"] {
        assert_eq!(root.sh(&format!("readlink /usr/bin/{name}")), "nephoscope\n");
        assert!(root.sh(&format!("head -n 1 /usr/bin/{name}.python")).starts_with("#!"));
    }
    // An upgrade of Ceilometer's package leaves the links alone.
    unpack(&root, &common);
    assert_eq!(root.sh("readlink /usr/bin/ceilometer-upgrade"), "nephoscope\n");
    let next = next_packages();
    root.dpkg("--install", &[&next.nephoscope, &next.names]);

    // Back again.
    root.sh("dpkg --remove nephoscope-ceilometer");
    for name in ["ceilometer-upgrade", "ceilometer-send-sample", "ceilometer-status"] {
        assert!(root.sh(&format!("head -n 1 /usr/bin/{name}")).starts_with("#!"));
    }
    assert_eq!(root.sh("dpkg-divert --list '*ceilometer*'"), "");
    unpack(&root, &agent);
    root.sh("dpkg --purge nephoscope");
    assert_eq!(root.owner_and_mode("/etc/ceilometer/ceilometer.conf"), "root:ceilometer 640");
}

/// An agent of one namespace takes the place of Debian's, and gives it back.
#[test]
fn agents_of_namespaces_take_the_places_of_debians() {
    let root = CleanRoot::new();
    unpack(&root, &upstream("ceilometer-common"));
    let ours = packages();
    root.dpkg("--install", &[&ours.nephoscope]);
    for (namespace, package) in ours.of_namespaces() {
        let agent = format!("ceilometer-agent-{namespace}");
        let unit = format!("/lib/systemd/system/{agent}.service");
        let debians = upstream(&agent);
        unpack(&root, &debians);
        root.sh(&format!("grep ^ExecStart=/etc/init.d {unit}"));
        root.dpkg("--install", &[package]);
        let status = root.sh(&format!("dpkg-query --show --showformat='${{db:Status-Status}}' {agent}"));
        assert_eq!(status, "config-files");
        assert_eq!(root.sh(&format!("readlink {unit}")), format!("nephoscope-{namespace}.service\n"));
        assert!(root.sh(&format!("cat {unit}")).contains(&format!("--polling-namespaces {namespace}\n")));
        assert_eq!(root.sh(&format!("readlink /usr/bin/{agent}")), "nephoscope\n");
        root.sh(&format!("dpkg --remove nephoscope-ceilometer-{namespace}"));
        unpack(&root, &debians);
        root.sh(&format!("grep ^ExecStart=/etc/init.d {unit}"));
    }
    assert_eq!(root.sh("dpkg-query --show --showformat='${db:Status-Status}' ceilometer-common"), "unpacked");
}

/// Whichever comes first: openstack-pkg-tools makes the user `ceilometer` although our package has made its group.
#[test]
fn ceilometer_can_be_installed_after_ours() {
    let root = CleanRoot::new();
    root.dpkg("--install", &[&packages().nephoscope]);
    unpack(&root, &upstream("ceilometer-common"));
    root.sh("adduser --system --home /var/lib/ceilometer --no-create-home --quiet --disabled-password --shell /bin/false \
             --group ceilometer");
    root.sh("install -g ceilometer -o ceilometer -m 0750 -d /etc/ceilometer");
    assert_eq!(root.sh("id -nG ceilometer"), "ceilometer\n");
    let seen = root.sh("setpriv --reuid=nephoscope --regid=nephoscope --init-groups ls /etc/ceilometer");
    assert!(seen.contains("polling.yaml"), "{seen}");
}
