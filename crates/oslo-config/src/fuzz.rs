//! Bodies of fuzz targets: each takes any bytes and must neither panic nor hang.
//!
//! They are plain functions, so that proptest drives them in `cargo test` and cargo-fuzz elsewhere.

use crate::ini;
use crate::loader::{Loader, ParsedFile, Problems, parse_bytes};
use crate::option::Kind;
use crate::resolve;
use crate::template;
use crate::types;
use std::path::{Path, PathBuf};

/// Parses a file and resolves every option of the table from it. Whatever is found wrong must have a
/// position inside the file.
pub fn fuzz_ini(data: &[u8]) {
    let path = Path::new("/fuzz.conf");
    let mut errors = Problems::default();
    let mut warnings = Problems::default();
    let (ini, problems) = parse_bytes(path, data);
    errors.list = problems;
    let files = [ParsedFile { path: path.to_owned(), ini }];
    let loader = Loader::new("fuzz");
    let config = resolve::resolve(&loader, &files, Vec::new(), &mut errors, &mut warnings);
    crate::check::options_together(&config, &mut errors);
    assert!(config.show().count() > 0, "options are shown");
    // A newline, a carriage return or the end of data ends a line; no position lies beyond.
    let lines = data.iter().filter(|byte| b"\n\r".contains(byte)).count() + 1;
    for problem in errors.list.iter().chain(&warnings.list) {
        assert!(!problem.to_string().is_empty(), "a problem says something");
        if let Some(line) = problem.line() {
            assert!(line >= 1 && line as usize <= lines, "{problem}");
            assert!(problem.column().is_some_and(|column| column >= 1), "{problem}");
            assert_eq!(problem.file().map(Path::to_path_buf), Some(PathBuf::from("/fuzz.conf")));
        }
    }
}

/// Converts text as every kind of option, and splits it as a template.
pub fn fuzz_value(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let kinds = [
        Kind::Str { choices: &["one", "two", ""], ignore_case: true },
        Kind::Bool,
        Kind::Int { min: Some(-5), max: Some(1 << 40) },
        Kind::Float { min: Some(0.0), max: None },
        Kind::List { unique: true },
        Kind::MultiStr,
        Kind::HostAddress,
        Kind::Port,
        Kind::Uri,
        Kind::Listen,
    ];
    for kind in kinds {
        if let Err(invalid) = types::convert(&kind, &text) {
            assert!(!invalid.what.is_empty() && !invalid.hint.is_empty());
        }
    }
    let length: usize = template::pieces(&text)
        .iter()
        .map(|piece| match piece {
            template::Piece::Text(text) | template::Piece::Reference(text) => text.len(),
        })
        .sum();
    assert!(length <= text.len(), "a template's pieces come from it");
    assert!(ini::parse(&text).is_ok_and(|ini| ini.entries.len() <= text.len()) || !text.is_empty());
}
