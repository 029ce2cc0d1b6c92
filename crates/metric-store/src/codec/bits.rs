//! Bits, the lowest of each byte first.

/// Collects bits.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    held: u128,
    count: u32,
}

impl BitWriter {
    /// Appends the lowest `width` (64 at most) bits of `bits`.
    pub(crate) fn put(&mut self, bits: u64, width: u32) {
        let bits = if width < 64 { bits & ((1 << width) - 1) } else { bits };
        self.held |= u128::from(bits) << self.count;
        self.count += width;
        if self.count >= 64 {
            self.bytes.extend_from_slice(self.held.to_le_bytes().get(..8).unwrap_or_default());
            self.held >>= 64;
            self.count -= 64;
        }
    }

    /// All of them, filled with zeros to a whole byte.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        let rest = usize::try_from(self.count.div_ceil(8)).unwrap_or_default();
        self.bytes.extend_from_slice(self.held.to_le_bytes().get(..rest).unwrap_or_default());
        self.bytes
    }
}

/// Reads bits.
#[derive(Debug)]
pub(crate) struct BitReader<'b> {
    bytes: &'b [u8],
    held: u128,
    count: u32,
    /// The next byte to hold.
    next: usize,
    /// Bits that were taken.
    taken: usize,
}

impl<'b> BitReader<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, held: 0, count: 0, next: 0, taken: 0 }
    }

    /// The next `width` (64 at most) bits.
    pub(crate) fn take(&mut self, width: u32) -> Option<u64> {
        if self.count < width {
            self.fill(width)?;
        }
        let mask = (1_u128 << width) - 1;
        let bits = u64::try_from(self.held & mask).ok()?;
        self.held >>= width;
        self.count -= width;
        self.taken += usize::try_from(width).ok()?;
        Some(bits)
    }

    /// Holds `width` bits at least; fewer than 64 are held before.
    fn fill(&mut self, width: u32) -> Option<()> {
        if let Some(Ok(eight)) = self.bytes.get(self.next..self.next + 8).map(<[u8; 8]>::try_from) {
            self.held |= u128::from(u64::from_le_bytes(eight)) << self.count;
            self.next += 8;
            self.count += 64;
            return Some(());
        }
        while self.count < width {
            self.held |= u128::from(*self.bytes.get(self.next)?) << self.count;
            self.next += 1;
            self.count += 8;
        }
        Some(())
    }

    /// Bytes of which bits were taken.
    pub(crate) const fn used(&self) -> usize {
        self.taken.div_ceil(8)
    }
}
