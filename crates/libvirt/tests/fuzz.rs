//! Generated input for what comes from a daemon, and for URIs.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use libvirt::fuzz;
use libvirt::xdr::{Reader, Writer};
use libvirt::{DomainStats, Value};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use uuid::Uuid;

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    config.cases = config.cases.max(500);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_261_126);
    }
    config
}

#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Int(i32),
    UInt(u32),
    Long(i64),
    ULong(u64),
    Double(f64),
    Bool(bool),
    Text(String),
}

fn value() -> impl Strategy<Value = Owned> {
    prop_oneof![
        any::<i32>().prop_map(Owned::Int),
        any::<u32>().prop_map(Owned::UInt),
        any::<i64>().prop_map(Owned::Long),
        any::<u64>().prop_map(Owned::ULong),
        (-1e9..1e9).prop_map(Owned::Double),
        any::<bool>().prop_map(Owned::Bool),
        "\\PC{0,12}".prop_map(Owned::Text),
    ]
}

type Domains = Vec<(String, u128, i32, Vec<(String, Owned)>)>;

fn domains() -> impl Strategy<Value = Domains> {
    let parameters = prop::collection::vec(("\\PC{0,16}", value()), 0..6);
    prop::collection::vec(("\\PC{0,16}", any::<u128>(), any::<i32>(), parameters), 0..5)
}

fn written(domains: &Domains) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.length(domains.len());
    for (name, uuid, id, parameters) in domains {
        writer.text(name).uuid(&Uuid::from_u128(*uuid)).i32(*id).length(parameters.len());
        for (field, value) in parameters {
            writer.text(field);
            match value {
                Owned::Int(value) => writer.i32(1).i32(*value),
                Owned::UInt(value) => writer.i32(2).u32(*value),
                Owned::Long(value) => writer.i32(3).i64(*value),
                Owned::ULong(value) => writer.i32(4).u64(*value),
                Owned::Double(value) => writer.i32(5).f64(*value),
                Owned::Bool(value) => writer.i32(6).bool(*value),
                Owned::Text(value) => writer.i32(7).text(value),
            };
        }
    }
    writer.into_bytes()
}

fn owned(value: Value<'_>) -> Owned {
    match value {
        Value::Int(value) => Owned::Int(value),
        Value::UInt(value) => Owned::UInt(value),
        Value::Long(value) => Owned::Long(value),
        Value::ULong(value) => Owned::ULong(value),
        Value::Double(value) => Owned::Double(value),
        Value::Bool(value) => Owned::Bool(value),
        Value::Text(value) => Owned::Text(value.to_owned()),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn statistics_read_back(domains in domains()) {
        let stats = DomainStats::from_payload(written(&domains)).unwrap();
        let read: Domains = stats
            .records()
            .map(|record| {
                let parameters = record.parameters.map(|(name, value)| (name.to_owned(), owned(value))).collect();
                (record.domain.name.to_owned(), record.domain.uuid.as_u128(), record.domain.id, parameters)
            })
            .collect();
        prop_assert_eq!(read, domains);
    }

    #[test]
    fn damaged_statistics_are_survived(domains in domains(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut bytes = written(&domains);
        let at = at.index(bytes.len());
        bytes[at] = with;
        fuzz::payload(&bytes);
        fuzz::payload(&bytes[..at]);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::payload(&bytes);
        let mut reader = Reader::new(&bytes);
        while reader.chars(u32::MAX).is_ok() && reader.bytes(u32::MAX).is_ok() {}
    }

    #[test]
    fn any_stream_is_survived(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        length in prop_oneof![Just(None), (0_u32..400).prop_map(Some), any::<u32>().prop_map(Some)],
    ) {
        if let (Some(length), Some(start)) = (length, bytes.first_chunk_mut::<4>()) {
            *start = length.to_be_bytes();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(fuzz::stream(&bytes));
    }

    #[test]
    fn any_uri_is_read_or_refused(
        text in prop_oneof![
            "\\PC{0,60}",
            "(qemu|test|lxc|remote)(\\+(unix|tcp|tls|ssh))?://[a-z@:\\[\\]0-9.]{0,12}/\\PC{0,20}(\\?\\PC{0,40})?",
        ],
    ) {
        fuzz::uri(&text);
    }
}
