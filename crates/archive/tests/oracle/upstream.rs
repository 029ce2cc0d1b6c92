//! Questions to `upstream.py`, and how columns travel.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nephoscope_archive::{Points, Series};
use serde_json::Value;

/// The interpreter of the environment with Gnocchi.
fn python() -> PathBuf {
    let venv = std::env::var_os("NEPHOSCOPE_VENV")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    assert!(
        python.exists(),
        "{} is missing: make the Python environment first (scripts/provision), or set NEPHOSCOPE_VENV",
        python.display()
    );
    python
}

/// An answer to each question.
pub(crate) fn ask(questions: &[Value]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/upstream.py");
    let mut child = Command::new(python())
        .arg("-B")
        .arg(script)
        // Gnocchi goes over sets of methods; in one order each time.
        .env("PYTHONHASHSEED", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the Python interpreter starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let mut input = Vec::new();
    for question in questions {
        serde_json::to_writer(&mut input, question).unwrap();
        input.push(b'\n');
    }
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().expect("the oracle ends");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the oracle failed: {}\n{complaints}", output.status);
    writer.join().unwrap().expect("the oracle reads everything");
    let answers: Vec<Value> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
        .collect();
    assert_eq!(answers.len(), questions.len(), "{complaints}");
    answers
}

fn hexadecimal(numbers: impl Iterator<Item = u64>) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for number in numbers {
        write!(text, "{:016x}", number.swap_bytes()).unwrap();
    }
    text
}

fn numbers(text: &str) -> Vec<u64> {
    let (digits, rest) = text.as_bytes().as_chunks::<16>();
    assert!(rest.is_empty(), "whole numbers");
    let number = |digits: &[u8; 16]| u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.iter().map(|digits| number(digits).swap_bytes()).collect()
}

pub(crate) fn timestamps_text(timestamps: &[i64]) -> String {
    hexadecimal(timestamps.iter().map(|timestamp| timestamp.cast_unsigned()))
}

pub(crate) fn values_text(values: &[f64]) -> String {
    hexadecimal(values.iter().map(|value| value.to_bits()))
}

pub(crate) fn columns_text(points: Points<'_>) -> [String; 2] {
    [timestamps_text(points.timestamps()), values_text(points.values())]
}

pub(crate) fn timestamps(answer: &Value) -> Vec<i64> {
    let text = answer.as_str().unwrap_or_else(|| panic!("no column: {answer}"));
    numbers(text).into_iter().map(u64::cast_signed).collect()
}

/// Two columns, the first of an answer.
pub(crate) fn series(answer: &Value) -> Series {
    let values = answer[1].as_str().unwrap_or_else(|| panic!("no columns: {answer}"));
    let values = numbers(values).into_iter().map(f64::from_bits).collect();
    Series::from_columns(timestamps(&answer[0]), values)
}
