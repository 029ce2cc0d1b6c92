//! Any bytes in a file of dead letters return; what can be read reads back equal.

use nephoscope_buffer::fuzz;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};

/// The same cases in every run, unless `PROPTEST_RNG_SEED` asks for others; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    };
    config.cases = config.cases.max(2000);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(20_260_721);
    }
    config
}

/// A line as it is written, to be cut and changed.
const LINE: &str = concat!(
    r#"{"id":"20261125T224501123-5f0e9a3c-7","time":"2026-11-25T22:45:01.123Z","cause":"not_json","message":"m","#,
    r#""event_type":"a.b","message_id":"1","listener":"listener","queue":"notifications.info","exchange":"nova","#,
    r#""routing_key":"notifications.info","redelivered":false,"attempts":1,"content_type":"application/json","#,
    r#""checksum":"af63dc4c8601ec8c","body":"a"}"#
);

#[test]
fn the_line_that_is_changed_below_is_a_good_one() {
    assert!(fuzz::is_letter(LINE.as_bytes()), "the line is not read");
    assert!(!fuzz::is_letter(LINE.replace("\"body\":\"a\"", "\"body\":\"b\"").as_bytes()));
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes_return(line in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::letter(&line);
    }

    #[test]
    fn a_changed_line_returns(place in 0..LINE.len(), byte in any::<u8>(), cut in 0..LINE.len()) {
        let mut line = LINE.as_bytes().to_vec();
        line[place] = byte;
        fuzz::letter(&line);
        fuzz::letter(&line[..cut]);
        fuzz::letter(&line[cut..]);
    }

    #[test]
    fn any_body_reads_back_equal(body in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,100}") {
        fuzz::body(&body);
        fuzz::body(text.as_bytes());
    }
}
