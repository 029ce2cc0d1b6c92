//! Statistics of all domains in one call, and the typed parameters that they consist of.
//!
//! An answer is kept as it came. It is checked once, from end to end, and then read in place: records and parameters
//! are iterators over it, names and texts borrow from it.

use crate::connection::Connection;
use crate::domain::{DOMAIN_BYTES_MIN, Domain, DomainRef, STRING_MAX};
use crate::error::Error;
use crate::frame::HEADER_BYTES;
use crate::procedure;
use crate::xdr::{Reader, WORD, Writer, XdrError};

/// Most domains in a list.
pub(crate) const DOMAINS_MAX: u32 = 16_384;
/// Most parameters of one domain.
const PARAMETERS_MAX: u32 = 262_144;
/// Most parameters of one disk.
pub(crate) const BLOCK_PARAMETERS_MAX: u32 = 16;
/// Fewest bytes of a parameter: an empty name, the type, a value of one word.
const PARAMETER_BYTES_MIN: usize = 12;

/// Groups of statistics (`virDomainStatsTypes`); combine them with `|`.
///
/// Name those that are needed: none at all (0) means every group of the daemon, some of which are dear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StatsGroups(pub u32);

impl StatsGroups {
    /// `state.*`
    pub const STATE: Self = Self(1);
    /// `cpu.*`; holds the domain, as QEMU can be asked for a part of it. Look at the state first: of a QEMU domain that
    /// does not run, libvirt 9.0 gives the times of its own daemon.
    pub const CPU_TOTAL: Self = Self(1 << 1);
    /// `balloon.*`; asks the hypervisor's process.
    pub const BALLOON: Self = Self(1 << 2);
    /// `vcpu.*`; asks the hypervisor's process.
    pub const VCPU: Self = Self(1 << 3);
    /// `net.*`
    pub const INTERFACE: Self = Self(1 << 4);
    /// `block.*`; asks the hypervisor's process.
    pub const BLOCK: Self = Self(1 << 5);
    /// `perf.*`, for the events that are switched on in the domain's definition.
    pub const PERF: Self = Self(1 << 6);
    /// `iothread.*`; asks the hypervisor's process.
    pub const IOTHREAD: Self = Self(1 << 7);
    /// `memory.*`: bandwidth by resource control.
    pub const MEMORY: Self = Self(1 << 8);
    /// `dirtyrate.*`; asks the hypervisor's process.
    pub const DIRTYRATE: Self = Self(1 << 9);
    /// `vm.*`: the hypervisor's own (since libvirt 8.9); asks its process.
    pub const VM: Self = Self(1 << 10);

    /// Whether all groups of `other` are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for StatsGroups {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for StatsGroups {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// Which domains, and how (`virConnectGetAllDomainStatsFlags`, `virConnectListAllDomainsFlags`); combine them with `|`.
/// None at all (0) means every domain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct DomainFlags(pub u32);

impl DomainFlags {
    /// Those that run or are paused.
    pub const ACTIVE: Self = Self(1);
    /// Those that do not run.
    pub const INACTIVE: Self = Self(1 << 1);
    /// Those with a definition.
    pub const PERSISTENT: Self = Self(1 << 2);
    /// Those that are gone when they end.
    pub const TRANSIENT: Self = Self(1 << 3);
    /// Those that run.
    pub const RUNNING: Self = Self(1 << 4);
    /// Those that are paused.
    pub const PAUSED: Self = Self(1 << 5);
    /// Those that do not run.
    pub const SHUTOFF: Self = Self(1 << 6);
    /// Those in any other state.
    pub const OTHER: Self = Self(1 << 7);
    /// Statistics: of a domain that is busy only what can be had without waiting for it (since libvirt 4.5).
    pub const NOWAIT: Self = Self(1 << 29);
    /// Statistics: the whole chain of a disk's images.
    pub const BACKING: Self = Self(1 << 30);
    /// Statistics: an error if the daemon does not know a group, where it else leaves it out.
    pub const ENFORCE_STATS: Self = Self(1 << 31);
}

impl std::ops::BitOr for DomainFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Connection {
    /// Every domain that `flags` choose.
    pub async fn list_domains(&self, flags: DomainFlags) -> Result<Vec<Domain>, Error> {
        let mut arguments = Writer::new();
        arguments.i32(1).u32(flags.0);
        self.call(procedure::CONNECT_LIST_ALL_DOMAINS, arguments).await?.read(|reader| {
            let count = reader.length(DOMAINS_MAX, DOMAIN_BYTES_MIN)?;
            let domains = (0..count).map(|_| Domain::read(reader)).collect::<Result<_, _>>()?;
            reader.u32()?;
            Ok(domains)
        })
    }

