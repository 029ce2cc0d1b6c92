//! [`NovaLookup`]: what only Nova knows of an instance that was found by libvirt's metadata.

use std::fmt;
use std::pin::Pin;

use model::Map;

/// The future of a look-up: [`None`] when Nova answers that there is no such thing.
pub type Looking<'a, T> = Pin<Box<dyn Future<Output = Result<Option<T>, openstack::Error>> + Send + 'a>>;

/// Asks Nova. Each call is one look-up: who calls remembers the answers.
pub trait NovaLookup: fmt::Debug + Send + Sync {
    /// The id of the flavor of that name, be it public or not.
    fn flavor_id<'a>(&'a self, name: &'a str) -> Looking<'a, String>;

    /// A server by its id.
    fn server<'a>(&'a self, id: &'a str) -> Looking<'a, ServerExtra>;
}

/// What Nova says of a server beyond libvirt's metadata.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerExtra {
    /// The id of its flavor; newer versions of Nova's API do not say it.
    pub flavor_id: Option<String>,
    /// What its user has set as metadata.
    pub metadata: Map,
}
