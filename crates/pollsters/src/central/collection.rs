//! [`Collection`]: a discovery that lists one collection of a service, as most of them do.

use std::sync::Arc;

use model::Map;
use openstack::{Error, StatusCode};

use super::python_text::{Place, PythonTexts, SdkClass};
use super::remote::Remote;
use crate::rest::{self, Entry, Id, Listing};
use crate::{Cycle, Discovering, Discovery, DiscoveryError, MakeError, PackedObject, Resource, Tools};

pub(super) use crate::rest::Pages;

/// What a collection is, as a constant beside the pollsters that read it.
#[derive(Debug, Clone, Copy)]
pub(super) struct CollectionLine {
    /// Under which type the catalogue has the service.
    pub(super) service_type: fn(&Tools) -> &str,
    /// The API's version, put in place of the one that the catalogue's address may end with; unset where that address is
    /// complete, as Cinder's with the project in it.
    pub(super) version: Option<&'static str>,
    /// The path below that.
    pub(super) path: &'static str,
    /// Headers of each request.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The collection, and what its objects are as resources.
    pub(super) listing: Listing,
    /// How further pages are found.
    pub(super) pages: Pages,
    /// Brings an object into the form that its pollsters read; those for which it is false are left out.
    pub(super) refine: Option<fn(&mut Map) -> bool>,
    /// The attributes that are kept, if not all: thousands of objects wait for their pollsters.
    pub(super) kept: &'static [&'static str],
    /// The attributes that `refine` reads beside those that are kept.
    pub(super) also_read: &'static [&'static str],
    /// Whether 404 means that the service does without this extension of its API: then there is nothing.
    pub(super) is_optional: bool,
    /// What Ceilometer has the objects as.
    pub(super) python: Option<&'static SdkClass>,
}

impl CollectionLine {
    /// What a line need not say, for `..CollectionLine::PLAIN`.
    pub(super) const PLAIN: Self = Self {
        service_type: |_tools| "",
        version: None,
        path: "",
        headers: &[],
        listing: Listing { collection: "", kind: "", id: Id::Attribute("id"), parameters: &[] },
        pages: Pages::Links,
        refine: None,
        kept: &[],
        also_read: &[],
        is_optional: false,
        python: None,
    };

    /// Whether an attribute is needed: of what services say of their objects, pollsters read less than half.
    pub(super) fn reads(&self, attribute: &str) -> bool {
        let is_of_id = match self.listing.id {
            Id::Attribute(name) => name == attribute,
            Id::Of(_) => true,
        };
        is_of_id
            || self.kept.is_empty()
            || self.kept.contains(&attribute)
            || self.also_read.contains(&attribute)
    }

    /// An object as a resource, if it is one for the pollsters; with the text that Python makes of it, if that is wanted: then
    /// it has all its attributes. `room` is for the caller to keep for the next.
    pub(super) fn resource(
        &self,
        (id, mut attributes): Entry,
        texts: Option<&PythonTexts>,
        room: &mut Vec<u8>,
    ) -> Option<Resource> {
        let python_text = texts.map(|texts| texts.text(&attributes));
        if self.refine.is_some_and(|refine| !refine(&mut attributes)) {
            return None;
        }
        let packed = PackedObject::new(self.listing.kind, id, self.kept, attributes, room);
        Some(Resource::Packed(Arc::new(packed.with_python_text(python_text))))
    }
}

/// The discovery.
#[derive(Debug)]
pub(super) struct Collection {
    remote: Remote,
    line: &'static CollectionLine,
    /// Whether Python's texts are wanted.
    with_python: bool,
}

impl Collection {
    /// Makes it.
    pub(super) fn discovery(
        tools: &Tools,
        line: &'static CollectionLine,
    ) -> Result<Box<dyn Discovery>, MakeError> {
        let remote = Remote::new(tools, (line.service_type)(tools))?;
        Ok(Box::new(Self { remote, line, with_python: tools.central.with_python }))
    }
}

impl Discovery for Collection {
    fn discover<'a>(&'a self, cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move {
            let Self { remote, line, with_python } = self;
            let Some(mut endpoint) = remote.endpoint().await? else { return Ok(Vec::new()) };
            if let Some(version) = line.version {
                endpoint = rest::versioned(endpoint, version);
            }
            let url = rest::below(&endpoint, line.path);
            let request = || {
                let request = remote.get(cycle, &url);
                line.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
            };
            let texts = match line.python.filter(|_| *with_python) {
                Some(class) => Some(PythonTexts::new(class, Place::of(remote.service()).await?)),
                None => None,
            };
            let (mut found, mut room) = (Vec::new(), Vec::new());
            let Listing { parameters, .. } = line.listing;
            let reads = |attribute: &str| texts.is_some() || line.reads(attribute);
            let take = |entry| found.extend(line.resource(entry, texts.as_ref(), &mut room));
            match line.listing.each(line.pages, parameters, reads, request, take).await {
                Ok(()) => Ok(found),
                Err(DiscoveryError::Service(Error::Refused { status, message, .. }))
                    if line.is_optional && status == StatusCode::NOT_FOUND =>
                {
                    tracing::debug!("taken for an extension that the service does without: {message}");
                    Ok(Vec::new())
                }
                Err(error) => Err(error),
            }
        })
    }
}