    /// Statistics of the domains that `flags` choose, in one call.
    pub async fn all_domain_stats(
        &self,
        groups: StatsGroups,
        flags: DomainFlags,
    ) -> Result<DomainStats, Error> {
        self.domain_stats(&[], groups, flags).await
    }

    /// Statistics of some domains, in one call; of none means of all. One that is gone is left out.
    pub async fn domain_stats(
        &self,
        domains: &[Domain],
        groups: StatsGroups,
        flags: DomainFlags,
    ) -> Result<DomainStats, Error> {
        let mut arguments = Writer::new();
        arguments.length(domains.len());
        for domain in domains {
            domain.write(&mut arguments);
        }
        arguments.u32(groups.0).u32(flags.0);
        let answer = self.call(procedure::CONNECT_GET_ALL_DOMAIN_STATS, arguments).await?;
        let call = answer.call();
        DomainStats::check(answer.into_packet(), HEADER_BYTES)
            .map_err(|source| Error::Answer { call, source })
    }
}

/// Statistics as the daemon sent them, checked from end to end.
#[derive(Debug)]
pub struct DomainStats {
    packet: Vec<u8>,
    /// Where each record begins in the packet.
    starts: Vec<usize>,
}

impl DomainStats {
    /// Takes the payload of an answer to `ConnectGetAllDomainStats`, a recorded one for example.
    pub fn from_payload(payload: Vec<u8>) -> Result<Self, XdrError> {
        Self::check(payload, 0)
    }

    /// Walks over the packet, whose payload begins after `skip` bytes.
    fn check(packet: Vec<u8>, skip: usize) -> Result<Self, XdrError> {
        let mut reader = Reader::new(packet.get(skip..).unwrap_or_default());
        // No longer than the message, of which each record takes 28 bytes at least.
        let count = reader.length(DOMAINS_MAX, DOMAIN_BYTES_MIN + 4)?;
        let mut starts = Vec::with_capacity(count);
        for _ in 0..count {
            starts.push(skip + reader.position());
            Record::read(&mut reader)?;
        }
        reader.finish()?;
        Ok(Self { packet, starts })
    }

    /// The number of domains.
    pub const fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no domain at all.
    pub const fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The domains, in the daemon's order.
    pub fn records(&self) -> Records<'_> {
        Records { packet: &self.packet, starts: self.starts.iter() }
    }
}

/// Iterator over the domains of an answer.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    packet: &'a [u8],
    starts: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let mut reader = Reader::new(self.packet.get(*self.starts.next()?..)?);
        // It was read before, and can be read.
        let domain = DomainRef::read(&mut reader).ok()?;
        let parameters = Parameters::begin(&mut reader, PARAMETERS_MAX).ok()?;
        Some(Record { domain, parameters })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.starts.size_hint()
    }
}

impl ExactSizeIterator for Records<'_> {}

/// A domain with its statistics.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The domain.
    pub domain: DomainRef<'a>,
    /// Its statistics.
    pub parameters: Parameters<'a>,
}

impl<'a> Record<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, XdrError> {
        let domain = DomainRef::read(reader)?;
        let parameters = Parameters::read(reader, PARAMETERS_MAX)?;
        Ok(Self { domain, parameters })
    }
}

/// Typed parameters: names with values. An iterator over the bytes of an answer; cloning it is free.
///
/// A name or text that is not UTF-8, which the path of a disk may be, reads as U+FFFD.
#[derive(Debug, Clone)]
pub struct Parameters<'a> {
    reader: Reader<'a>,
    left: usize,
}

impl Default for Parameters<'_> {
    /// None.
    fn default() -> Self {
        Self { reader: Reader::new(&[]), left: 0 }
    }
}

