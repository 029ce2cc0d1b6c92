//! The fuzz body on generated input; a failing input is kept beside this file.

use nephoscope_python_expression::fuzz;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// Inputs that steer into corners.
const SEEDS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff",
    b"9**9**9",
    b"'a'*10**9",
    b"value[::-1]\0[1, 2]",
    b"f'{value!r:>{3}}'",
    b"f'{",
    b"f'{{}",
    b"f'{x:{",
    b"'''",
    b"'\\",
    b"'\\N{x}'",
    b"0x",
    b"1e",
    b"{**",
    b"lambda",
    b"lambda *",
    b"[x for",
    b"value.\xc3\xa9",
    b"'{0[a]'.format(value)",
    b"'{:{}{}}'.format(1, 2, 3)",
    b"'%(a' % value",
    b"'%*.*f' % (1, 2)",
    b"-9223372036854775808 // -1",
    b"-9223372036854775808 % -1",
    b"range(-9223372036854775808, 9223372036854775807)[-1]",
    b"range(0, 9223372036854775807, 9223372036854775807)[::-9223372036854775808]",
    b"value[-9223372036854775808:9223372036854775807:-9223372036854775808]\0[1]",
    b"round(1e308, -308) + round(5, -9999999999)",
    b"(lambda f: f(f))(lambda f: f(f))",
    b"'\xc3\xa4'[0:1].center(3, '\xc3\xb6')",
];

#[test]
fn seeds_only_return() {
    for seed in SEEDS {
        fuzz::expression(seed);
    }
}

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    // PROPTEST_CASES may ask for more than the 256 that are usual.
    config.cases = config.cases.max(256);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_010_515);
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_only_return(data in prop::collection::vec(any::<u8>(), 0..120)) {
        fuzz::expression(&data);
    }

    #[test]
    fn expression_like_texts_only_return(
        text in "(value|x|[0-9]{1,3}|'a'|\"é\"|[-+*/%<>=!|&^~.,:()\\[\\]{} ]|\\*\\*|//|==| if | else | for x in | in | not | and |lambda x: |f'\\{|\\}'|\\.get\\(|\\.format\\(|range\\(|sorted\\(|list\\(|str\\(|round\\(|%|\\[::|\n|\\\\){0,24}",
        datum in "[\\[\\]{}:,\"a-d0-9.n -]{0,30}",
    ) {
        fuzz::expression(&[text.as_bytes(), b"\0", datum.as_bytes()].concat());
    }

    #[test]
    fn formats_only_return(spec in "[<>=^é0+ #,_.1-9a-zA-Z%{}!:\\[\\]]{0,10}", value in "-?[0-9]{1,20}(\\.[0-9]{1,5})?(e-?[0-9]{1,3})?") {
        fuzz::expression(format!("format({value}, '{spec}')").as_bytes());
        fuzz::expression(format!("'{{:{spec}}}'.format({value})").as_bytes());
        fuzz::expression(format!("f'{{{value}:{spec}}}'").as_bytes());
        fuzz::expression(format!("'%{spec}' % {value}").as_bytes());
    }
}
