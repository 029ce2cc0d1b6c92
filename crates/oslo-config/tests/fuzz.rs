//! The fuzz bodies over the committed corpus, over changed copies of it, and over texts made of the grammar's
//! own pieces. The random numbers are the same on every run, unless
//! `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more of them.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use nephoscope_oslo_config::fuzz::{fuzz_ini, fuzz_value};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::path::Path;

fn runner() -> TestRunner {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_260_721);
    }
    TestRunner::new(config)
}

fn corpus() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/ini");
    let mut paths: Vec<_> =
        std::fs::read_dir(directory).expect("corpus").map(|entry| entry.expect("entry").path()).collect();
    paths.sort();
    let seeds: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("seed")).collect();
    assert!(seeds.len() >= 10, "the corpus is whole");
    seeds
}

/// Pieces that mean something to the grammar, to interpolation, or to a type.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = select(vec![
        "[DEFAULT]\n",
        "[gnocchi]\n",
        "[service_credentials]\n",
        "[",
        "]",
        "\n",
        "\r",
        "\r\n",
        "\n ",
        "\n\t",
        "\n\n",
        " = ",
        "=",
        ":",
        "#",
        ";",
        "\"",
        "'",
        "$",
        "$$",
        "\\$",
        "${",
        "}",
        ".",
        ",",
        "host",
        "auth_section",
        "sample_source",
        "sample_name",
        "${service_credentials.password}",
        "$sample_source",
        "password",
        "batch_size",
        "[notification]\n",
        "messaging_urls = ",
        "rabbit://",
        "kafka://",
        "1",
        "-1",
        "1e999",
        "nan",
        "true",
        "_",
        "auth_section = gnocchi\n",
        "host = ",
        "sample_source = $sample_name\n",
        "sample_name = $sample_source\n",
        "\u{feff}",
        "\u{2603}",
        "\0",
        "\u{1c}",
        "[DEFAULT]\nbatch_size=\n",
    ]);
    let word = prop_oneof![9 => words.prop_map(|word| word.as_bytes().to_vec()), 1 => vec(any::<u8>(), 0..4)];
    vec(word, 0..60).prop_map(|words| words.concat())
}

/// A seed with a few bytes overwritten, removed or doubled.
fn changed_seeds() -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<Vec<u8>> = corpus().into_iter().filter(|seed| !seed.is_empty()).collect();
    let change = (any::<Index>(), any::<u8>(), 0..3_u8);
    (select(seeds), vec(change, 1..8)).prop_map(|(mut data, changes)| {
        for (at, byte, what) in changes {
            let at = at.index(data.len().max(1)).min(data.len().saturating_sub(1));
            match what {
                _ if data.is_empty() => data.push(byte),
                0 => data[at] = byte,
                1 => drop(data.remove(at)),
                _ => data.insert(at, data[at]),
            }
        }
        data
    })
}

#[test]
fn the_corpus_holds() {
    for seed in corpus() {
        fuzz_ini(&seed);
        fuzz_value(&seed);
    }
}

#[test]
fn any_file_is_survived() {
    let inputs =
        prop_oneof![4 => pieces(), 4 => changed_seeds(), 1 => vec(any::<u8>(), 0..400), 1 => Just(vec![])];
    runner()
        .run(&inputs, |data| {
            fuzz_ini(&data);
            Ok(())
        })
        .expect("no input does harm");
}

#[test]
fn any_value_is_survived() {
    let inputs = prop_oneof![pieces(), vec(any::<u8>(), 0..200)];
    runner()
        .run(&inputs, |data| {
            fuzz_value(&data);
            Ok(())
        })
        .expect("no input does harm");
}
