//! [`Sensors`]: what `ipmitool sdr -v` prints, read.
//!
//! A sensor is a block of lines `key : value`, and an empty line ends it:
//!
//! ```text
//! Sensor ID              : Inlet Temp (0x4)
//!  Entity ID             : 7.1 (System Board)
//!  Sensor Type (Threshold)  : Temperature (0x01)
//!  Sensor Reading        : 25 (+/- 0.500) degrees C
//!  Normal Maximum        : 60.000
//! ```
//!
//! The rules are those of `ceilometer.ipmi.platform.ipmitool`, but what it fails at costs one sensor here, and not all of
//! them; `docs/differences.md` has the list.

use std::borrow::Cow;
use std::collections::HashMap;

use model::pytext::{float_of, strip};

/// Keys of a sensor's type, the first that is there counts.
const TYPES: [&str; 3] = ["Sensor Type (Analog)", "Sensor Type (Discrete)", "Sensor Type (Threshold)"];
const ID: &str = "Sensor ID";
const READING: &str = "Sensor Reading";
const MAXIMUM: &str = "Normal Maximum";
/// The reading of a sensor that is not scanned.
const DISABLED: &str = "Disabled";

/// One sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sensor {
    /// Name and number, as `Inlet Temp (0x4)`.
    pub id: String,
    /// The first word of its type: `Temperature`, `Voltage`, `Current`, `Fan`, …
    pub class: String,
    /// What was read, as `25 (+/- 0.500) degrees C`, `Disabled`, `No Reading`, `0h`.
    pub reading: String,
    /// The greatest normal value, where the controller says it.
    pub normal_maximum: Option<String>,
}

impl Sensor {
    /// Its name without the number.
    #[must_use]
    pub fn name(&self) -> &str {
        let without = || self.id.strip_suffix(')')?.rsplit_once(" (0x");
        match without() {
            Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_hexdigit()) => name,
            _ => &self.id,
        }
    }

    /// Its value and unit; [`None`] if it has none that is a number.
    #[must_use]
    pub fn value(&self) -> Option<(f64, &str)> {
        if self.reading == DISABLED {
            return None;
        }
        let (number, rest) = self.reading.split_once(' ')?;
        let volume = float_of(&number.into()).ok()?;
        let unit = rest.rsplit_once(' ').map_or(rest, |(_, unit)| unit);
        Some((
            volume,
            match unit {
                "Watts" => "W",
                "Volts" => "V",
                other => other,
            },
        ))
    }
}

/// The sensors in the order in which they were printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sensors(Vec<Sensor>);

impl Sensors {
    /// Reads what was printed. `is_whole`: the program said that it had printed everything. What is not ended well is
    /// left out: half of a number is another number.
    ///
    /// [`None`]: something was printed, and there is no sensor in it.
    #[must_use]
    pub fn parse(printed: &[u8], is_whole: bool) -> Option<Self> {
        let whole = if is_whole && printed.ends_with(b"\n") { printed } else { ended(printed) };
        let mut reader = Reader::default();
        let mut block = Block::default();
        for line in whole.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                reader.add(std::mem::take(&mut block));
            } else {
                block.take(&text(line));
            }
        }
        reader.add(block);
        (!reader.sensors.is_empty() || printed.is_empty()).then_some(Self(reader.sensors))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Sensor> {
        self.0.iter()
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Collects sensors.
#[derive(Debug, Default)]
struct Reader {
    sensors: Vec<Sensor>,
    /// Where those of a class and id are.
    places: HashMap<(String, String), usize>,
}

impl Reader {
    /// Of two with the same class and id the later one counts, at the place of the first.
    fn add(&mut self, block: Block) {
        let Some(sensor) = block.into_sensor() else { return };
        let place =
            self.places.entry((sensor.class.clone(), sensor.id.clone())).or_insert(self.sensors.len());
        match self.sensors.get_mut(*place) {
            Some(known) => *known = sensor,
            None => self.sensors.push(sensor),
        }
    }
}

/// What is printed up to the end of the last block that is followed by an empty line.
fn ended(printed: &[u8]) -> &[u8] {
    let end = printed.windows(2).rposition(|pair| pair == b"\n\n").map_or(0, |place| place + 2);
    printed.get(..end).unwrap_or_default()
}

/// A line as text. Names of sensors are UTF-8 at best, and else Latin-1 (IPMI 2.0, section 43.15).
fn text(line: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(line.iter().map(|byte| char::from(*byte)).collect()),
    }
}

/// What is known of the sensor whose lines are being read.
#[derive(Debug, Default)]
struct Block {
    id: Option<String>,
    types: [Option<String>; 3],
    reading: Option<String>,
    normal_maximum: Option<String>,
}

impl Block {
    fn take(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else { return };
        let key = strip(key);
        // A name may have a colon in it; in other values it makes the line something else.
        if value.contains(':') && key != ID {
            return;
        }
        let place = match key {
            ID => &mut self.id,
            READING => &mut self.reading,
            MAXIMUM => &mut self.normal_maximum,
            _ => {
                let Some(place) = TYPES.iter().zip(&mut self.types).find(|(known, _)| **known == key) else {
                    return;
                };
                place.1
            }
        };
        *place = Some(strip(value).to_owned());
    }

    /// The sensor, if it is one that is read.
    fn into_sensor(self) -> Option<Sensor> {
        let kind = self.types.into_iter().flatten().next()?;
        let class = kind.split_once(' ').map_or(kind.as_str(), |(class, _)| class).to_owned();
        Some(Sensor { id: self.id?, class, reading: self.reading?, normal_maximum: self.normal_maximum })
    }
}

#[cfg(test)]
mod tests;
