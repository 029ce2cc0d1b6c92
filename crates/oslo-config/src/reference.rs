//! The reference page of all options.

use crate::option::{Kind, Opt, RefusedValue, Support};
use crate::options;
use crate::resolve::default_text;
use std::fmt::Write;

const INTRODUCTION: &str = "\
# Configuration options

<!-- Generated from the option table of the crate `nephoscope-oslo-config`; do not edit. -->

Nephoscope reads Ceilometer's configuration files, in the ini form of oslo.config, unchanged. A value is taken
from the command line, else from the environment variable `OS_<GROUP>__<OPTION>`, else from the files, else it is
the default below. Later files win over earlier ones; multi-valued options add up.

`$name`, `${name}` and `${group.name}` are replaced by other options' values; write `$$` for a dollar sign.
Lines that begin with `#` or `;` are comments; a comment cannot follow a value on its line. Lines that begin with
white space continue the value above them.

Where no `--config-file` is given, `ceilometer.conf` and `<program>.conf` are searched in `~/.ceilometer`, `~`,
`/etc/ceilometer` and `/etc`; where no `--config-dir` is given, so are `ceilometer.conf.d` and
`<program>.conf.d`, of which all `*.conf` are read in the order of their names.

An invalid value is an error that names file, line and column. An option that is not listed here is a warning,
unless upstream removed it or its section belongs to another program.
";

const METRIC_INTRODUCTION: &str = "\
# Configuration options of the metric store

<!-- Generated from the option table of the crate `nephoscope-oslo-config`; do not edit. -->

`nephoscope metric` reads Gnocchi's configuration files, unchanged and by the rules of [the other
ones](configuration.md). Where no `--config-file` is given, `gnocchi.conf` and `gnocchi-api.conf` are searched in
`~/.gnocchi`, `~`, `/etc/gnocchi` and `/etc`, and so are `gnocchi.conf.d` and `gnocchi-api.conf.d`.
";

/// The reference of every option in Ceilometer's files, in Markdown.
pub fn reference() -> String {
    page(INTRODUCTION, options::all())
}

/// The reference of every option in Gnocchi's files, in Markdown.
pub fn metric_reference() -> String {
    page(METRIC_INTRODUCTION, options::metric::all())
}

fn page(introduction: &str, options: impl Iterator<Item = &'static Opt>) -> String {
    let mut out = introduction.to_owned();
    let mut seen = std::collections::BTreeSet::new();
    let all: Vec<&Opt> = options.collect();
    for opt in &all {
        if !seen.insert(opt.group) {
            continue;
        }
        let group = opt.group;
        let _ = write!(out, "\n## [{group}]\n");
        if group == "service_credentials" {
            out.push_str(
                "\nThe groups `[gnocchi]` and `[zaqar]`, and each section that an `auth_section` names, take the same options.\n",
            );
        } else if matches!(group, "gnocchi" | "zaqar") {
            out.push_str("\nAlso every option of `[service_credentials]`.\n");
        }
        for opt in all.iter().filter(|opt| opt.group == group) {
            entry(&mut out, opt);
        }
    }
    out
}

fn entry(out: &mut String, opt: &Opt) {
    let _ = write!(out, "\n### `{}`\n\n{}\n\n", opt.name, help(opt));
    let _ = writeln!(out, "- Type: {}{}", opt.kind.name(), bounds(&opt.kind));
    match default_text(opt) {
        None => out.push_str("- Default: unset\n"),
        Some(text) if text.is_empty() => out.push_str("- Default: empty\n"),
        Some(text) => {
            let _ = writeln!(out, "- Default: `{text}`");
        }
    }
    if !opt.default_env.is_empty() {
        let names: Vec<String> = opt.default_env.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(out, "- Default from the environment: {}", names.join(", then "));
    }
    if !opt.deprecated.is_empty() {
        let names: Vec<String> = opt
            .deprecated
            .iter()
            .map(|old| match old.group {
                Some(group) => format!("`[{group}] {}`", old.name.unwrap_or(opt.name)),
                None => format!("`{}`", old.name.unwrap_or(opt.name)),
            })
            .collect();
        let _ = writeln!(out, "- Deprecated names: {}", names.join(", "));
    }
    if opt.secret {
        out.push_str("- Secret: never shown\n");
    }
    for refused in opt.refused {
        let (what, instead) = match refused {
            RefusedValue::Scheme { scheme, instead } => (format!("`{scheme}://`"), instead),
            RefusedValue::Transport { transport, instead } => (format!("`+{transport}://`"), instead),
        };
        let _ = writeln!(out, "- Refused: {what}; {instead}");
    }
    match opt.support {
        Support::Effective => {}
        Support::Later(role) => {
            let _ = writeln!(out, "- Not used yet: it belongs to {role}");
        }
        Support::NoEffect(why) => {
            let _ = writeln!(out, "- No effect: {why}");
        }
    }
    if let Some(why) = opt.leaving {
        let _ = writeln!(out, "- Going to be removed: {why}");
    }
}

fn help(opt: &Opt) -> &str {
    opt.help.trim()
}

fn bounds(kind: &Kind) -> String {
    match kind {
        Kind::Str { choices, .. } if !choices.is_empty() => {
            let choices: Vec<String> = choices
                .iter()
                .map(|choice| if choice.is_empty() { "empty".to_owned() } else { format!("`{choice}`") })
                .collect();
            format!(", one of {}", choices.join(", "))
        }
        Kind::Int { min, max } => range(*min, *max),
        Kind::Float { min, max } => range(*min, *max),
        _ => String::new(),
    }
}

fn range<N: std::fmt::Display>(min: Option<N>, max: Option<N>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(", at least {min}"),
        (None, Some(max)) => format!(", at most {max}"),
        (None, None) => String::new(),
    }
}
