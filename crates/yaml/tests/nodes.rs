//! Places and accessors of nodes, and the words of errors.

use nephoscope_yaml::{Kind, Span, parse};

#[test]
fn every_node_knows_its_place() {
    let node = parse("- name: é\n  unit: B\n- &x\n  'a b': [1, two]\n").unwrap();
    let place = |node: &nephoscope_yaml::Node| (node.span.line, node.span.column);
    let items = node.as_seq().unwrap();
    let (key, value) = items[0].entry("unit").unwrap();
    assert_eq!(place(&node), (1, 1));
    assert_eq!(place(&items[0]), (1, 3));
    assert_eq!(place(key), (2, 3));
    assert_eq!(place(value), (2, 9));
    assert_eq!(place(&items[1]), (3, 3));
    let list = items[1].get("a b").unwrap();
    assert_eq!(place(list), (4, 10));
    assert_eq!(place(&list.as_seq().unwrap()[1]), (4, 14));
}

#[test]
fn accessors_answer_for_their_kind_only() {
    let node = parse(
        "{t: text, i: 3, f: 1.5, b: yes, n: ~, l: [], m: {}, d: 2001-01-01, big: 99999999999999999999}",
    )
    .unwrap();
    let get = |key: &str| node.get(key).unwrap();
    assert_eq!(get("t").as_str(), Some("text"));
    assert_eq!(get("i").as_str(), None);
    assert_eq!(get("i").as_i64(), Some(3));
    assert_eq!(get("i").as_f64(), Some(3.0));
    assert_eq!(get("f").as_f64(), Some(1.5));
    assert_eq!(get("big").as_f64(), Some(1e20));
    assert_eq!(get("b").as_bool(), Some(true));
    assert!(get("n").is_null());
    assert!(node.get("missing").is_none());
    assert!(get("t").get("x").is_none());
    let truths: Vec<_> = node.as_map().unwrap().iter().map(|(_, value)| value.is_truthy()).collect();
    assert_eq!(truths, [true, true, true, true, false, false, false, true, true]);
    assert_eq!(get("d").type_name(), "a date");
    assert!(matches!(get("m").kind, Kind::Map(ref entries) if entries.is_empty()));
}

#[test]
fn an_empty_text_is_null() {
    for text in ["", "\n", "# nothing\n", "---\n", "\u{feff}"] {
        assert!(parse(text).unwrap().is_null(), "{text:?}");
    }
}

#[test]
fn errors_name_place_problem_and_context() {
    for (text, message) in [
        (
            "a: b: c",
            "a mapping value cannot stand here: is a text with a colon meant? quote it (line 1, column 5)",
        ),
        ("- &x a\n- *y", "the alias \"y\" has no anchor (line 2, column 3)"),
        ("a: !units B", "could not determine a constructor for the tag \"!units\" (line 1, column 4)"),
        (
            "a: 'b",
            "the closing quote is missing (line 1, column 6), while reading a quoted text (line 1, column 4)",
        ),
        (
            "a:\n\tb: c",
            "a tab cannot stand here: indent with spaces (line 2, column 1), while looking for the next token \
             (line 2, column 1)",
        ),
        (
            "a\n---\nb",
            "a second document begins here (line 2, column 1), expected a single document, which began (line 1, \
             column 1)",
        ),
        (
            "a: !!int x",
            "not a digit of an integer: \"x\" (line 1, column 4), while constructing an integer (line 1, column 4)",
        ),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
    assert_eq!(parse("a: [").unwrap_err().span, Span { line: 1, column: 5 });
}
