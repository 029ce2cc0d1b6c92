//! The discovery `local_node`: this host, for pollsters that read the machine that they run on.

use std::borrow::Cow;

use crate::{Cycle, Discovering, Discovery, MakeError, Resource, Tools};

#[derive(Debug)]
struct LocalNode {
    host: String,
}

/// Makes it.
#[expect(clippy::unnecessary_wraps, reason = "the form of a line in the table")]
pub(crate) fn discovery(tools: &Tools) -> Result<Box<dyn Discovery>, MakeError> {
    Ok(Box::new(LocalNode { host: tools.host.clone() }))
}

impl Discovery for LocalNode {
    fn group(&self) -> Cow<'_, str> {
        Cow::Owned(format!("LocalNode-{}", self.host))
    }

    fn discover<'a>(&'a self, _cycle: &'a Cycle, _parameter: Option<&'a str>) -> Discovering<'a> {
        Box::pin(async move { Ok(vec![Resource::text(&self.host)]) })
    }
}