impl<'a> Parameters<'a> {
    /// Keeps the place of parameters that were walked over before.
    fn begin(reader: &mut Reader<'a>, limit: u32) -> Result<Self, XdrError> {
        let left = reader.length(limit, PARAMETER_BYTES_MIN)?;
        Ok(Self { reader: reader.clone(), left })
    }

    /// Walks over parameters and keeps their place.
    pub(crate) fn read(reader: &mut Reader<'a>, limit: u32) -> Result<Self, XdrError> {
        let parameters = Self::begin(reader, limit)?;
        for _ in 0..parameters.left {
            parameter(reader)?;
        }
        Ok(parameters)
    }

    /// The number of those that are left.
    pub const fn len(&self) -> usize {
        self.left
    }

    /// Whether none is left.
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The first of that name. Looks at all before it: whoever needs many goes over them once instead.
    pub fn get(&self, name: &str) -> Option<Value<'a>> {
        self.clone().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The same as a number that is not negative.
    pub fn u64(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    /// The next one as it came: for who goes over thousands of them.
    #[inline]
    pub fn next_raw(&mut self) -> Option<(&'a [u8], RawValue<'a>)> {
        self.left = self.left.checked_sub(1)?;
        // They were walked over before, and can be read.
        parameter(&mut self.reader).ok()
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_raw().map(|(name, value)| (text(name), value.value()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

/// A value as it came, with the number that tells its type: for who goes over thousands of them, and knows what each should
/// be. As words only, which move in registers; a [`Value`] goes by memory.
#[derive(Debug, Clone, Copy)]
pub struct RawValue<'a> {
    kind: u32,
    /// Sign-extended, or as bits.
    number: u64,
    text: &'a [u8],
}

/// The numbers of types (`virTypedParameterType`).
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const UINT: u32 = 2;
    pub(super) const LONG: u32 = 3;
    pub(super) const ULONG: u32 = 4;
    pub(super) const DOUBLE: u32 = 5;
    pub(super) const BOOL: u32 = 6;
    pub(super) const TEXT: u32 = 7;
}

impl<'a> RawValue<'a> {
    const fn number(kind: u32, number: u64) -> Self {
        Self { kind, number, text: &[] }
    }

    /// As [`Value::as_u64`].
    #[inline]
    pub fn as_u64(self) -> Option<u64> {
        let is_number = match self.kind {
            kind::INT | kind::LONG => self.number <= i64::MAX.cast_unsigned(),
            kind::UINT | kind::ULONG => true,
            _ => false,
        };
        is_number.then_some(self.number)
    }

    /// As [`Value::as_i64`].
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        match self.kind {
            kind::INT | kind::LONG => Some(self.number.cast_signed()),
            kind::UINT | kind::ULONG => i64::try_from(self.number).ok(),
            _ => None,
        }
    }

    /// As [`Value::as_text`].
    #[inline]
    pub fn as_text(self) -> Option<&'a str> {
        (self.kind == kind::TEXT).then(|| text(self.text))
    }

    /// The value.
    #[expect(clippy::cast_possible_truncation, reason = "they were no wider before")]
    pub fn value(self) -> Value<'a> {
        match self.kind {
            kind::INT => Value::Int(self.number as i32),
            kind::UINT => Value::UInt(self.number as u32),
            kind::LONG => Value::Long(self.number.cast_signed()),
            kind::ULONG => Value::ULong(self.number),
            kind::DOUBLE => Value::Double(f64::from_bits(self.number)),
            kind::BOOL => Value::Bool(self.number != 0),
            // No other is read.
            _ => Value::Text(text(self.text)),
        }
    }
}

/// A name with a value.
type Named<'a> = (&'a [u8], RawValue<'a>);

/// Reads one without a look at its texts, so that walking over thousands of them costs next to nothing.
#[inline]
fn parameter<'a>(reader: &mut Reader<'a>) -> Result<Named<'a>, XdrError> {
    if let Some((found, rest)) = number(reader.rest()) {
        reader.go_on_at(rest);
        return Ok(found);
    }
    any_parameter(reader)
}

