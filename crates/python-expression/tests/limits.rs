//! Hostile expressions end within their bounds.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use nephoscope_python_expression::{Evaluation, Exception, Expression, Limits, MAX_HEIGHT, MAX_TEXT_BYTES};

fn evaluate(text: &str, limits: Limits) -> Result<String, (Exception, String)> {
    let expression =
        Expression::compile(text, &["value"]).map_err(|error| panic!("{text}: {error}")).unwrap();
    let mut evaluation = Evaluation::new(limits);
    let value = evaluation.object(&model::Value::Int(1)).unwrap();
    let result = evaluation.run(&expression, &[value]);
    result.map(|object| format!("{object:?}")).map_err(|error| (error.exception, error.message))
}

#[test]
fn what_would_take_for_ever_is_stopped() {
    for text in [
        "9**9**9",
        "9**9**9**9",
        "10**10**5",
        "1 << 10**9",
        "(9**9999)**2 ** 99",
        "'a'*10**9",
        "'a' * 9223372036854775807",
        "[1] * 10**9",
        "(1, 2) * 10**18 * 10**18",
        "('a' * 10**6) * 10**3",
        "list(range(10**9))",
        "sum(range(10**12))",
        "max(x for x in range(10**9))",
        "[x for x in range(10**4) for y in range(10**4)]",
        "[[[z for z in range(300)] for y in range(300)] for x in range(300)]",
        "any(x < 0 for x in range(10**10))",
        "5 in map(lambda x: -x, range(1, 10**10))",
        "'{:>9999}'.format('a') * 10**5",
        "''.join('ab' * 1000 for x in range(10**6))",
        "'ab'.replace('', 'x' * 10**7).replace('', 'x' * 10**7)",
        "(lambda f: f(f))(lambda f: f(f))",
        "(lambda f, x: f(f, x))(lambda f, x: f(f, [x]), 1)",
        "(lambda f, x: f(f, x))(lambda f, x: f(f, map(str, x)), 'ab')",
        "(lambda f, x: f(f, x))(lambda f, x: f(f, x + x), 'ab')",
        "sorted(range(10**7), key=lambda x: -x)",
        "{x: x for x in range(10**7)}",
        "{x for x in range(10**7)}",
        "str([0] * 10**6) * 100",
        "dict(enumerate(range(10**7)))",
        "'a'.zfill(10**10)",
        "'a'.center(10**10)",
        "'x'.join(['y' * 1000] * 10**5)",
        "f'{value:>9999}' * 10**6",
        "[x for x in range(10**3)] * 10**7",
        "list(zip(*[range(10**6)] * 100))",
        "list(enumerate(filter(None, range(10**8))))",
        "('a,' * 10**6).split(',') * 10**3",
        "round(1, -10**9) or sum(range(10**9))",
    ] {
        let limits = Limits { steps: 200_000, bytes: 8 << 20, ..Limits::default() };
        let (exception, message) = evaluate(text, limits).expect_err(text);
        assert_eq!(exception, Exception::Limit, "{text}: {message}");
    }
}

/// No way leads from a value to a class, a frame, a module or the text of a program: each is refused, most when it is read.
#[test]
fn attributes_and_builtins_lead_nowhere() {
    for text in [
        "value.__class__",
        "value.__class__.__mro__[1].__subclasses__()",
        "().__class__.__bases__[0].__subclasses__()",
        "[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen']",
        "''.__class__",
        "value.__init__.__globals__",
        "(lambda: 0).__globals__",
        "(lambda: 0).__code__",
        "(x for x in []).gi_frame",
        "[].append",
        "'a'.join.__self__",
        "str.format.__self__",
        "str.mro()",
        "int.__subclasses__()",
        "type(value).__subclasses__()",
        "type('X', (), {})",
        "type(type(value))('X', (), {})",
        "type(type(value)).mro(type(value))",
        "'{0.__class__}'.format(value)",
        "'{0.__class__.__init__.__globals__}'.format(value)",
        "'{0[__class__]}'.format(value)",
        "'{a.__class__}'.format(a=value)",
        "'{x.__class__}'.format_map({'x': value})",
        "str.format('{0.__class__}', value)",
        "f'{value.__class__}'",
        "f'{().__class__.__bases__}'",
        "f'{value:{value.__class__}}'",
        "'%(__class__)s' % value",
        "format(value, value.__class__)",
        "getattr(value, '__class__')",
        "setattr(value, 'x', 1)",
        "hasattr(value, '__class__')",
        "vars()",
        "dir(value)",
        "globals()",
        "locals()",
        "__builtins__",
        "__builtins__['eval']",
        "__name__",
        "__import__('os').system('id')",
        "import os",
        "open('/etc/passwd').read()",
        "input()",
        "print(value)",
        "breakpoint()",
        "exit()",
        "help()",
        "object()",
        "super()",
        "memoryview('a')",
        "compile('1', '', 'eval')",
        "eval('1')",
        "exec('1')",
        "(eval)('1')",
        "[eval][0]('1')",
        "list(map(eval, ['1']))",
        "sorted(['1'], key=eval)",
        "(lambda __import__: __import__('os'))(eval)",
        "(x := eval)",
        "lambda: (yield)",
        "await value",
        "[print(x) for x in 'ab']",
    ] {
        let result = Expression::compile(text, &["value"]).map(|_| evaluate(text, Limits::default()));
        assert!(!matches!(result, Ok(Ok(_))), "{text}: {result:?}");
    }
    // Names that merely look like those are a program's own.
    for (text, expected) in [("(lambda eval: eval + 1)(value)", "2"), ("[open for open in [value]]", "[1]")] {
        assert_eq!(evaluate(text, Limits::default()).as_deref(), Ok(expected), "{text}");
    }
}

