//! A command line in a configuration file, split as a shell splits it.

/// The words of a command line: blanks separate them, quotes and backslashes hold them together. Nothing is replaced.
///
/// # Errors
/// What is not closed.
pub(super) fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    // A word may be empty, if it is quoted.
    let mut word: Option<String> = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(quoted) => word.push(quoted),
                        None => return Err("a single quote is not closed"),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('"') => break,
                        Some('\\') => match rest.next() {
                            Some(escaped @ ('"' | '\\')) => word.push(escaped),
                            Some(other) => word.extend(['\\', other]),
                            None => return Err("a double quote is not closed"),
                        },
                        Some(quoted) => word.push(quoted),
                        None => return Err("a double quote is not closed"),
                    }
                }
            }
            '\\' => match rest.next() {
                Some(escaped) => word.get_or_insert_default().push(escaped),
                None => return Err("nothing follows the backslash at its end"),
            },
            blank if blank.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does_it() {
        for (text, expected) in [
            ("ipmitool", &["ipmitool"][..]),
            ("  sudo -n\tipmitool ", &["sudo", "-n", "ipmitool"]),
            ("a 'b  c' \"d \\\" e\" f\\ g", &["a", "b  c", "d \" e", "f g"]),
            ("x''y '' \"\\n\"", &["xy", "", "\\n"]),
            ("", &[]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for text in ["'", "a \"b", "a \"b\\", "a\\"] {
            assert!(words(text).is_err(), "{text}");
        }
    }
}
