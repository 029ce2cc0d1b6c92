//! What the example programs share: arguments, and the process's use of CPU and memory.

use std::time::Duration;

/// `--name value` pairs.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    pub(crate) fn read() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    pub(crate) fn text(&self, name: &str, default: &str) -> String {
        let value = self.0.iter().position(|argument| argument == name).and_then(|at| self.0.get(at + 1));
        value.map_or_else(|| default.to_owned(), Clone::clone)
    }

    pub(crate) fn number(&self, name: &str, default: u64) -> u64 {
        self.text(name, "").parse().unwrap_or(default)
    }

    #[allow(dead_code, reason = "not every example takes a list")]
    pub(crate) fn list(&self, name: &str, default: &str) -> Vec<String> {
        self.text(name, default).split(',').map(str::to_owned).collect()
    }
}

/// CPU time of this process at some moment.
pub(crate) struct Usage {
    cpu: Duration,
}

impl Usage {
    pub(crate) fn now() -> std::io::Result<Self> {
        Ok(Self { cpu: cpu()? })
    }

    /// One line, `key=value`, with what was used since.
    #[allow(dead_code, reason = "not every example measures in one go")]
    pub(crate) fn print(
        &self,
        name: &str,
        messages: u64,
        bytes: u64,
        elapsed: Duration,
    ) -> std::io::Result<()> {
        print(name, messages, bytes, elapsed, self.since()?)
    }

    /// What was used since.
    pub(crate) fn since(&self) -> std::io::Result<Duration> {
        Ok(cpu()?.saturating_sub(self.cpu))
    }
}

/// One line, `key=value`, about a run that used that much CPU time.
pub(crate) fn print(
    name: &str,
    messages: u64,
    bytes: u64,
    elapsed: Duration,
    cpu: Duration,
) -> std::io::Result<()> {
    let (cpu, seconds) = (cpu.as_secs_f64(), elapsed.as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "figures to be printed")]
    let (rate, micros) = (messages as f64 / seconds, cpu * 1e6 / messages.max(1) as f64);
    println!(
        "{name} messages={messages} bytes={bytes} seconds={seconds:.3} rate={rate:.0} cpu_seconds={cpu:.3} \
         cpu_micros_per_message={micros:.2} peak_kib={}",
        peak_kib()?
    );
    Ok(())
}

fn cpu() -> std::io::Result<Duration> {
    // utime and stime are the 14th and 15th fields; the name before them may hold blanks.
    const TICKS_PER_SECOND: u32 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u32 = fields.skip(11).take(2).filter_map(|field| field.parse::<u32>().ok()).sum();
    Ok(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

/// Highest resident memory so far (`VmHWM`), in KiB.
fn peak_kib() -> std::io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0))
}
