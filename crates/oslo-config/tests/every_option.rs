//! Every option of the table, one by one: its default is read, a valid value is parsed from file, environment
//! and command line and under every former name, an invalid one is refused with its position, a secret is not
//! shown.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use nephoscope_oslo_config::{
    Config, Default, Given, Kind, Loader, Opt, Origin, Override, RefusedValue, Registry, Source, Support,
    Value,
};
use std::path::PathBuf;

const HOST: &str = "host.example";
const PROGRAM: &str = "ceilometer-polling";

struct Desk {
    directory: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("temporary directory") }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("a.conf")
    }

    fn loader() -> Loader {
        let mut loader = Loader::new(PROGRAM);
        loader.default_sources = false;
        HOST.clone_into(&mut loader.host_name);
        loader.processors = 7;
        loader
    }

    fn with_file(&self, text: &str) -> Loader {
        std::fs::write(self.file(), text).expect("file");
        let mut loader = Self::loader();
        loader.sources = vec![Source::File(self.file())];
        loader
    }
}

/// A text that the option takes, and what it becomes; not the default.
fn valid(opt: &Opt) -> (String, Value) {
    let (text, value) = match opt.kind {
        Kind::Str { choices, .. } => {
            let default = match opt.default {
                Default::Str(text) => text,
                _ => "",
            };
            let other = choices.iter().rev().find(|text| **text != default);
            let text = other.or(choices.first()).copied().unwrap_or("qu ite=valid");
            (text.to_owned(), Value::Str(text.to_owned()))
        }
        Kind::Bool => match opt.default {
            Default::Bool(true) => ("off".to_owned(), Value::Bool(false)),
            _ => ("Yes".to_owned(), Value::Bool(true)),
        },
        Kind::Int { min, max } => {
            let number = max.or(min).map_or(-4321, |bound| if max.is_some() { bound } else { bound + 4321 });
            (number.to_string(), Value::Int(number))
        }
        Kind::Float { min, max } => {
            let number = max.or(min.map(|bound| bound + 17.5)).unwrap_or(-2.25);
            (number.to_string(), Value::Float(number))
        }
        Kind::List { .. } => ("one, two".to_owned(), Value::List(vec!["one".to_owned(), "two".to_owned()])),
        Kind::MultiStr => ("one, two".to_owned(), Value::List(vec!["one, two".to_owned()])),
        Kind::HostAddress => ("10.1.2.3".to_owned(), Value::Str("10.1.2.3".to_owned())),
        Kind::Listen => ("[::1]:19701".to_owned(), Value::Str("[::1]:19701".to_owned())),
        other => panic!("no example of {other:?}: add one"),
    };
    (text, value)
}

/// Texts that the option does not take.
fn invalid(opt: &Opt) -> Vec<String> {
    let mut out = vec!["$no_option_of_this_name".to_owned()];
    match opt.kind {
        Kind::Str { choices: [], .. } | Kind::List { .. } | Kind::MultiStr => {}
        Kind::Int { min, max } => {
            out.push("ten".to_owned());
            out.push("1.5".to_owned());
            out.extend(min.map(|min| (min - 1).to_string()));
            out.extend(max.map(|max| (max + 1).to_string()));
        }
        Kind::Float { min, max } => {
            out.push("1,5".to_owned());
            out.extend(min.map(|min| (min - 0.5).to_string()));
            out.extend(max.map(|max| (max + 0.5).to_string()));
        }
        Kind::HostAddress => out.push("not_a_host".to_owned()),
        Kind::Listen => out.extend(["9701", "host:", "host:99999", "under_score:1"].map(str::to_owned)),
        _ => out.push("perhaps".to_owned()),
    }
    for refused in opt.refused {
        out.push(match refused {
            RefusedValue::Scheme { scheme, .. } => format!("{scheme}://somewhere"),
            RefusedValue::Transport { transport, .. } => format!("qemu+{transport}://somewhere"),
        });
    }
    out
}

fn expected_default(opt: &Opt) -> Value {
    match opt.default {
        Default::Null => Value::Null,
        Default::Bool(value) => Value::Bool(value),
        Default::Int(value) => Value::Int(value),
        Default::Float(value) => Value::Float(value),
        Default::Str(value) => Value::Str(value.to_owned()),
        Default::List(items) => Value::List(items.iter().map(|item| (*item).to_owned()).collect()),
        Default::HostName => Value::Str(HOST.to_owned()),
        Default::Program => Value::Str(PROGRAM.to_owned()),
        Default::Processors => Value::Int(7),
        other => panic!("default {other:?}"),
    }
}

