//! Rust source with everything blanked that is not code of the product: comments, literals, tests.

/// The text with comments and the insides of string and character literals replaced by blanks; newlines stay, so that
/// line numbers hold.
pub(crate) fn without_text(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' if !follows_word(bytes, at) => match raw_string_end(bytes, at + 1) {
                Some(end) => end,
                None => at + 1,
            },
            b'b' if !follows_word(bytes, at) && bytes.get(at + 1) == Some(&b'r') => {
                raw_string_end(bytes, at + 2).unwrap_or(at + 1)
            }
            b'\'' => char_end(bytes, at),
            _ => {
                at += 1;
                continue;
            }
        };
        let end = end.min(bytes.len());
        // A single byte is a lifetime's quote or the letter of a name: code.
        if end > at + 1 {
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The text of [`without_text`], further without items under `#[cfg(test)]`.
pub(crate) fn without_tests(blanked: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = blanked.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = blanked[from..].find(MARK) {
        let start = from + found;
        let end = item_end(blanked.as_bytes(), start + MARK.len());
        out[start..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Names of the modules that are declared `#[cfg(test)] mod name;`, whose files are tests.
pub(crate) fn test_modules(blanked: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, mark) in blanked.match_indices("#[cfg(test)]") {
        let item = blanked[at + mark.len()..].split([';', '{']).next().unwrap_or_default();
        let words: Vec<&str> = item.split_whitespace().collect();
        if let [.., "mod", name] = words.as_slice() {
            names.push((*name).to_owned());
        }
    }
    names
}

/// The end of the item that begins at `at`: its `;`, or the brace that closes its first one.
fn item_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return index + 1,
            b'}' => depth -= 1,
            b';' if depth == 0 => return index + 1,
            _ => {}
        }
    }
    bytes.len()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length)
}

fn comment_end(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0_usize;
    let mut index = at;
    while index < bytes.len() {
        match (bytes[index], bytes.get(index + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                index += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                index += 2;
                if depth == 0 {
                    return index;
                }
            }
            _ => index += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `at` stands behind the `r`.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes.get(at..)?.iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let closing = [&b"\""[..], &vec![b'#'; hashes]].concat();
    let body = at + hashes + 1;
    let length = bytes[body..].windows(closing.len()).position(|window| window == closing);
    Some(length.map_or(bytes.len(), |length| body + length + closing.len()))
}

/// A character literal's end, or one past the quote of a lifetime.
fn char_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at + 1..];
    let length = match rest.first() {
        Some(b'\\') => rest.iter().skip(2).position(|byte| *byte == b'\'').map(|length| length + 2),
        // One character of at most four bytes, then the closing quote.
        _ => (1..=4).find(|length| rest.get(*length) == Some(&b'\'') && is_one_char(&rest[..*length])),
    };
    length.map_or(at + 1, |length| at + 1 + length + 1)
}

fn is_one_char(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The line (from 1) of a byte position.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// Positions of `word` where it is not part of a longer name.
pub(crate) fn find_word<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).is_some_and(|before| is_name(text.as_bytes()[before]));
        let after = text.as_bytes().get(at + word.len()).is_some_and(|byte| is_name(*byte));
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_stays() {
        let source = concat!(
            "let a = \"in \\\" text\"; // in comment\n",
            "/* in /* nested */ comment */ keep1();\n",
            "let b = r#\"in \" raw\"#; let c = br\"in raw\"; keep2();\n",
            "let d = 'x'; let e = '\\''; let f: &'static str = keep3; let g = '\"'; keep4();\n",
            "let h = 'é'; fn k<'a>(x: &'a str) {} r#type; keep5();\n",
        );
        let blanked = without_text(source);
        for index in 1..=5 {
            assert!(blanked.contains(&format!("keep{index}")), "{blanked}");
        }
        for word in ["in ", "text", "raw", "comment"] {
            assert!(!blanked.contains(word), "{word} is left in\n{blanked}");
        }
        assert!(blanked.contains("&'static str") && blanked.contains("<'a>"), "{blanked}");
        assert_eq!(blanked.lines().count(), source.lines().count());
        for unfinished in ["\"", "r#\"", "/*", "'", "b", "'\\"] {
            without_text(unfinished);
        }
    }

    #[test]
    fn test_items_are_blanked() {
        let source =
            "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { { } } }\n#[cfg(test)]\nmod other;\nfn c() {}\n";
        let code = without_tests(&without_text(source));
        assert!(code.contains("fn a()") && code.contains("fn c()"), "{code}");
        assert!(!code.contains("fn b") && !code.contains("other"), "{code}");
        assert_eq!(test_modules(source), ["tests", "other"]);
    }

    #[test]
    fn words_are_whole() {
        let found: Vec<usize> = find_word("unsafe unsafe_code xunsafe (unsafe)", "unsafe").collect();
        assert_eq!(found, [0, 28]);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}
