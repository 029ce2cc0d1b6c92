//! Generated cases, always the same ones.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many times as many cases are made: a soak sets `NEPHOSCOPE_ORACLE_FACTOR`, a build does not.
fn factor() -> usize {
    std::env::var("NEPHOSCOPE_ORACLE_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

pub(crate) fn expressions() -> Vec<String> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut cases = Vec::new();
    let mut sample = |count: usize, strategy: BoxedStrategy<String>| {
        cases
            .extend((0..count * factor()).map(|_| strategy.new_tree(&mut runner).expect("a case").current()));
    };
    sample(1500, number());
    sample(1500, text());
    sample(1000, list());
    sample(800, truth());
    sample(800, format());
    sample(800, soup());
    cases
}

fn texts(list: &'static [&'static str]) -> BoxedStrategy<String> {
    select(list).prop_map(str::to_owned).boxed()
}

fn number_leaf() -> BoxedStrategy<String> {
    texts(&[
        "0",
        "1",
        "2",
        "3",
        "-1",
        "7",
        "10",
        "255",
        "1_000",
        "0x1f",
        "9007199254740993",
        "9223372036854775807",
        "12345678901234567890",
        "0.0",
        "0.1",
        "0.5",
        "1.5",
        "2.5",
        "-2.5",
        "1e3",
        "1e-7",
        "1e22",
        "3.14159",
        "n",
        "f",
        "big",
        "True",
        "False",
        "len(words)",
        "len(text)",
        "value['e']",
        "sum(numbers)",
        "max(numbers)",
        "int('12')",
        "float('1.25')",
        "numbers[0]",
        "numbers[-1]",
        "words.index('a')",
        "text.find('$')",
        "text.count('t')",
    ])
}

fn number() -> BoxedStrategy<String> {
    number_leaf()
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), texts(&["+", "-", "*", "/", "//", "%"]), inner.clone())
                    .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
                (inner.clone(), texts(&["&", "|", "^"]), inner.clone())
                    .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
                (inner.clone(), select(vec!["2", "3", "0", "-1"]))
                    .prop_map(|(base, exponent)| format!("({base}) ** {exponent}")),
                (inner.clone(), select(vec!["1", "3", "0"]))
                    .prop_map(|(number, count)| format!("({number}) >> {count}")),
                inner.clone().prop_map(|number| format!("-({number})")),
                inner.clone().prop_map(|number| format!("-{number}")),
                inner.clone().prop_map(|number| format!("({number})")),
                (texts(&["abs", "int", "float", "round", "bool"]), inner.clone())
                    .prop_map(|(function, number)| format!("{function}({number})")),
                (inner.clone(), select(vec!["0", "1", "2", "-1", "-2", "None"]))
                    .prop_map(|(number, digits)| format!("round({number}, {digits})")),
                (texts(&["min", "max"]), inner.clone(), inner.clone())
                    .prop_map(|(function, left, right)| format!("{function}({left}, {right})")),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(
                    |(then, condition, otherwise)| format!("{then} if {condition} else {otherwise}")
                ),
                (inner.clone(), inner.clone())
                    .prop_map(|(left, right)| format!("divmod({left}, {right})[1]")),
                inner.prop_map(|number| format!("(lambda x: x + 1)({number})")),
            ]
        })
        .boxed()
}

fn text_leaf() -> BoxedStrategy<String> {
    texts(&[
        "''",
        "'a'",
        "\"b\"",
        "'a,b,,c'",
        "' x y  z '",
        "'Ünï ß'",
        "'\\n\\t\\x41'",
        "r'\\d'",
        "'''it's'''",
        "text",
        "words[0]",
        "value['b']",
        "value['é']",
        "str(n)",
        "str(f)",
        "str(value['a'])",
        "'ab' 'cd'",
        "u'x'",
        "'%s-%d' % ('q', 5)",
        "f'{n}:{f}'",
        "'{}/{}'.format(n, f)",
        "','.join(words)",
        "repr(words)",
        "'ABc dE1f'",
    ])
}

