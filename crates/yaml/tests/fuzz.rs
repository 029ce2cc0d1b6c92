//! The fuzz body on generated input; a failing input is kept in `proptest-regressions/`.

use nephoscope_yaml::fuzz;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// Inputs that were interesting once, or that steer into corners.
const SEEDS: &[&[u8]] = &[
    b"",
    b"\xff\xfe",
    b"]]]: {}",
    b"&a {<<: *a}",
    b"&a [*a, &a b]",
    b"? ? ? ? :",
    b"- |9\n  x\n >\n",
    b"%TAG ! %zz\n---",
    b"\"\\U0011ffff\"",
    b"{<<: [{<<: {=: 1}}]}",
    b"!!int {=: {=: *x}}",
    b"!!set {!!binary =: a}",
    b"1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1",
    b"\xef\xbb\xbf%YAML 1.1\r\n---\xc2\x85a",
];

#[test]
fn seeds_only_return() {
    for seed in SEEDS {
        fuzz::parse(seed);
    }
}

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    config.cases = config.cases.max(512);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_010_515);
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_only_return(data in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::parse(&data);
    }

    #[test]
    fn yaml_like_texts_only_return(data in "([a-c<=~]|[0-9._:+-]|[\\[\\]{},#&*!|>'\"%@?]|[ \n\t]|: |- |<<: |\\*a|&a |!!set |!!int ){0,80}") {
        fuzz::parse(data.as_bytes());
    }
}
