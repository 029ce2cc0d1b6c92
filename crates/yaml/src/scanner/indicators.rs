//! Directives, anchors, aliases and tags.

use super::{Scanner, TokenKind, is_break_or_end, is_gap, is_gap_without_tab, shown};
use crate::error::Error;
use crate::node::Span;

/// Whether a character can be part of an anchor's or a handle's name.
fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

fn is_uri(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-;/?:@&=+$,_.!~*'()[]%".contains(character)
}

/// What is being read, and where it began: the context of an error.
#[derive(Clone, Copy)]
struct Origin {
    what: &'static str,
    start: Span,
}

impl Scanner {
    fn expected(&self, origin: Origin, expected: &str, found: char) -> Error {
        Error::syntax(self.here(), format!("expected {expected}, found {}", shown(found)))
            .within(format!("while reading {}", origin.what), origin.start)
    }

    pub(super) fn directive(&mut self) -> Result<(), Error> {
        self.unwind(-1);
        self.drop_key()?;
        self.simple_key_allowed = false;
        let start = self.here();
        let origin = Origin { what: "a directive", start };
        self.forward(1);
        let length = self.run(is_word);
        if length == 0 {
            return Err(self.expected(origin, "a directive's name", self.at(0)));
        }
        let name = self.text(length);
        if !is_gap_without_tab(self.at(0)) {
            return Err(self.expected(origin, "a letter or digit of a directive's name", self.at(0)));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_spaces();
                let major = self.version_number(origin)?;
                if self.at(0) != '.' {
                    return Err(self.expected(origin, "a digit or '.'", self.at(0)));
                }
                self.forward(1);
                self.version_number(origin)?;
                if !is_gap_without_tab(self.at(0)) {
                    return Err(self.expected(origin, "a digit or a space", self.at(0)));
                }
                TokenKind::VersionDirective(major)
            }
            "TAG" => {
                self.skip_spaces();
                let handle = self.tag_handle(origin)?;
                if self.at(0) != ' ' {
                    return Err(self.expected(origin, "a space", self.at(0)));
                }
                self.skip_spaces();
                let prefix = self.tag_uri(origin)?;
                if !is_gap_without_tab(self.at(0)) {
                    return Err(self.expected(origin, "a space", self.at(0)));
                }
                TokenKind::TagDirective(handle, prefix)
            }
            _ => {
                let length = self.run(|character| !is_break_or_end(character));
                self.forward(length);
                TokenKind::OtherDirective
            }
        };
        let end = self.here();
        self.rest_of_line("a directive", start)?;
        self.tokens.push_back(super::Token { kind, start, end });
        Ok(())
    }

    /// Spaces and a comment up to the end of the line, and the line break.
    pub(super) fn rest_of_line(&mut self, what: &'static str, start: Span) -> Result<(), Error> {
        self.skip_spaces();
        self.skip_comment();
        if !is_break_or_end(self.at(0)) {
            return Err(self.expected(
                Origin { what, start },
                "a comment or the end of the line",
                self.at(0),
            ));
        }
        self.line_break();
        Ok(())
    }

    fn version_number(&mut self, origin: Origin) -> Result<String, Error> {
        let length = self.run(|character| character.is_ascii_digit());
        if length == 0 {
            return Err(self.expected(origin, "a digit", self.at(0)));
        }
        Ok(self.text(length))
    }

    /// `*name` or `&name`.
    pub(super) fn anchor(&mut self, sign: char) -> Result<(), Error> {
        let start = self.here();
        let origin = Origin { what: if sign == '*' { "an alias" } else { "an anchor" }, start };
        self.forward(1);
        let length = self.run(is_word);
        if length == 0 {
            return Err(self.expected(origin, "a letter or digit", self.at(0)));
        }
        let name = self.text(length);
        let next = self.at(0);
        if !is_gap(next) && !matches!(next, '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`') {
            return Err(self.expected(origin, "a letter or digit", next));
        }
        let kind = if sign == '*' { TokenKind::Alias(name) } else { TokenKind::Anchor(name) };
        self.push(kind, start);
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), Error> {
        let start = self.here();
        let origin = Origin { what: "a tag", start };
        let kind = match self.at(1) {
            '<' => {
                self.forward(2);
                let suffix = self.tag_uri(origin)?;
                if self.at(0) != '>' {
                    return Err(self.expected(origin, "'>'", self.at(0)));
                }
                self.forward(1);
                TokenKind::Tag(None, suffix)
            }
            next if is_gap(next) => {
                self.forward(1);
                TokenKind::Tag(None, "!".to_owned())
            }
            _ => {
                // A second exclamation mark ends a handle.
                let length = 1 + {
                    let mut ahead = 1;
                    while !is_gap_without_tab(self.at(ahead)) && self.at(ahead) != '!' {
                        ahead += 1;
                    }
                    ahead - 1
                };
                let handle = if self.at(length) == '!' {
                    self.tag_handle(origin)?
                } else {
                    self.forward(1);
                    "!".to_owned()
                };
                TokenKind::Tag(Some(handle), self.tag_uri(origin)?)
            }
        };
        if !is_gap_without_tab(self.at(0)) {
            return Err(self.expected(origin, "a space", self.at(0)));
        }
        self.push(kind, start);
        Ok(())
    }

    fn tag_handle(&mut self, origin: Origin) -> Result<String, Error> {
        if self.at(0) != '!' {
            return Err(self.expected(origin, "'!'", self.at(0)));
        }
        let mut length = 1;
        if self.at(length) != ' ' {
            while is_word(self.at(length)) {
                length += 1;
            }
            let next = self.at(length);
            if next != '!' {
                self.forward(length);
                return Err(self.expected(origin, "'!'", next));
            }
            length += 1;
        }
        Ok(self.text(length))
    }

    fn tag_uri(&mut self, origin: Origin) -> Result<String, Error> {
        let mut uri = String::new();
        while is_uri(self.at(0)) {
            if self.at(0) == '%' {
                uri.push_str(&self.uri_escapes(origin)?);
            } else {
                uri.push(self.at(0));
                self.forward(1);
            }
        }
        if uri.is_empty() {
            return Err(self.expected(origin, "a URI", self.at(0)));
        }
        Ok(uri)
    }

    /// Consecutive `%xx`, which together are UTF-8.
    fn uri_escapes(&mut self, origin: Origin) -> Result<String, Error> {
        let start = self.here();
        let mut bytes = Vec::new();
        while self.at(0) == '%' {
            self.forward(1);
            let mut byte = 0;
            for ahead in 0..2 {
                match self.at(ahead).to_digit(16).and_then(|digit| u8::try_from(digit).ok()) {
                    Some(digit) => byte = byte << 4 | digit,
                    None => return Err(self.expected(origin, "two hexadecimal digits", self.at(ahead))),
                }
            }
            self.forward(2);
            bytes.push(byte);
        }
        String::from_utf8(bytes).map_err(|_| {
            Error::syntax(start, "the escapes of a tag are not UTF-8")
                .within("while reading a tag", origin.start)
        })
    }
}
