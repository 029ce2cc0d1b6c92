//! What cargo knows of the workspace and of everything that it is built from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The packages that are built for this machine, ours and others'.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// By cargo's id.
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Where it came from; ours have none.
    pub(crate) source: Option<String>,
    /// The folder of its manifest.
    pub(crate) folder: PathBuf,
    pub(crate) is_member: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// An edge from one package to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dependency {
    /// The other's id.
    pub(crate) id: String,
    /// Whether only tests, examples and benches see it.
    pub(crate) only_dev: bool,
}

impl Package {
    /// The name by which the floors know a crate of ours: its folder's.
    pub(crate) fn short_name(&self) -> &str {
        self.folder.file_name().and_then(|name| name.to_str()).unwrap_or(&self.name)
    }
}

impl Workspace {
    /// Asks cargo, without network.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let host = host(&cargo)?;
        let output = Command::new(&cargo)
            .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &host])
            .current_dir(root)
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("cargo metadata failed; after a change of dependencies, build once with network\n{stderr}");
        }
        Self::parse(&output.stdout)
    }

    /// Reads cargo's answer.
    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json).context("cannot read cargo's metadata")?;
        let mut packages = BTreeMap::new();
        for package in metadata.packages {
            let is_member = metadata.workspace_members.contains(&package.id);
            let folder = package.manifest_path.parent().map(Path::to_owned).unwrap_or_default();
            let RawPackage { id, name, version, license: licence, source, .. } = package;
            let dependencies = Vec::new();
            packages.insert(id, Package { name, version, licence, source, folder, is_member, dependencies });
        }
        let mut built = BTreeMap::new();
        for node in metadata.resolve.nodes {
            // Packages without a node are for other platforms.
            let Some(mut package) = packages.remove(&node.id) else { continue };
            package.dependencies = node.deps.into_iter().map(RawDependency::into_edge).collect();
            built.insert(node.id, package);
        }
        Ok(Self { packages: built })
    }

    /// Our own packages, in the order of their names.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.is_member)
    }

    /// The packages that `package` names itself.
    pub(crate) fn direct<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = (&'a Package, bool)> {
        package.dependencies.iter().filter_map(|edge| Some((self.packages.get(&edge.id)?, edge.only_dev)))
    }

    /// Everything that `package` is built from (not what only its tests need).
    pub(crate) fn closure(&self, package: &Package) -> Vec<&Package> {
        let mut found: BTreeMap<&str, &Package> = BTreeMap::new();
        let mut open = vec![package];
        while let Some(next) = open.pop() {
            for edge in next.dependencies.iter().filter(|edge| !edge.only_dev) {
                if let Some((id, dependency)) = self.packages.get_key_value(&edge.id)
                    && found.insert(id, dependency).is_none()
                {
                    open.push(dependency);
                }
            }
        }
        found.into_values().collect()
    }
}

fn host(cargo: &std::ffi::OsStr) -> Result<String> {
    let output = Command::new(cargo).arg("-vV").output().context("cannot run cargo -vV")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("cargo -vV does not name the host")
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct RawPackage {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<RawDependency>,
}

#[derive(Deserialize)]
struct RawDependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl RawDependency {
    fn into_edge(self) -> Dependency {
        let only_dev = self.dep_kinds.iter().all(|kind| kind.kind.as_deref() == Some("dev"));
        Dependency { id: self.pkg, only_dev }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small made-up workspaces for the gates' tests.

    use super::*;

    /// A workspace of our crates (`name: dependencies`, a `dev:` before one that only tests need) and others
    /// (`name version licence`).
    pub(crate) fn workspace(ours: &[(&str, &[&str])], others: &[(&str, &str, &str)]) -> Workspace {
        let mut packages = BTreeMap::new();
        for (name, version, licence) in others {
            let package = Package {
                name: (*name).to_owned(),
                version: (*version).to_owned(),
                licence: Some((*licence).to_owned()),
                source: Some(crate::dependencies::REGISTRY.to_owned()),
                folder: PathBuf::from("registry").join(name),
                ..Package::default()
            };
            packages.insert(format!("{name}@{version}"), package);
        }
        for (name, dependencies) in ours {
            let edge = |text: &&str| {
                let (only_dev, name) = text.strip_prefix("dev:").map_or((false, *text), |name| (true, name));
                let id = others.iter().find(|(other, ..)| *other == name);
                let id = id.map_or_else(|| name.to_owned(), |(name, version, _)| format!("{name}@{version}"));
                Dependency { id, only_dev }
            };
            let package = Package {
                name: (*name).to_owned(),
                version: "0.1.0".to_owned(),
                licence: Some("Apache-2.0".to_owned()),
                source: None,
                folder: PathBuf::from("crates").join(name),
                is_member: true,
                dependencies: dependencies.iter().map(edge).collect(),
            };
            packages.insert((*name).to_owned(), package);
        }
        Workspace { packages }
    }

    #[test]
    fn cargos_answer_is_read() {
        let json = br#"{"packages": [
            {"id": "a", "name": "nephoscope-a", "version": "0.1.0", "license": "Apache-2.0", "source": null, "manifest_path": "/x/crates/a/Cargo.toml"},
            {"id": "b", "name": "b", "version": "1.0.0", "license": null, "source": "registry+x", "manifest_path": "/r/b/Cargo.toml"},
            {"id": "w", "name": "windows", "version": "1.0.0", "license": null, "source": "registry+x", "manifest_path": "/r/w/Cargo.toml"}],
            "workspace_members": ["a"],
            "resolve": {"nodes": [
            {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": "dev"}, {"kind": null}]}]},
            {"id": "b", "deps": []}]}}"#;
        let workspace = Workspace::parse(json).unwrap();
        let members: Vec<&Package> = workspace.members().collect();
        assert_eq!(members.len(), 1);
        assert_eq!(members[0].short_name(), "a");
        assert!(!members[0].dependencies[0].only_dev, "needed by more than tests");
        assert_eq!(workspace.packages.len(), 2, "what other platforms need is left out");
        assert_eq!(workspace.closure(members[0]).len(), 1);
        assert!(Workspace::parse(b"{}").is_err());
    }
}
