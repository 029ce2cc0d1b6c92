//! The fuzz bodies on generated input; a failing input is kept beside this file.

use nephoscope_expression::fuzz;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// Inputs that steer into corners.
const PATHS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff",
    b"$..*..*..*\0[[[[1]]]]",
    b"a.`sub(/(a*)*b/, x)`\0{\"a\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
    b"a * 999999999\0{\"a\": \"xyz\"}",
    b"a * 9 * 9 * 9 * 9 * 9 * 9 * 9 * 9\0{\"a\": [1]}",
    b"$.`parent`.`parent`..a",
    b"c[/a,\\b]\0{\"c\": [{\"a\": 1}, {\"a\": \"x\"}, {}, null]}",
    b"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((",
    b"[?[?[?[?",
    b"a[?(((((b)))))]",
    b"-99999999999999999999999 + 1",
];

const PATTERNS: &[&[u8]] = &[
    b"(a*)*$\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    b"(a|aa)+$\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
    b"((a{99}){99}){99}",
    b"(?=(a+)+b)\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    b"(a)(?(1)b|c)\\1",
    b"\\",
    b"(?x)#",
    b"[\\",
    b"(?P<\xc3\xa9>a)(?P=\xc3\xa9)",
    b"(?i)\xc4\xb0\0i",
];

#[test]
fn seeds_only_return() {
    for seed in PATHS {
        fuzz::jsonpath(seed);
    }
    for seed in PATTERNS {
        fuzz::pattern(seed);
        fuzz::fnmatch(seed);
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
    fn any_bytes_only_return(data in prop::collection::vec(any::<u8>(), 0..120)) {
        fuzz::jsonpath(&data);
        fuzz::fnmatch(&data);
        fuzz::pattern(&data);
    }

    #[test]
    fn path_like_texts_only_return(
        path in "([a-d$@*_.|&,:?'\"`/\\\\ -]|\\.\\.|\\[[0-9*:-]{0,3}\\]|\\[\\?|[()\\]=<>~+]|`(len|sorted|parent)`|[0-9.]{1,3}){0,24}",
        datum in "[\\[\\]{}:,\"a-d0-9.n -]{0,30}",
    ) {
        fuzz::jsonpath(&[path.as_bytes(), b"\0", datum.as_bytes()].concat());
    }

    #[test]
    fn pattern_like_texts_only_return(
        pattern in "([a-c.^$*+?|]|\\(\\?(:|=|!|<=|<!|>|i\\)|P<n>|P=n\\)|\\(1\\))|[()\\[\\]-]|\\{[0-9]?,?[0-9]?\\}|\\\\[bBdDwWsSAZ1n.]){0,16}",
        text in "[abc \n]{0,24}",
    ) {
        fuzz::pattern(&[pattern.as_bytes(), b"\0", text.as_bytes()].concat());
    }

    #[test]
    fn globs_only_return(glob in "[*?\\[\\]!a-c-]{0,16}", text in "[a-c\\[\\]!-]{0,16}") {
        fuzz::fnmatch(&[glob.as_bytes(), b"\0", text.as_bytes()].concat());
    }
}
