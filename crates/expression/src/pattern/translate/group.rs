//! Everything that begins with a parenthesis.

use super::{Flags, Group, Item, Translator, Width};
use crate::pattern::PatternError;

/// Flags that a group switches on and off.
struct Switch {
    flags: Flags,
    ignore_case_changed: bool,
}

impl Translator<'_> {
    /// The flags at the very start, which hold for the whole pattern.
    pub(super) fn leading_flags(&mut self) -> Result<Flags, PatternError> {
        let mut flags = Flags::default();
        loop {
            // In verbose mode blanks and comments may stand between; they stand before the first flags too
            // once a later group switches that mode on, which the second pass of upstream's parser sees.
            while let Some(character) = self.peek(0) {
                if !(flags.verbose && self.skip_verbose(character)) {
                    break;
                }
            }
            if self.peek(0) != Some('(') || self.peek(1) != Some('?') {
                return Ok(flags);
            }
            if self.peek(2) == Some('#') {
                self.comment()?;
                continue;
            }
            let letters = self.characters.iter().skip(self.place + 2).take_while(|c| c.is_ascii_alphabetic());
            let count = letters.count();
            if count == 0 || self.peek(2) == Some('P') || self.peek(2 + count) != Some(')') {
                return Ok(flags);
            }
            let letters: Vec<char> =
                self.characters.iter().skip(self.place + 2).take(count).copied().collect();
            if letters.contains(&'a') && letters.contains(&'u') {
                return Err(self.fail(self.place, "the flags a and u exclude each other"));
            }
            for (ahead, &letter) in letters.iter().enumerate() {
                self.switch_on(&mut flags, letter, self.place + 2 + ahead)?;
            }
            self.place += count + 3;
        }
    }

    fn switch_on(&self, flags: &mut Flags, letter: char, place: usize) -> Result<(), PatternError> {
        match letter {
            'a' => flags.ascii = true,
            'i' => flags.ignore_case = true,
            'm' => flags.multiline = true,
            's' => flags.dot_all = true,
            'u' => flags.ascii = false,
            'x' => flags.verbose = true,
            'L' => return Err(self.fail(place, "the flag L is for bytes only")),
            other => return Err(self.fail(place, format!("unknown flag {other}"))),
        }
        Ok(())
    }

    /// `(?#…)`
    fn comment(&mut self) -> Result<(), PatternError> {
        let start = self.place;
        while let Some(character) = self.peek(0) {
            self.place += 1;
            if character == ')' {
                return Ok(());
            }
        }
        Err(self.fail(start, "missing ), unterminated comment"))
    }

    fn close(&mut self, start: usize) -> Result<(), PatternError> {
        if self.take(')') { Ok(()) } else { Err(self.fail(start, "missing ), unterminated subpattern")) }
    }

    /// A group of any kind; a comment is no item.
    pub(super) fn group(&mut self, flags: Flags) -> Result<Option<Item>, PatternError> {
        let start = self.place;
        self.place += 1;
        if !self.take('?') {
            return self.capture(flags, start, None).map(Some);
        }
        let Some(kind) = self.peek(0) else {
            return Err(self.fail(start, "unexpected end of pattern"));
        };
        self.place += 1;
        let item = match kind {
            '#' => {
                self.place = start;
                self.comment()?;
                return Ok(None);
            }
            'P' => self.python_group(flags, start)?,
            ':' => {
                let body = self.alternation(flags)?;
                self.close(start)?;
                Item::new(format!("(?:{})", body.regex), body.width)
            }
            '>' => {
                let body = self.alternation(flags)?;
                self.close(start)?;
                Item::new(format!("(?>{})", body.regex), body.width)
            }
            '=' | '!' => {
                let body = self.alternation(flags)?;
                self.close(start)?;
                Item::new(format!("(?{kind}{})", body.regex), Width::ZERO)
            }
            '<' => self.lookbehind(flags, start)?,
            '(' => self.conditional(flags, start)?,
            _ => {
                self.place -= 1;
                let switch = self.scoped_flags(flags, start)?;
                let body = self.alternation(switch.flags)?;
                self.close(start)?;
                let opening = match (switch.ignore_case_changed, switch.flags.ignore_case) {
                    (false, _) => "(?:",
                    (true, true) => "(?i:",
                    (true, false) => "(?-i:",
                };
                Item::new(format!("{opening}{})", body.regex), body.width)
            }
        };
        Ok(Some(item))
    }

    fn capture(&mut self, flags: Flags, start: usize, name: Option<String>) -> Result<Item, PatternError> {
        let place = self.groups.len();
        self.groups.push(Group { width: None });
        if let Some(name) = name
            && self.names.insert(name.clone(), place + 1).is_some()
        {
            return Err(self.fail(start, format!("redefinition of group name {name:?}")));
        }
        let body = self.alternation(flags)?;
        self.close(start)?;
        if let Some(group) = self.groups.get_mut(place) {
            group.width = Some(body.width);
        }
        Ok(Item::new(format!("({})", body.regex), body.width))
    }

    /// A group's name, up to `end`.
    fn name(&mut self, end: char, start: usize) -> Result<String, PatternError> {
        let mut name = String::new();
        loop {
            match self.peek(0) {
                None => return Err(self.fail(start, format!("missing {end}, unterminated name"))),
                Some(character) if character == end => break,
                Some(character) => name.push(character),
            }
            self.place += 1;
        }
        self.place += 1;
        Ok(name)
    }

    fn identifier(&mut self, end: char, start: usize) -> Result<String, PatternError> {
        let name = self.name(end, start)?;
        let mut characters = name.chars();
        let first = characters.next().is_some_and(|first| first.is_alphabetic() || first == '_');
        if first && characters.all(|next| next.is_alphanumeric() || next == '_') {
            return Ok(name);
        }
        Err(self.fail(start, format!("bad character in group name {name:?}")))
    }

    /// `(?P<name>…)` and `(?P=name)`.
    fn python_group(&mut self, flags: Flags, start: usize) -> Result<Item, PatternError> {
        if self.take('<') {
            let name = self.identifier('>', start)?;
            return self.capture(flags, start, Some(name));
        }
        if self.take('=') {
            let name = self.identifier(')', start)?;
            let Some(&number) = self.names.get(&name) else {
                return Err(self.fail(start, format!("unknown group name {name:?}")));
            };
            return self.reference(number, start);
        }
        Err(self.fail(start, "unknown extension: only ?P<name> and ?P=name begin with ?P"))
    }

    /// `(?<=…)` and `(?<!…)`.
    fn lookbehind(&mut self, flags: Flags, start: usize) -> Result<Item, PatternError> {
        let Some(kind @ ('=' | '!')) = self.peek(0) else {
            return Err(self.fail(start, "unknown extension: groups are named by ?P<name>"));
        };
        self.place += 1;
        let outer = self.lookbehind;
        if outer.is_none() {
            self.lookbehind = Some(self.groups.len());
        }
        let body = self.alternation(flags)?;
        self.close(start)?;
        self.lookbehind = outer;
        if body.width.least != body.width.most {
            return Err(self.fail(start, "look-behind requires fixed-width pattern"));
        }
        Ok(Item::new(format!("(?<{kind}{})", body.regex), Width::ZERO))
    }

    /// `(?(group)yes|no)`.
    fn conditional(&mut self, flags: Flags, start: usize) -> Result<Item, PatternError> {
        let name = self.name(')', start)?;
        let number = if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            let number: usize = name.parse().unwrap_or(0);
            if number == 0 {
                return Err(self.fail(start, "bad group number"));
            }
            self.conditions.push((number, start));
            number
        } else {
            match self.names.get(&name) {
                Some(&number) => number,
                None => return Err(self.fail(start, format!("unknown group name {name:?}"))),
            }
        };
        self.check_lookbehind(number, start)?;
        self.nest(|translator| {
            let yes = translator.branch(flags)?;
            let no = if translator.take('|') {
                translator.branch(flags)?
            } else {
                Item::new(String::new(), Width::ZERO)
            };
            if translator.peek(0) == Some('|') {
                return Err(translator.fail(start, "conditional backref with more than two branches"));
            }
            translator.close(start)?;
            let regex = format!("(?({number})(?:{})|(?:{}))", yes.regex, no.regex);
            Ok(Item::new(regex, yes.width.or(no.width)))
        })
    }

    /// `(?i-s:…)`: the flags that hold inside.
    fn scoped_flags(&mut self, outer: Flags, start: usize) -> Result<Switch, PatternError> {
        let mut flags = outer;
        let (mut on, mut off) = (String::new(), String::new());
        let mut charset = None;
        loop {
            match self.peek(0) {
                Some(letter @ ('a' | 'u')) => {
                    if charset.is_some_and(|known| known != letter) {
                        return Err(self.fail(start, "the flags a and u exclude each other"));
                    }
                    charset = Some(letter);
                    self.switch_on(&mut flags, letter, self.place)?;
                    on.push(letter);
                }
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.switch_on(&mut flags, letter, self.place)?;
                    on.push(letter);
                }
                Some(')') if !on.is_empty() => {
                    return Err(self.fail(start, "global flags not at the start of the expression"));
                }
                Some(':') => {
                    self.place += 1;
                    break;
                }
                Some('-') => {
                    self.place += 1;
                    while let Some(letter) = self.peek(0).filter(char::is_ascii_alphabetic) {
                        match letter {
                            'i' => flags.ignore_case = false,
                            'm' => flags.multiline = false,
                            's' => flags.dot_all = false,
                            'x' => flags.verbose = false,
                            other => {
                                return Err(
                                    self.fail(self.place, format!("cannot turn off the flag {other}"))
                                );
                            }
                        }
                        off.push(letter);
                        self.place += 1;
                    }
                    if off.is_empty() || !self.take(':') {
                        return Err(self.fail(start, "missing : after the flags"));
                    }
                    break;
                }
                _ => return Err(self.fail(start, "unknown extension after (?")),
            }
            self.place += 1;
        }
        if on.chars().any(|letter| off.contains(letter)) {
            return Err(self.fail(start, "bad inline flags: flag turned on and off"));
        }
        Ok(Switch { flags, ignore_case_changed: flags.ignore_case != outer.ignore_case })
    }
}
