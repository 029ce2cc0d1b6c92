//! As much of Python's pickles as dogpile's cached texts need. Reading makes plain data; nothing is ever called.

use std::collections::HashMap;

/// Objects that a pickle may make.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    None,
    Integer(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Object>),
    Map(Vec<(Object, Object)>),
    /// A class or function, by name.
    Global(String, String),
    /// An object of a class, and what it is made of.
    Made {
        class: (String, String),
        arguments: Vec<Object>,
    },
    /// Where a tuple or the entries of a map begin.
    Mark,
}

/// Objects on the stack, and remembered ones, at most.
const MAX_OBJECTS: usize = 64;

/// Reads one object. `None`: it is not one of those, or not a pickle at all.
pub(super) fn read(bytes: &[u8]) -> Option<Object> {
    let mut reader = Reader { bytes, stack: Vec::new(), memory: HashMap::new() };
    while !reader.step()? {
        if reader.stack.len() > MAX_OBJECTS || reader.memory.len() > MAX_OBJECTS {
            return None;
        }
    }
    let object = reader.stack.pop();
    object.filter(|_| reader.stack.is_empty())
}

struct Reader<'b> {
    bytes: &'b [u8],
    stack: Vec<Object>,
    memory: HashMap<usize, Object>,
}

impl Reader<'_> {
    /// Does one operation; `true` at the last.
    fn step(&mut self) -> Option<bool> {
        let [operation] = self.take::<1>()?;
        match operation {
            b'.' => return Some(true),
            // Protocol and frames only help to read.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            b'N' => self.stack.push(Object::None),
            b'K' => {
                let [byte] = self.take()?;
                self.stack.push(Object::Integer(byte.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.take()?);
                self.stack.push(Object::Integer(number.into()));
            }
            b'J' => {
                let number = i32::from_le_bytes(self.take()?);
                self.stack.push(Object::Integer(number.into()));
            }
            b'I' => {
                let number = self.line()?.parse().ok()?;
                self.stack.push(Object::Integer(number));
            }
            b'G' => {
                let number = f64::from_be_bytes(self.take()?);
                self.stack.push(Object::Float(number));
            }
            b'F' => {
                let number = self.line()?.parse().ok()?;
                self.stack.push(Object::Float(number));
            }
            0x8c => {
                let [length] = self.take()?;
                self.text(length.into())?;
            }
            b'X' => {
                let length = u32::from_le_bytes(self.take()?);
                self.text(usize::try_from(length).ok()?)?;
            }
            // Protocol 0 escapes what is not ASCII; such a text is not read.
            b'V' => {
                let text = self.line()?;
                if text.contains('\\') {
                    return None;
                }
                let text = text.to_owned();
                self.stack.push(Object::Text(text));
            }
            b'c' => {
                let module = self.line()?.to_owned();
                let name = self.line()?.to_owned();
                self.stack.push(Object::Global(module, name));
            }
            0x93 => {
                let (name, module) = (self.stack.pop()?, self.stack.pop()?);
                let (Object::Text(module), Object::Text(name)) = (module, name) else { return None };
                self.stack.push(Object::Global(module, name));
            }
            b'}' => self.stack.push(Object::Map(Vec::new())),
            b'(' => self.stack.push(Object::Mark),
            b'd' => {
                let entries = pairs(self.since_mark()?)?;
                self.stack.push(Object::Map(entries));
            }
            b't' => {
                let items = self.since_mark()?;
                self.stack.push(Object::Tuple(items));
            }
            0x86 => {
                let (second, first) = (self.stack.pop()?, self.stack.pop()?);
                self.stack.push(Object::Tuple(vec![first, second]));
            }
            b'u' => {
                let entries = pairs(self.since_mark()?)?;
                let Some(Object::Map(map)) = self.stack.last_mut() else { return None };
                map.extend(entries);
            }
            b's' => {
                let (value, key) = (self.stack.pop()?, self.stack.pop()?);
                let Some(Object::Map(map)) = self.stack.last_mut() else { return None };
                map.push((key, value));
            }
            0x81 => {
                let (arguments, class) = (self.stack.pop()?, self.stack.pop()?);
                let (Object::Tuple(arguments), Object::Global(module, name)) = (arguments, class) else {
                    return None;
                };
                self.stack.push(Object::Made { class: (module, name), arguments });
            }
            b'R' => {
                let made = reconstructed(self.stack.pop()?, self.stack.pop()?)?;
                self.stack.push(made);
            }
            0x94 => self.remember(self.memory.len())?,
            b'q' => {
                let [place] = self.take()?;
                self.remember(place.into())?;
            }
            b'p' => {
                let place = self.line()?.parse().ok()?;
                self.remember(place)?;
            }
            b'h' => {
                let [place] = self.take()?;
                self.recall(place.into())?;
            }
            b'g' => {
                let place = self.line()?.parse().ok()?;
                self.recall(place)?;
            }
            _ => return None,
        }
        Some(false)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = rest;
        Some(*taken)
    }

    fn line(&mut self) -> Option<&str> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.bytes.split_at_checked(end)?;
        self.bytes = rest.get(1..)?;
        std::str::from_utf8(line).ok()
    }

    fn text(&mut self, length: usize) -> Option<()> {
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        self.stack.push(Object::Text(std::str::from_utf8(text).ok()?.to_owned()));
        Some(())
    }

    fn since_mark(&mut self) -> Option<Vec<Object>> {
        let mark = self.stack.iter().rposition(|object| *object == Object::Mark)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Some(items)
    }

    fn remember(&mut self, place: usize) -> Option<()> {
        // What refers to large values often would grow without end; a key or a short text is all that is repeated.
        let object = self.stack.last()?;
        let kept = match object {
            Object::Text(text) if text.len() > 64 => Object::None,
            Object::Text(_) | Object::Global(..) => object.clone(),
            _ => Object::None,
        };
        self.memory.insert(place, kept);
        Some(())
    }

    fn recall(&mut self, place: usize) -> Option<()> {
        let object = self.memory.get(&place).filter(|object| **object != Object::None)?;
        self.stack.push(object.clone());
        Some(())
    }
}

