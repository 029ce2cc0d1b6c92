//! Events that a daemon sends by itself.

use crate::connection::Connection;
use crate::domain::{Domain, STRING_MAX};
use crate::error::Error;
use crate::procedure;
use crate::xdr::{Reader, Writer, XdrError};

/// Longest event that is looked at. Names, aliases and namespaces are short; receivers may hold a thousand events.
const EVENT_BYTES_MAX: usize = 16 * 1024;

/// What events can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Domains that are defined, started, suspended, resumed, stopped, undefined.
    Lifecycle,
    /// Devices that were unplugged.
    DeviceRemoved,
    /// Devices that were plugged in.
    DeviceAdded,
    /// Titles, descriptions and metadata that have changed.
    MetadataChange,
}

impl EventKind {
    /// libvirt's number of the event, to register for it.
    const fn number(self) -> i32 {
        match self {
            Self::Lifecycle => 0,
            Self::DeviceRemoved => 15,
            Self::DeviceAdded => 19,
            Self::MetadataChange => 23,
        }
    }
}

/// Something has happened to a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The domain. Its id is −1 when it does not run (any more).
    pub domain: Domain,
    /// What has happened.
    pub what: What,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The domain's life has taken a turn.
    Lifecycle {
        /// Which.
        change: Lifecycle,
        /// The reason, whose meaning depends on the change.
        detail: i32,
    },
    /// A device was unplugged.
    DeviceRemoved {
        /// Its alias, such as `virtio-disk1`.
        alias: String,
    },
    /// A device was plugged in.
    DeviceAdded {
        /// Its alias.
        alias: String,
    },
    /// A text or element about the domain was changed.
    MetadataChange {
        /// 0 description, 1 title, 2 element.
        kind: i32,
        /// The element's namespace.
        namespace: Option<String>,
    },
}

/// A turn in a domain's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// It has a definition now, or another one.
    Defined,
    /// Its definition is gone.
    Undefined,
    /// It runs.
    Started,
    /// It was paused.
    Suspended,
    /// It goes on.
    Resumed,
    /// It has ended, in any way.
    Stopped,
    /// The guest has shut down.
    Shutdown,
    /// The guest has suspended itself.
    PmSuspended,
    /// The guest has crashed.
    Crashed,
    /// Something that newer daemons know.
    Other(i32),
}

impl From<i32> for Lifecycle {
    fn from(number: i32) -> Self {
        match number {
            0 => Self::Defined,
            1 => Self::Undefined,
            2 => Self::Started,
            3 => Self::Suspended,
            4 => Self::Resumed,
            5 => Self::Stopped,
            6 => Self::Shutdown,
            7 => Self::PmSuspended,
            8 => Self::Crashed,
            other => Self::Other(other),
        }
    }
}

impl Event {
    /// Reads an event's payload; `None` if the event is none of those that are known here.
    pub fn read(procedure: i32, reader: &mut Reader<'_>) -> Result<Option<Self>, XdrError> {
        let known = [
            procedure::DOMAIN_EVENT_CALLBACK_LIFECYCLE,
            procedure::DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED,
            procedure::DOMAIN_EVENT_CALLBACK_DEVICE_ADDED,
            procedure::DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
        ];
        if !known.contains(&procedure) || reader.remaining() > EVENT_BYTES_MAX {
            return Ok(None);
        }
        // The registration's number: each kind is registered once, and says itself what it is.
        reader.i32()?;
        let domain = Domain::read(reader)?;
        let what = match procedure {
            procedure::DOMAIN_EVENT_CALLBACK_LIFECYCLE => {
                What::Lifecycle { change: reader.i32()?.into(), detail: reader.i32()? }
            }
            procedure::DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED => {
                What::DeviceRemoved { alias: reader.text(STRING_MAX)?.to_owned() }
            }
            procedure::DOMAIN_EVENT_CALLBACK_DEVICE_ADDED => {
                What::DeviceAdded { alias: reader.text(STRING_MAX)?.to_owned() }
            }
            _ => What::MetadataChange {
                kind: reader.i32()?,
                namespace: reader.optional_text(STRING_MAX)?.map(str::to_owned),
            },
        };
        reader.finish()?;
        Ok(Some(Self { domain, what }))
    }
}

/// Begins to receive events of one kind, of all domains. They end with the connection.
pub(crate) async fn register(connection: &Connection, kind: EventKind) -> Result<(), Error> {
    let mut arguments = Writer::new();
    arguments.i32(kind.number()).bool(false);
    let call = procedure::CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY;
    connection.call(call, arguments).await?.read(Reader::i32)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn domain() -> Domain {
        Domain { name: "instance-1".to_owned(), uuid: Uuid::from_u128(7), id: 3 }
    }

    fn payload(rest: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.i32(1);
        domain().write(&mut writer);
        rest(&mut writer);
        writer.into_bytes()
    }

    #[test]
    fn events_are_read() {
        for (procedure, bytes, what) in [
            (
                318,
                payload(|writer| {
                    writer.i32(5).i32(1);
                }),
                What::Lifecycle { change: Lifecycle::Stopped, detail: 1 },
            ),
            (
                318,
                payload(|writer| {
                    writer.i32(99).i32(0);
                }),
                What::Lifecycle { change: Lifecycle::Other(99), detail: 0 },
            ),
            (
                333,
                payload(|writer| {
                    writer.text("net1");
                }),
                What::DeviceRemoved { alias: "net1".to_owned() },
            ),
            (
                354,
                payload(|writer| {
                    writer.text("net1");
                }),
                What::DeviceAdded { alias: "net1".to_owned() },
            ),
            (
                379,
                payload(|writer| {
                    writer.i32(2).optional_text(Some("urn:x"));
                }),
                What::MetadataChange { kind: 2, namespace: Some("urn:x".to_owned()) },
            ),
        ] {
            let event = Event::read(procedure, &mut Reader::new(&bytes)).unwrap();
            assert_eq!(event, Some(Event { domain: domain(), what }));
            assert!(Event::read(procedure, &mut Reader::new(&bytes[..bytes.len() - 4])).is_err());
        }
    }

    #[test]
    fn unknown_and_endless_events_are_passed_over() {
        assert_eq!(Event::read(319, &mut Reader::new(&payload(|_| ()))), Ok(None));
        let long = payload(|writer| {
            writer.text(&"x".repeat(20_000));
        });
        assert_eq!(Event::read(333, &mut Reader::new(&long)), Ok(None));
    }
}
