//! What fuzzers and property tests call: any bytes are read or refused, and nothing is larger than what came in.

use crate::domain::Domain;
use crate::error::RemoteError;
use crate::event::Event;
use crate::frame::{HEADER_BYTES, Header, read_packet};
use crate::procedure;
use crate::stats::DomainStats;
use crate::uri::Uri;
use crate::xdr::Reader;

/// Any bytes as an answer, an event or an error.
pub fn payload(bytes: &[u8]) {
    if let Ok(stats) = DomainStats::from_payload(bytes.to_vec()) {
        let (mut records, mut parameters) = (0, 0);
        for record in stats.records() {
            records += 1;
            let claimed = record.parameters.len();
            assert_eq!(record.parameters.count(), claimed, "every parameter can be read");
            parameters += claimed;
        }
        assert_eq!(records, stats.len(), "every record can be read");
        assert!(records * 28 + parameters * 12 <= bytes.len(), "more than the message can hold");
    }
    if let Ok(error) = RemoteError::read(&mut Reader::new(bytes)) {
        assert!(error.message.len() <= bytes.len(), "a text longer than the message");
    }
    for procedure in [
        procedure::DOMAIN_EVENT_CALLBACK_LIFECYCLE,
        procedure::DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED,
        procedure::DOMAIN_EVENT_CALLBACK_DEVICE_ADDED,
        procedure::DOMAIN_EVENT_CALLBACK_METADATA_CHANGE,
    ] {
        if let Ok(Some(event)) = Event::read(procedure, &mut Reader::new(bytes)) {
            assert!(event.domain.name.len() <= bytes.len(), "a name longer than the message");
        }
    }
    if let Ok(domain) = Domain::read(&mut Reader::new(bytes)) {
        assert!(domain.name.len() <= bytes.len(), "a name longer than the message");
    }
    let mut reader = Reader::new(bytes);
    if let Ok(header) = Header::read(&mut reader) {
        let packet = header.packet(bytes.get(HEADER_BYTES..).unwrap_or_default());
        assert_eq!(packet.get(4..), Some(bytes), "a packet reads back");
    }
}

/// Any bytes as what comes from a daemon: packets until the first that cannot be one.
pub async fn stream(mut bytes: &[u8]) {
    while let Ok(Some(packet)) = read_packet(&mut bytes).await {
        payload(&packet);
    }
}

/// Any text as a URI.
pub fn uri(text: &str) {
    match text.parse::<Uri>() {
        Ok(uri) => assert!(uri.name.len() <= text.len(), "{uri:?}"),
        Err(error) => assert!(!error.to_string().is_empty(), "an error without words"),
    }
}