/// One that is a number, as nearly all are, and what is behind it.
#[inline]
fn number(bytes: &[u8]) -> Option<(Named<'_>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = u32::from_be_bytes(*length);
    if length > STRING_MAX {
        return None;
    }
    let length = usize::try_from(length).ok()?;
    let name = rest.get(..length)?;
    let (kind, rest) = rest.get(length.next_multiple_of(WORD)..)?.split_first_chunk()?;
    let kind = u32::from_be_bytes(*kind);
    let (number, rest) = match kind {
        kind::LONG | kind::ULONG => {
            let (value, rest) = rest.split_first_chunk()?;
            (u64::from_be_bytes(*value), rest)
        }
        kind::INT | kind::UINT => {
            let (value, rest) = rest.split_first_chunk()?;
            let value = u32::from_be_bytes(*value);
            let extended = i64::from(value.cast_signed()).cast_unsigned();
            (if kind == kind::INT { extended } else { value.into() }, rest)
        }
        _ => return None,
    };
    Some(((name, RawValue::number(kind, number)), rest))
}

/// Any one, or what is wrong with it.
#[cold]
fn any_parameter<'a>(reader: &mut Reader<'a>) -> Result<Named<'a>, XdrError> {
    let name = reader.bytes(STRING_MAX)?;
    let at = reader.position();
    let kind = reader.u32()?;
    let number = match kind {
        kind::INT => i64::from(reader.i32()?).cast_unsigned(),
        kind::UINT => reader.u32()?.into(),
        kind::LONG | kind::ULONG => reader.u64()?,
        kind::DOUBLE => reader.f64()?.to_bits(),
        kind::BOOL => (reader.i32()? != 0).into(),
        kind::TEXT => return Ok((name, RawValue { kind, number: 0, text: reader.bytes(STRING_MAX)? })),
        // Its length is unknown, and with it the place of everything behind it.
        kind => {
            let value = kind.cast_signed().into();
            return Err(XdrError::Value { at, value, what: "type of a parameter" });
        }
    };
    Ok((name, RawValue::number(kind, number)))
}

/// Paths of files may be anything: one that is no text shall not cost all domains their statistics.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("\u{fffd}")
}

/// The value of a typed parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `int`
    Int(i32),
    /// `unsigned int`
    UInt(u32),
    /// `long long`
    Long(i64),
    /// `unsigned long long`
    ULong(u64),
    /// `double`
    Double(f64),
    /// `boolean`
    Bool(bool),
    /// `string`
    Text(&'a str),
}

impl<'a> Value<'a> {
    /// As a number that is not negative, if it is one.
    pub fn as_u64(self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(value).ok(),
            Self::UInt(value) => Some(value.into()),
            Self::Long(value) => u64::try_from(value).ok(),
            Self::ULong(value) => Some(value),
            Self::Double(_) | Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// As a signed number, if it is one and fits.
    pub fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value.into()),
            Self::UInt(value) => Some(value.into()),
            Self::Long(value) => Some(value),
            Self::ULong(value) => i64::try_from(value).ok(),
            Self::Double(_) | Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// As a text, if it is one.
    pub const fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(value) => Some(value),
            _ => None,
        }
    }
}

/// Takes `net.12.rx.bytes` apart: what is after `prefix.`, the number, the rest.
pub fn indexed<'a>(name: &'a [u8], prefix: &[u8]) -> Option<(u32, &'a [u8])> {
    numbered(name.strip_prefix(prefix)?.strip_prefix(b".")?)
}