/// Texts and numbers that are asked for by their size end at once, with whatever error.
#[test]
fn sizes_that_are_asked_for_are_bounded() {
    for text in [
        "'{:99999999999}'.format(1)",
        "'{:999999999}'.format(1)",
        "'{0:{1}}'.format(1, 10**10)",
        "'{:.999999999f}'.format(0.5)",
        "f'{value:999999999}'",
        "f'{value:{10**9}}'",
        "'%99999999999d' % value",
        "'%999999999d' % value",
        "'%*d' % (10**9, value)",
        "'%.999999999f' % 0.5",
        "format(value, '999999999')",
        "'a'.ljust(10**9)",
        "'a'.rjust(10**9)",
        "'a' * (1 << 40)",
        "str(7**200000)",
        "int('9' * 10**6)",
        "1 << (1 << 40)",
        "pow(3, 10**9)",
        "round(10**4000, -10**6) + 9**9**9",
        "'\\t'.expandtabs(10**10)",
        "range(10**30)[10**29] * 9**9**9",
        "list(range(-10**18, 10**18))",
        "divmod(9**9**9, 2)",
        "tuple(reversed(range(10**10)))",
        "list(zip(range(10**10), range(10**10)))",
        "dict.fromkeys(range(10**10))",
        "bin(1 << 10**9)",
    ] {
        let limits = Limits { steps: 200_000, bytes: 8 << 20, ..Limits::default() };
        let result = Expression::compile(text, &["value"]).map(|_| evaluate(text, limits));
        assert!(!matches!(result, Ok(Ok(_))), "{text} has a value");
    }
}

#[test]
fn what_is_large_but_not_too_large_works() {
    for (text, expected) in [
        ("len(str(9**4000))", "3817"),
        ("len('a' * 10**6)", "1000000"),
        ("sum(range(1000))", "499500"),
        ("len([x for x in range(100) for y in range(100)])", "10000"),
        ("sorted(range(1000), key=lambda x: -x)[0]", "999"),
        ("(lambda f: f(f, 20))(lambda f, n: n and f(f, n - 1))", "0"),
        ("10**4000 // 10**3999", "10"),
    ] {
        assert_eq!(evaluate(text, Limits::default()).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn limits_are_those_that_are_given() {
    let few = Limits { steps: 50, ..Limits::default() };
    assert_eq!(evaluate("sum(range(100))", few).unwrap_err().0, Exception::Limit);
    let small = Limits { bytes: 1000, ..Limits::default() };
    assert_eq!(evaluate("'a' * 2000", small).unwrap_err().0, Exception::Limit);
    let flat = Limits { depth: 5, ..Limits::default() };
    assert_eq!(evaluate("-(-(-(-(-(-(-1))))))", flat).unwrap_err().0, Exception::Limit);
}

/// What is nested deeply is refused before anything recurses, also where the parser goes round in a loop.
#[test]
fn depth_is_bounded_when_it_is_read() {
    let nested = |open: &str, inner: &str, close: &str, count: usize| {
        format!("{}{inner}{}", open.repeat(count), close.repeat(count))
    };
    for count in [MAX_HEIGHT + 1, 10_000] {
        for text in [
            nested("(", "1", ")", count),
            nested("[", "1", "]", count),
            nested("-", "1", "", count),
            nested("not ", "1", "", count),
            nested("1+(", "1", ")", count),
            nested("1 + ", "1", "", count),
            nested("1 ** ", "1", "", count),
            nested("lambda: ", "1", "", count),
            nested("", "value", "[0]", count),
            nested("", "value", ".strip()", count),
            nested("", "value", "()", count),
            nested("1 if 1 else ", "1", "", count),
            nested("1 and ", "1", "", count),
            nested("{1: ", "1", "}", count),
            nested("[x for x in ", "[]", "]", count),
            nested("(", "x", " for x in []) ", count),
            format!("[1 for {}x{} in []]", "(".repeat(count), ")".repeat(count)),
        ] {
            assert!(Expression::compile(&text, &["value", "x"]).is_err(), "{}", &text[..40]);
        }
    }
    let long = format!("'{}'", "a".repeat(MAX_TEXT_BYTES));
    assert!(Expression::compile(&long, &[]).is_err());
    // A chain of comparisons is one part, as is a long list.
    assert!(Expression::compile(&format!("1{}", " < 1".repeat(1000)), &[]).is_ok());
    assert!(Expression::compile(&format!("[{}]", "1, ".repeat(10_000)), &[]).is_ok());
}

/// The deepest evaluation fits the stack of a thread, which is 2 MiB.
#[test]
fn the_deepest_evaluation_fits_a_stack() {
    let deepest = format!("{}1{}", "[".repeat(MAX_HEIGHT - 2), "]".repeat(MAX_HEIGHT - 2));
    let texts = [
        format!("str({deepest})"),
        format!("{deepest} == {deepest}"),
        format!("{deepest} < {deepest}"),
        "(lambda f, x: f(f, x))(lambda f, x: f(f, map(lambda y: y, x)) if x else x, [1])".to_owned(),
        "(lambda f, n: f(f, n))(lambda f, n: [[[[f(f, n + 1)]]]], 0)".to_owned(),
        "(lambda f, n: f(f, n))(lambda f, n: max([min([f(f, n + 1)], key=lambda x: x)], key=lambda x: x), 0)"
            .to_owned(),
        "(lambda f, n: f(f, n))(lambda f, n: f'{[x for x in f(f, n + 1)]!r:>{n}}', 0)".to_owned(),
    ];
    let run = move || {
        for text in &texts {
            let _ = evaluate(text, Limits::default());
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}