fn pairs(items: Vec<Object>) -> Option<Vec<(Object, Object)>> {
    let mut items = items.into_iter();
    let mut pairs = Vec::with_capacity(items.len() / 2);
    while let Some(key) = items.next() {
        pairs.push((key, items.next()?));
    }
    Some(pairs)
}

/// The way in which old protocols make a tuple's subclass: `copy_reg._reconstructor(class, tuple, items)`.
fn reconstructed(arguments: Object, function: Object) -> Option<Object> {
    let Object::Global(module, name) = function else { return None };
    if !matches!(module.as_str(), "copy_reg" | "copyreg") || name != "_reconstructor" {
        return None;
    }
    let Object::Tuple(arguments) = arguments else { return None };
    let mut arguments = arguments.into_iter();
    match (arguments.next()?, arguments.next()?, arguments.next()?) {
        (Object::Global(module, name), Object::Global(_, base), Object::Tuple(arguments))
            if base == "tuple" =>
        {
            Some(Object::Made { class: (module, name), arguments })
        }
        _ => None,
    }
}

/// Writes a pickle of protocol 2, which every Python 3 reads.
pub(super) struct Writer<'o>(&'o mut Vec<u8>);

impl<'o> Writer<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(b"\x80\x02");
        Self(out)
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.0.push(b'X');
        self.0.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn float(self, number: f64) -> Self {
        self.0.push(b'G');
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    pub(super) fn small(self, number: u8) -> Self {
        self.0.extend_from_slice(&[b'K', number]);
        self
    }

    pub(super) fn class(self, module: &str, name: &str) -> Self {
        self.0.extend_from_slice(format!("c{module}\n{name}\n").as_bytes());
        self
    }

    /// A map of what `fill` writes: key, value, key, value.
    pub(super) fn map(self, fill: impl FnOnce(Self) -> Self) -> Self {
        self.0.extend_from_slice(b"}(");
        let filled = fill(self);
        filled.0.push(b'u');
        filled
    }

    /// An object of the class that was written before the last two objects, made of them.
    pub(super) fn new_with_two(self) -> Self {
        self.0.extend_from_slice(b"\x86\x81");
        self
    }

    pub(super) fn stop(self) {
        self.0.push(b'.');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_pickles_are_not_read() {
        for bytes in [
            &b""[..],
            b".",
            b"N",
            b"NN.",
            b"u.",
            b"}(NuN.",
            b"\x8c\xffx.",
            b"X\xff\xff\xff\xffx.",
            b"Vb\\u00fc\n.",
            b"h\0.",
            b"(((((.",
            b"cos\nsystem\n(Vid\ntR.",
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        assert_eq!(read(&[b'N'; 1000]), None);
        assert_eq!(read(b"M\x01\x02."), Some(Object::Integer(513)));
        assert_eq!(read(b"J\xff\xff\xff\xff."), Some(Object::Integer(-1)));
    }
}