fn text() -> BoxedStrategy<String> {
    text_leaf()
        .prop_recursive(3, 12, 3, |inner| {
            let method = texts(&[
                "strip()",
                "lstrip()",
                "rstrip()",
                "lower()",
                "upper()",
                "title()",
                "capitalize()",
                "swapcase()",
                "split()[0]",
                "split(',')[0]",
                "split('$')[0]",
                "rsplit(' ', 1)[-1]",
                "split(None, 1)[-1]",
                "replace('a', 'bb')",
                "replace('', '-', 2)",
                "zfill(8)",
                "center(9, '*')",
                "ljust(6)",
                "rjust(6, '0')",
                "partition('$')[2]",
                "rpartition(' ')[0]",
                "splitlines()[0]",
                "strip('a b')",
                "removeprefix('a')",
                "removesuffix('c')",
                "join(['1', '2', '3'])",
                "join(words)",
                "casefold()",
                "format()",
            ]);
            let slice = texts(&[
                "[0]", "[-1]", "[1:]", "[:-1]", "[::2]", "[::-1]", "[1:3]", "[-3:]", "[5:2]", "[:100]",
                "[3::-1]", "[:]",
            ]);
            prop_oneof![
                (inner.clone(), method).prop_map(|(text, method)| format!("({text}).{method}")),
                (inner.clone(), slice).prop_map(|(text, slice)| format!("({text}){slice}")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} + {right}")),
                (inner.clone(), select(vec!["0", "2", "3", "-1"]))
                    .prop_map(|(text, count)| format!("({text}) * {count}")),
                inner.clone().prop_map(|text| format!("str({text})")),
                inner.clone().prop_map(|text| format!("repr({text})")),
                inner.clone().prop_map(|text| format!("'<%s>' % ({text},)")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} or {right}")),
                (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("({left} and {right})")),
                (inner.clone(), inner.clone(), inner).prop_map(|(then, condition, otherwise)| format!(
                    "{then} if {condition} else {otherwise}"
                )),
            ]
        })
        .boxed()
}

fn list() -> BoxedStrategy<String> {
    texts(&[
        "words",
        "numbers",
        "links",
        "empty",
        "value['a']",
        "[1, 2, 3]",
        "list(range(5))",
        "list('abc')",
        "[n, f]",
        "(1, 2)",
        "text.split()",
        "list(value)",
        "list(value.keys())",
        "[[1, 2], [3]]",
        "list(value['c'].items())",
    ])
    .prop_recursive(3, 10, 2, |inner| {
        let wrap = texts(&[
            "sorted(@, key=str)",
            "list(@)",
            "tuple(@)",
            "list(reversed(@))",
            "[x for x in @ if x]",
            "[str(x) for x in @]",
            "list(map(str, @))",
            "list(filter(None, @))",
            "list(filter(lambda v: v != 2, @))",
            "list(enumerate(@))",
            "list(zip(@, range(3)))",
            "[*@, 1]",
            "@[1:]",
            "@[::-1]",
            "@[:2]",
            "(@)[-1]",
            "(@)[0]",
            "len(@)",
            "sum(@)",
            "min(@)",
            "max(@, key=str)",
            "any(@)",
            "all(@)",
            "next(iter(@), None)",
            "dict(enumerate(@))",
            "{str(k): k for k in @}",
            "sorted(@)",
            "sorted(@, reverse=True)",
            "[(i, x) for i, x in enumerate(@)]",
            "[y for x in @ for y in [x, x]]",
            "next(v for v in @ if v)",
            "','.join(map(str, @))",
            "(@).count(1)",
            "(@).index(2)",
            "max(@, default=0)",
            "2 in @",
            "'a' in @",
            "@ == @",
            "@ < [2]",
            "[x['href'] for x in @ if x.get('rel') == 'next']",
            "list(map(lambda a, b: (a, b), @, @))",
            "isinstance(@, list)",
            "str(@)",
            "@ * 2",
            "all(isinstance(x, (int, float)) for x in @)",
            "sum(x for x in @ if isinstance(x, int))",
        ]);
        prop_oneof![
            4 => (inner.clone(), wrap).prop_map(|(list, wrap)| wrap.replace('@', &list)),
            1 => (inner.clone(), inner).prop_map(|(left, right)| format!("{left} + {right}")),
        ]
    })
    .boxed()
}