/// Takes `12.rx.bytes` apart: the number, the rest.
#[inline]
pub fn numbered(name: &[u8]) -> Option<(u32, &[u8])> {
    // Nearly all have one digit.
    if let [digit @ b'0'..=b'9', b'.', rest @ ..] = name {
        return Some((u32::from(digit - b'0'), rest));
    }
    let mut rest = name;
    let mut number: Option<u32> = None;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'0'..=b'9' => {
                let digit = u32::from(byte - b'0');
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
            }
            b'.' => return Some((number?, rest)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn payload() -> Vec<u8> {
        let mut writer = Writer::new();
        writer.length(2);
        writer.text("a").uuid(&Uuid::from_u128(1)).i32(1).length(7);
        writer.text("state.state").i32(1).i32(-1);
        writer.text("u").i32(2).u32(2);
        writer.text("l").i32(3).i64(-3);
        writer.text("cpu.time").i32(4).u64(4);
        writer.text("d").i32(5).f64(0.5);
        writer.text("b").i32(6).i32(1);
        writer.text("block.0.name").i32(7).text("vda");
        writer.text("b").uuid(&Uuid::from_u128(2)).i32(-1).length(0);
        writer.into_bytes()
    }

    #[test]
    fn records_are_read_in_place() {
        let stats = DomainStats::from_payload(payload()).unwrap();
        assert_eq!(stats.len(), 2);
        let records: Vec<Record<'_>> = stats.records().collect();
        let [first, second] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!(first.domain, DomainRef { name: "a", uuid: Uuid::from_u128(1), id: 1 });
        let values: Vec<Value<'_>> = first.parameters.clone().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Value::Int(-1),
                Value::UInt(2),
                Value::Long(-3),
                Value::ULong(4),
                Value::Double(0.5),
                Value::Bool(true),
                Value::Text("vda"),
            ]
        );
        let mut raw = first.parameters.clone();
        for value in values {
            let (_, found) = raw.next_raw().unwrap();
            assert_eq!(found.value(), value);
            let read = (found.as_u64(), found.as_i64(), found.as_text());
            assert_eq!(read, (value.as_u64(), value.as_i64(), value.as_text()), "{value:?}");
        }
        assert!(raw.next_raw().is_none());
        assert_eq!(first.parameters.u64("cpu.time"), Some(4));
        assert_eq!(first.parameters.u64("state.state"), None);
        assert_eq!(first.parameters.get("block.0.name").and_then(Value::as_text), Some("vda"));
        assert_eq!((second.domain.id, second.parameters.len()), (-1, 0));
        assert!(second.parameters.get("cpu.time").is_none());
    }

    #[test]
    fn cut_and_damaged_answers_are_errors() {
        let bytes = payload();
        for cut in 0..bytes.len() {
            assert!(DomainStats::from_payload(bytes[..cut].to_vec()).is_err(), "{cut}");
        }
        let more = [&bytes[..], &[0; 4]].concat();
        assert!(matches!(DomainStats::from_payload(more), Err(XdrError::Trailing { left: 4 })));
        let mut unknown = Writer::new();
        unknown.length(1).text("a").uuid(&Uuid::nil()).i32(1).length(1).text("x").i32(8).i32(0);
        let error = DomainStats::from_payload(unknown.into_bytes()).unwrap_err();
        assert!(matches!(error, XdrError::Value { value: 8, .. }), "{error}");
    }

    #[test]
    fn a_path_that_is_no_text_costs_nothing_but_itself() {
        let mut writer = Writer::new();
        writer.length(1).text("a").uuid(&Uuid::nil()).i32(1).length(2);
        writer.text("block.0.path").i32(7).bytes(b"/disks/\xff").text("cpu.time").i32(4).u64(4);
        let stats = DomainStats::from_payload(writer.into_bytes()).unwrap();
        let parameters = stats.records().next().unwrap().parameters;
        assert_eq!(parameters.get("block.0.path"), Some(Value::Text("\u{fffd}")));
        assert_eq!(parameters.u64("cpu.time"), Some(4));
    }

    #[test]
    fn names_with_numbers_are_taken_apart() {
        assert_eq!(indexed(b"net.12.rx.bytes", b"net"), Some((12, &b"rx.bytes"[..])));
        assert_eq!(numbered(b"3.rx.bytes"), Some((3, &b"rx.bytes"[..])));
        assert_eq!(numbered(b"x.rx"), None);
        for name in
            ["net.count", "net.x.rx", "net..rx", "net.+1.rx", "net.99999999999.rx", "network.1.rx", "net.1"]
        {
            assert_eq!(indexed(name.as_bytes(), b"net"), None, "{name}");
        }
    }

    #[test]
    fn groups_and_flags_are_combined() {
        let groups = StatsGroups::STATE | StatsGroups::BLOCK;
        assert_eq!(groups.0, 33);
        assert!(groups.contains(StatsGroups::BLOCK) && !groups.contains(StatsGroups::VCPU));
        assert_eq!((DomainFlags::NOWAIT | DomainFlags::ENFORCE_STATS).0, 0xa000_0000);
    }
}