fn shown(config: &Config, group: &str, name: &str) -> (Option<String>, Origin) {
    let shown = config.show().find(|shown| shown.group == group && shown.name == name).expect("shown");
    (shown.value, shown.origin.clone())
}

fn all() -> Vec<(String, &'static Opt)> {
    let registry = Registry::builtin();
    let all: Vec<_> = registry.iter().map(|(group, opt)| (group.to_owned(), opt)).collect();
    assert!(all.len() > 400, "the table is whole: {}", all.len());
    all
}

#[test]
fn defaults_are_read() {
    let loaded = Desk::loader().load().expect("nothing to complain about");
    assert_eq!(loaded.warnings, []);
    for (group, opt) in all() {
        assert_eq!(
            loaded.config.value(&group, opt.name),
            Some(&expected_default(opt)),
            "{group}.{}",
            opt.name
        );
        assert_eq!(shown(&loaded.config, &group, opt.name).1, Origin::Default);
    }
}

#[test]
fn valid_values_are_parsed_from_a_file() {
    let desk = Desk::new();
    for (group, opt) in all() {
        let (text, value) = valid(opt);
        let loaded = desk.with_file(&format!("[{group}]\n{} = {text}\n", opt.name)).load();
        let loaded = loaded.unwrap_or_else(|error| panic!("{group}.{}: {error}", opt.name));
        assert_eq!(loaded.config.value(&group, opt.name), Some(&value), "{group}.{}", opt.name);
        let (shown, origin) = shown(&loaded.config, &group, opt.name);
        assert_eq!(origin, Origin::File { path: desk.file(), line: 2, column: 1 });
        if opt.secret {
            assert_eq!(shown.as_deref(), Some("****"), "{group}.{}", opt.name);
        } else {
            assert_eq!(shown, Some(value.to_string()), "{group}.{}", opt.name);
        }
        let warned = loaded.warnings.iter().any(|warning| warning.message.contains(opt.name));
        let expected = matches!(opt.support, Support::NoEffect(_)) || opt.leaving.is_some();
        assert_eq!(warned, expected, "{group}.{}: {:?}", opt.name, loaded.warnings);
    }
}

#[test]
fn valid_values_are_parsed_from_environment_and_command_line() {
    let desk = Desk::new();
    for (group, opt) in all() {
        let (text, value) = valid(opt);
        let variable = format!("OS_{}__{}", group, opt.name).to_uppercase();
        let mut loader = desk.with_file(&format!("[{group}]\n{} = $invalid\n", opt.name));
        loader.env.insert(variable.clone(), text.clone());
        let config = loader.load().unwrap_or_else(|error| panic!("{variable}: {error}")).config;
        assert_eq!(config.value(&group, opt.name), Some(&value), "{variable}");
        assert_eq!(shown(&config, &group, opt.name).1, Origin::Env(variable.clone()));

        loader.env.insert(variable, "$invalid".to_owned());
        let flag = format!("--{}", opt.name);
        loader.overrides.push(Override {
            group: group.clone(),
            name: opt.name.to_owned(),
            given: Given::Text(text),
            flag: flag.clone(),
        });
        let config = loader.load().unwrap_or_else(|error| panic!("{flag}: {error}")).config;
        assert_eq!(config.value(&group, opt.name), Some(&value), "{flag}");
        assert_eq!(shown(&config, &group, opt.name).1, Origin::CommandLine(flag));
    }
}

