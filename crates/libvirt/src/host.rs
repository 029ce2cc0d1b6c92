//! The daemon and its host.

use crate::connection::Connection;
use crate::domain::STRING_MAX;
use crate::error::Error;
use crate::procedure;
use crate::xdr::{Reader, Writer};

/// Length of a processor model's name.
const MODEL_CHARS: usize = 32;

/// A version as libvirt counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(number) = self;
        write!(f, "{}.{}.{}", number / 1_000_000, number / 1000 % 1000, number % 1000)
    }
}

/// The host's processors and memory (`virNodeGetInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Model of the processors.
    pub model: String,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Active processors.
    pub cpus: i32,
    /// Their clock rate; 0 if unknown.
    pub mhz: i32,
    /// NUMA nodes.
    pub nodes: i32,
    /// Sockets in a node.
    pub sockets: i32,
    /// Cores in a socket.
    pub cores: i32,
    /// Threads in a core.
    pub threads: i32,
}

impl Connection {
    /// The driver's name, such as `QEMU`.
    pub async fn driver_name(&self) -> Result<String, Error> {
        self.text(procedure::CONNECT_GET_TYPE).await
    }

    /// The host's name.
    pub async fn hostname(&self) -> Result<String, Error> {
        self.text(procedure::CONNECT_GET_HOSTNAME).await
    }

    /// libvirt's version.
    pub async fn libvirt_version(&self) -> Result<Version, Error> {
        self.version(procedure::CONNECT_GET_LIB_VERSION).await
    }

    /// The hypervisor's version.
    pub async fn hypervisor_version(&self) -> Result<Version, Error> {
        self.version(procedure::CONNECT_GET_VERSION).await
    }

    /// Whether the daemon has a feature, by libvirt's internal number of it, such as
    /// [`FEATURE_KEEP_ALIVE`](crate::FEATURE_KEEP_ALIVE).
    pub async fn supports_feature(&self, feature: i32) -> Result<bool, Error> {
        let mut arguments = Writer::new();
        arguments.i32(feature);
        let answer = self.call(procedure::CONNECT_SUPPORTS_FEATURE, arguments).await?;
        answer.read(|reader| Ok(reader.i32()? != 0))
    }

    /// The host's processors and memory.
    pub async fn node_info(&self) -> Result<NodeInfo, Error> {
        self.call(procedure::NODE_GET_INFO, Writer::new()).await?.read(|reader| {
            let model = reader.char_words(MODEL_CHARS)?;
            let end = model.iter().position(|byte| *byte == 0).unwrap_or(model.len());
            let model = String::from_utf8_lossy(model.get(..end).unwrap_or_default()).into_owned();
            Ok(NodeInfo {
                model,
                memory_kib: reader.u64()?,
                cpus: reader.i32()?,
                mhz: reader.i32()?,
                nodes: reader.i32()?,
                sockets: reader.i32()?,
                cores: reader.i32()?,
                threads: reader.i32()?,
            })
        })
    }

    async fn text(&self, procedure: i32) -> Result<String, Error> {
        let answer = self.call(procedure, Writer::new()).await?;
        answer.read(|reader| reader.text(STRING_MAX).map(str::to_owned))
    }

    async fn version(&self, procedure: i32) -> Result<Version, Error> {
        self.call(procedure, Writer::new()).await?.read(Reader::u64).map(Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_shown_as_people_write_them() {
        assert_eq!(Version(9_000_000).to_string(), "9.0.0");
        assert_eq!(Version(10_002_015).to_string(), "10.2.15");
    }
}
