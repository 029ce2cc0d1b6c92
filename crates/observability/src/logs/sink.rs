//! The destinations of the lines.

use std::io;

use super::file::FileSink;
use super::journal::{JournalSink, stderr_is_journal};
use super::options::{LogFormat, LogOptions};
use super::record::Record;
use super::stream::{self, StreamSink};
use super::syslog::SyslogSink;
use super::template::{RESET, Surroundings, Template, check_date, color};
use super::{LineLoss, LogError, json};
use crate::clock::Clock;

/// How records become lines.
#[derive(Debug)]
pub(super) struct Formats {
    pub(super) around: Surroundings,
    line: Template,
    context_line: Template,
    debug_suffix: Option<Template>,
    json: bool,
    color: bool,
}

impl Formats {
    pub(super) fn compile(options: &LogOptions) -> Result<Self, LogError> {
        let compile = |option: &'static str, format: &str| {
            Template::parse(format).map_err(|source| LogError::Format { option, source })
        };
        check_date(&options.date_format)
            .map_err(|source| LogError::Format { option: "log_date_format", source })?;
        let suffix = &options.debug_suffix;
        Ok(Self {
            around: Surroundings {
                process: std::process::id(),
                program: options.program.clone(),
                hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                date_format: options.date_format.clone(),
            },
            line: compile("logging_default_format_string", &options.line)?,
            context_line: compile("logging_context_format_string", &options.context_line)?,
            debug_suffix: if suffix.is_empty() {
                None
            } else {
                Some(compile("logging_debug_format_suffix", suffix)?)
            },
            json: options.format == LogFormat::Json,
            color: options.color,
        })
    }

    /// The record as one line without its end.
    fn text(&self, record: &Record) -> String {
        let mut out = String::with_capacity(160);
        let template = if record.request_id.is_some() { &self.context_line } else { &self.line };
        template.render(&mut out, record, &self.around);
        if let Some(suffix) = &self.debug_suffix
            && record.level_number() <= 10
        {
            out.push(' ');
            suffix.render(&mut out, record, &self.around);
        }
        out
    }

    fn line(&self, record: &Record) -> String {
        let mut line = if self.json { json::render(record, &self.around) } else { self.text(record) };
        line.push('\n');
        line
    }

    fn colored_line(&self, record: &Record) -> String {
        // A format with its own %(color)s says where it wants the colour.
        let own = self.line.uses("color") || self.context_line.uses("color");
        if !self.color || self.json || own {
            return self.line(record);
        }
        format!("{}{}{RESET}\n", color(record), self.text(record))
    }
}

/// All destinations that are open.
#[derive(Debug)]
pub(super) struct Sinks {
    stderr: Option<StreamSink<io::Stderr>>,
    file: Option<FileSink>,
    journal: Option<JournalSink>,
    syslog: Option<SyslogSink>,
    /// The journal was wanted and is not there; to be said once logging works.
    pub(super) fallback: Option<String>,
}

impl Sinks {
    pub(super) fn open(options: &LogOptions, clock: &Clock) -> Result<Self, LogError> {
        let mut fallback = None;
        let mut journal = None;
        let file_wanted = options.file.is_some();
        // Instead of stderr: only where stderr would have been used.
        let would_use_stderr = options.use_stderr || (!file_wanted && !options.use_journal);
        let stderr_becomes_journal = would_use_stderr
            && match options.format {
                LogFormat::Journald => true,
                LogFormat::Auto => stderr_is_journal(options.journal_stream.as_deref()),
                LogFormat::Text | LogFormat::Json => false,
            };
        if options.use_journal || stderr_becomes_journal {
            if options.journal_socket.exists() {
                let opened = JournalSink::open(&options.journal_socket, options.facility);
                journal = Some(opened.map_err(|(path, source)| LogError::Socket { path, source })?);
            } else {
                fallback = Some(format!("no journal at {}", options.journal_socket.display()));
            }
        }
        let stderr = (would_use_stderr && !stderr_becomes_journal)
            || (journal.is_none() && !file_wanted)
            || (stderr_becomes_journal && journal.is_none());
        let file = options.file.as_deref().map(|path| {
            let zone = options.time_zone.clone();
            FileSink::open(path, options.rotation, options.max_files, zone, clock.now())
                .map_err(|source| LogError::File { path: path.to_owned(), source })
        });
        let syslog = options.use_syslog.then(|| {
            SyslogSink::open(&options.syslog_socket, options.facility)
                .map_err(|(path, source)| LogError::Socket { path, source })
        });
        Ok(Self {
            stderr: stderr.then(stream::stderr),
            file: file.transpose()?,
            journal,
            syslog: syslog.transpose()?,
            fallback,
        })
    }

    /// Writes one record everywhere, and tells of each destination that did not take it.
    pub(super) fn write(&mut self, record: &Record, formats: &Formats, mut lost: impl FnMut(LineLoss)) {
        let mut note = |written: Result<(), LineLoss>| {
            if let Err(loss) = written {
                lost(loss);
            }
        };
        if let Some(stderr) = &mut self.stderr {
            note(stderr.write(formats.colored_line(record).as_bytes()));
        }
        if let Some(file) = &mut self.file {
            note(file.write(formats.line(record).as_bytes(), record.time));
        }
        if let Some(journal) = &mut self.journal {
            note(journal.write(record, &formats.around));
        }
        if let Some(syslog) = &mut self.syslog {
            note(syslog.write(record, &formats.text(record), &formats.around));
        }
    }

    pub(super) fn reopen(&mut self, clock: &Clock) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.reopen(clock.now()))
    }
}