fn truth() -> BoxedStrategy<String> {
    prop_oneof![
        texts(&[
            "True",
            "False",
            "none",
            "value",
            "''",
            "empty",
            "0",
            "0.0",
            "'x' in text",
            "n > 3",
            "not n"
        ]),
        number_leaf(),
        text_leaf(),
    ]
    .boxed()
    .prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (
                inner.clone(),
                texts(&["==", "!=", "<", "<=", ">", ">=", "in", "not in", "is", "is not"]),
                inner.clone()
            )
                .prop_filter("identity of equal objects is CPython's own affair", |(_, operator, _)| {
                    !operator.starts_with("is")
                })
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("{a} < {b} <= {c}")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} and {right}")),
            (inner.clone(), inner.clone()).prop_map(|(left, right)| format!("{left} or {right}")),
            inner.clone().prop_map(|truth| format!("not {truth}")),
            inner.clone().prop_map(|truth| format!("({truth})")),
            inner.clone().prop_map(|truth| format!("bool({truth})")),
            inner.clone().prop_map(|truth| format!("({truth}) is None")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("{a} if {b} else {c}")),
        ]
    })
    .boxed()
}

fn format() -> BoxedStrategy<String> {
    let align = texts(&["", "<", ">", "^", "=", "*<", "0>", "é^"]);
    let sign = texts(&["", "", "+", "-", " "]);
    let alternate = texts(&["", "", "", "#"]);
    let width = texts(&["", "", "1", "8", "012", "0", "20"]);
    let grouping = texts(&["", "", "", ",", "_"]);
    let precision = texts(&["", "", ".0", ".1", ".3", ".10"]);
    let kind = texts(&["", "", "d", "f", "e", "g", "%", "s", "x", "b", "o", "X", "F", "E", "G", "q"]);
    let spec = (align, sign, alternate, width, grouping, precision, kind).prop_map(
        |(align, sign, alternate, width, grouping, precision, kind)| {
            format!("{align}{sign}{alternate}{width}{grouping}{precision}{kind}")
        },
    );
    let flags = texts(&["", "", "-", "+", " ", "0", "#", "-0", "+#"]);
    let kinds = texts(&["d", "i", "s", "r", "f", "e", "g", "x", "X", "o", "E", "G", "F", "c", "a", "q"]);
    let percent = (flags, texts(&["", "1", "8", "12"]), texts(&["", "", ".0", ".2", ".8"]), kinds)
        .prop_map(|(flags, width, precision, kind)| format!("%{flags}{width}{precision}{kind}"));
    let subject = || prop_oneof![number_leaf(), number_leaf(), text_leaf()];
    prop_oneof![
        (subject(), spec.clone()).prop_map(|(value, spec)| format!("format({value}, '{spec}')")),
        (number_leaf(), spec).prop_map(|(value, spec)| format!("'<{{:{spec}}}>'.format({value})")),
        (subject(), percent).prop_map(|(value, percent)| format!("'<{percent}>' % ({value},)")),
    ]
    .boxed()
}

/// Tokens in any order: nearly all of it is no expression, in Python as well.
fn soup() -> BoxedStrategy<String> {
    let token = texts(&[
        "n", "text", "1", "2.5", "'a'", "(", ")", "[", "]", "{", "}", ",", ":", "+", "-", "*", "**", "/",
        "not", "and", "or", "if", "else", "for", "in", "is", "lambda", "x", "==", "<", ".", "=", "!", "True",
        "None", "len", "words", "\"", "#", "~",
    ]);
    let grown = prop_oneof![
        texts(&[
            "n",
            "words[0]",
            "(n)",
            "[1, 2]",
            "{'a': 1}",
            "len(words)",
            "lambda: n",
            "text.strip()",
            "not n",
            "-n"
        ]),
        prop::collection::vec(token, 1..6).prop_map(|tokens| tokens.join(" ")),
    ];
    let joint = texts(&[
        " ", " + ", " if ", " else ", " in ", ", ", "[", "(", ")", " not ", " == ", " is not ", "**", " ** -",
    ]);
    prop::collection::vec((grown, joint), 1..4)
        .prop_map(|parts| {
            parts.into_iter().map(|(part, joint)| part + &joint).collect::<String>().trim().to_owned()
        })
        .boxed()
}
