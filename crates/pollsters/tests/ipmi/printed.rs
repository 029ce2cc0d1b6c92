//! Sensors, and what ipmitool 1.8.19 prints of them.

/// A sensor of a generated controller.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    /// Bytes as the controller has them.
    pub(crate) name: Vec<u8>,
    number: u8,
    /// The name of its type.
    pub(crate) class: &'static str,
    pub(crate) is_event_only: bool,
    reading: String,
    has_maximum: bool,
}

/// Names, with what sites and vendors put into them.
const NAMES: [&[u8]; 16] = [
    b"Inlet Temp",
    b"CPU1 VR (hot)",
    b"FAN1A RPM",
    b"P12V AUX",
    b"+3.3VSB",
    b"Ambient",
    b"temp \xc3\xa9",
    b"Lfter \xe9\xfc",
    b"25 \xb0c",
    b"a/b#c%d&e",
    b"[x]{y}",
    b"Current 1",
    b"PS1 Curr Out %",
    b"Sys Pwr Consumption",
    b"x",
    b"'\"\\",
];
/// Types, of which four are read.
const CLASSES: [&str; 8] =
    ["Temperature", "Temperature", "Voltage", "Fan", "Fan", "Current", "Power Supply", "Entity Presence"];
const UNITS: [&str; 9] =
    ["degrees C", "degrees F", "Volts", "Watts", "Amps", "RPM", "percent", "unspecified", "CFM"];

fn pick<'a, T: ?Sized>(random: &mut fastrand::Rng, from: &[&'a T]) -> &'a T {
    from[random.usize(..from.len())]
}

fn number(random: &mut fastrand::Rng) -> String {
    match random.u8(..4) {
        0 => random.i32(-128..256).to_string(),
        1 => format!("{}.{:03}", random.i32(-20..4000), random.u16(..1000)),
        2 => random.u32(..30_000).to_string(),
        _ => format!("0.{:03}", random.u16(..1000)),
    }
}

fn reading(random: &mut fastrand::Rng) -> String {
    let unit = pick(random, &UNITS);
    match random.u8(..16) {
        0 => "Disabled".into(),
        1 => "No Reading".into(),
        2 => format!("{:x}h", random.u8(..)),
        3 => format!("0x{:02X} {unit}", random.u8(..)),
        4 => format!("0x{:02X} (+/- 0x00) {unit}", random.u8(..)),
        5 => format!("{} {unit}", number(random)),
        6 => {
            pick(random, &["nan", "inf", "-inf", "1e3", "1_000", ".5", "5.", "+7", "0", "-0"]).to_owned()
                + " (+/- 0) RPM"
        }
        7 => pick(random, &["", "25", "x y", "12 ", "(+/- 0)", "1,5 (+/- 0) Volts", "--1 V"]).to_owned(),
        _ => format!("{} (+/- {}) {unit}", number(random), pick(random, &["0", "0.500", "30"])),
    }
}

/// A controller's sensors. `with_strange`: also those at which Ceilometer stumbles.
pub(crate) fn generate(random: &mut fastrand::Rng, with_strange: bool) -> Vec<Generated> {
    let mut sensors: Vec<Generated> = (0..random.u8(..14))
        .map(|number| Generated {
            name: pick(random, &NAMES).to_owned(),
            number,
            class: pick(random, &CLASSES),
            is_event_only: false,
            reading: reading(random),
            has_maximum: random.bool(),
        })
        .collect();
    if random.u8(..3) > 0 {
        let mut sensor = Generated {
            name: b"Pwr Consumption".to_vec(),
            number: 0x77,
            class: "Current",
            is_event_only: false,
            reading: format!("{} (+/- 3.500) Watts", number(random)),
            has_maximum: false,
        };
        match random.u8(..8) {
            0 => sensor.class = "Power Supply",
            1 if with_strange => "No Reading".clone_into(&mut sensor.reading),
            _ => {}
        }
        sensors.insert(random.usize(..=sensors.len()), sensor);
    }
    if with_strange && !sensors.is_empty() {
        let place = random.usize(..sensors.len());
        let sensor = &mut sensors[place];
        match random.u8(..4) {
            0 => sensor.name = b"12V: PSU".to_vec(),
            1 if sensor.name != b"Pwr Consumption" => sensor.is_event_only = true,
            _ => {}
        }
    }
    sensors
}

impl Generated {
    pub(crate) fn has_colon(&self) -> bool {
        self.name.contains(&b':')
    }

    pub(crate) fn is_power(&self) -> bool {
        self.name == b"Pwr Consumption"
    }

    /// Whether `sensor get` prints a reading of it.
    pub(crate) fn has_reading(&self) -> bool {
        !["Disabled", "No Reading"].contains(&self.reading.as_str())
    }

    /// Its block, as `sdr -v` prints it.
    pub(crate) fn block(&self) -> Vec<u8> {
        let Self { number, class, reading, .. } = self;
        let id =
            [b"Sensor ID              : ", self.name.as_slice(), format!(" (0x{number:x})\n").as_bytes()]
                .concat();
        let rest = if self.is_event_only {
            format!(
                "Entity ID              : 7.1 (System Board)\nSensor Type            : {class} (0x01)\n\n"
            )
        } else if reading.ends_with('h') {
            format!(
                " Entity ID             : 7.1 (System Board)\n Sensor Type (Discrete): {class} (0x01)\n Sensor Reading        : \
                 {reading}\n Event Message Control : No Events From Sensor\n OEM                   : 0\n\n"
            )
        } else {
            let maximum = if self.has_maximum { " Normal Maximum        : 12000.000\n" } else { "" };
            format!(
                " Entity ID             : 7.1 (System Board)\n Sensor Type (Threshold)  : {class} (0x01)\n Sensor Reading        : \
                 {reading}\n Status                : ok\n{maximum} Positive Hysteresis   : 1.000\n Event Message Control : \
                 Per-threshold\n Assertions Enabled    : \n\n"
            )
        };
        [id, rest.into_bytes()].concat()
    }
}

/// What `sdr -v` prints: every sensor that can be read.
pub(crate) fn all(sensors: &[Generated]) -> Vec<u8> {
    sensors.iter().filter(|sensor| !sensor.is_event_only).flat_map(Generated::block).collect()
}

/// What `sdr -v type CLASS` prints.
pub(crate) fn of_class(sensors: &[Generated], class: &str) -> Vec<u8> {
    sensors.iter().filter(|sensor| sensor.class == class).flat_map(Generated::block).collect()
}