#[test]
fn former_names_are_read_with_a_warning() {
    let desk = Desk::new();
    let mut seen = 0;
    for (group, opt) in all() {
        for old in opt.deprecated {
            let (old_group, old_name) = (old.group.unwrap_or(&group), old.name.unwrap_or(opt.name));
            let (text, value) = valid(opt);
            let loaded = desk.with_file(&format!("[{old_group}]\n{old_name} = {text}\n")).load();
            let loaded = loaded.unwrap_or_else(|error| panic!("{old_group}.{old_name}: {error}"));
            assert_eq!(loaded.config.value(&group, opt.name), Some(&value), "{old_group}.{old_name}");
            let message = format!("option {old_name} of [{old_group}] is deprecated");
            let warnings = loaded.warnings.iter().filter(|warning| warning.message == message).count();
            assert_eq!(warnings, 1, "{old_group}.{old_name}: {:?}", loaded.warnings);
            assert!(!loaded.warnings.iter().any(|warning| warning.message.starts_with("unknown")));
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn invalid_values_are_refused_with_their_position() {
    let desk = Desk::new();
    for (group, opt) in all() {
        for text in invalid(opt) {
            let loader = desk.with_file(&format!("# line one\n[{group}]\n  \n{} = {text}\n", opt.name));
            let error = loader.load().err().unwrap_or_else(|| panic!("{group}.{} takes {text}", opt.name));
            let [problem] = error.problems.as_slice() else { panic!("one problem: {error}") };
            let origin = Origin::File { path: desk.file(), line: 4, column: 1 };
            assert_eq!(problem.origin, origin, "{group}.{}", opt.name);
            assert!(problem.message.contains(opt.name), "{problem}");
            assert!(problem.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{problem}");
            let start = format!("{}:4:1: ", desk.file().display());
            assert!(problem.to_string().starts_with(&start), "{problem}");
            if opt.secret {
                assert!(!problem.to_string().contains("no_option_of_this_name"), "{problem}");
                assert!(!problem.to_string().contains("somewhere"), "{problem}");
            }
        }
    }
}

#[test]
fn every_option_has_a_help_of_its_own() {
    for (group, opt) in all() {
        let help = opt.help.trim();
        assert!(help.len() > 8 && help.ends_with('.'), "{group}.{}: {help}", opt.name);
    }
}

/// The options of `gnocchi.conf` are a table of their own.
#[test]
fn the_metric_stores_options_are_read_and_refused() {
    let desk = Desk::new();
    let with = |mut loader: Loader| {
        loader.registry = Registry::metric();
        loader
    };
    let defaults = with(Desk::loader()).load().expect("nothing to complain about");
    assert_eq!(defaults.warnings, []);
    for (group, opt) in Registry::metric().iter() {
        let name = format!("{group}.{}", opt.name);
        assert_eq!(defaults.config.value(group, opt.name), Some(&expected_default(opt)), "{name}");
        let (text, value) = valid(opt);
        let loaded = with(desk.with_file(&format!("[{group}]\n{} = {text}\n", opt.name))).load();
        let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(loaded.config.value(group, opt.name), Some(&value), "{name}");
        for text in invalid(opt) {
            let loader = with(desk.with_file(&format!("[{group}]\n{} = {text}\n", opt.name)));
            let error = loader.load().err().unwrap_or_else(|| panic!("{name} takes {text}"));
            assert!(error.to_string().contains(opt.name), "{error}");
        }
        let help = opt.help.trim();
        assert!(help.len() > 8 && help.ends_with('.'), "{name}: {help}");
    }
}

/// `config show` prints these lines; an operator may use them as a file.
#[test]
fn what_is_shown_reads_back_equal() {
    let desk = Desk::new();
    let odd = [" blanks ", "'quoted'", "a$b\\$c", "one\n  two", "\"", "%(asctime)s # not a comment"];
    for odd in odd {
        let mut loader = Desk::loader();
        for (group, opt) in all() {
            let (text, _) = valid(opt);
            let free = matches!(opt.kind, Kind::Str { choices: [], .. } | Kind::MultiStr);
            let text = if free { odd.replace("\n  ", "\n").replace('$', "\\$") } else { text };
            loader.env.insert(format!("OS_{}__{}", group, opt.name).to_uppercase(), text);
        }
        // Groups that an `auth_section` names would come on top.
        loader.env.retain(|name, _| !name.ends_with("__AUTH_SECTION"));
        let first = loader.load().unwrap_or_else(|error| panic!("{odd:?}: {error}")).config;
        let mut written = String::new();
        for shown in first.show() {
            assert!(!shown.assignments.is_empty());
            for line in std::iter::once(&format!("[{}]", shown.group)).chain(&shown.assignments) {
                written.push_str(line);
                written.push('\n');
            }
        }
        let again =
            desk.with_file(&written).load().unwrap_or_else(|error| panic!("{error}:\n{written}")).config;
        for (group, opt) in all().into_iter().filter(|(_, opt)| !opt.secret) {
            assert_eq!(again.value(&group, opt.name), first.value(&group, opt.name), "{group}.{}", opt.name);
        }
    }
}
