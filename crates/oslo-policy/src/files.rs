//! [`PolicyFiles`]: the files of an operator, and when they have changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use yaml::{Kind, Node, Span};

use crate::check::Check;
use crate::error::{Error, Place};
use crate::parse;
use crate::policy::{FileRule, Policy, RuleDefault};

/// A larger file is none that somebody has written.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Where policies are looked for: `[oslo_policy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFiles {
    /// `policy_file`, if there is one.
    pub file: Option<PathBuf>,
    /// `policy_dirs`, those that there are. Their files count more than `policy_file`, the last one most.
    pub directories: Vec<PathBuf>,
    /// `policy_default_rule`: the rule that counts where there is none of a name.
    pub default_rule: String,
    /// `enforce_new_defaults`: whether defaults of former versions count no longer.
    pub new_defaults_only: bool,
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The rules.
    pub policy: Policy,
    /// What an operator should know.
    pub warnings: Vec<String>,
    /// How the files were.
    pub stamp: Stamp,
}

/// How files were at a time: names, sizes and times of change. Another one means that something has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl PolicyFiles {
    /// How the files are now.
    pub fn stamp(&self) -> Stamp {
        let files = self.paths().into_iter().filter_map(|path| {
            let known = fs::metadata(&path).ok()?;
            Some((path, known.len(), known.modified().ok()))
        });
        Stamp(files.collect())
    }

    /// Reads the files over a service's defaults. Files that are not there say nothing.
    ///
    /// # Errors
    /// A file or a rule cannot be read.
    pub fn load(&self, defaults: &[RuleDefault]) -> Result<Loaded, Error> {
        // Before they are read: what changes meanwhile is read again.
        let stamp = self.stamp();
        let mut rules = Vec::new();
        let mut warnings = Vec::new();
        for path in self.paths() {
            let Some(text) = read(&path)? else { continue };
            if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
                warnings.push(format!(
                    "{}: policies in JSON are an old form; write YAML (oslopolicy-convert-json-to-yaml does it)",
                    path.display()
                ));
            }
            rules.append(&mut file_rules(&path, &text)?);
        }
        let policy = Policy::merged(defaults, &rules, &self.default_rule, self.new_defaults_only)?;
        for rule in &rules {
            let is_known = defaults.iter().any(|default| {
                default.name == rule.name || default.deprecated.is_some_and(|(former, _)| former == rule.name)
            });
            if !is_known && !policy.is_referred_to(&rule.name) {
                warnings.push(format!(
                    "{}: there is no rule \"{}\", and no other rule refers to it{}",
                    rule.place,
                    rule.name,
                    nearest(&rule.name, defaults)
                ));
            }
        }
        for (name, missing) in policy.undefined() {
            let place =
                rules.iter().rev().find(|rule| rule.name == name).map(|rule| format!("{}: ", rule.place));
            warnings.push(format!(
                "{}rule \"{name}\" refers to \"{missing}\", which does not exist and lets nobody pass",
                place.unwrap_or_default()
            ));
        }
        Ok(Loaded { policy, warnings, stamp })
    }

    /// The files in the order in which they count.
    fn paths(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = self.file.iter().cloned().collect();
        for directory in &self.directories {
            let Ok(entries) = fs::read_dir(directory) else { continue };
            let files = entries.filter_map(|entry| {
                let path = entry.ok()?.path();
                let is_hidden = path.file_name()?.to_string_lossy().starts_with('.');
                (!is_hidden && path.is_file()).then_some(path)
            });
            let mut files: Vec<PathBuf> = files.collect();
            files.sort_unstable();
            paths.append(&mut files);
        }
        paths
    }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    let wrong = |problem: String| Error::Unreadable { file: path.to_owned(), problem };
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
        Ok(known) if known.len() > FILE_BYTES_MAX => {
            return Err(wrong(format!("it is longer than {FILE_BYTES_MAX} bytes")));
        }
        Ok(_) => {}
    }
    fs::read_to_string(path).map(Some).map_err(|error| wrong(error.to_string()))
}

fn file_rules(path: &Path, text: &str) -> Result<Vec<FileRule>, Error> {
    let place = |span: Span| Place { file: path.to_owned(), line: span.line, column: span.column };
    let wrong = |span, problem: &str| Error::File { place: place(span), problem: problem.to_owned() };
    let document = yaml::parse(text).map_err(|error| wrong(error.span, &error.problem))?;
    let entries = match &document.kind {
        Kind::Null => return Ok(Vec::new()),
        Kind::Map(entries) => entries,
        _ => return Err(wrong(document.span, "this is no map of rules; write \"NAME\": \"RULE\"")),
    };
    let mut rules = Vec::with_capacity(entries.len());
    for (name, value) in entries {
        let Some(text) = name.as_str() else {
            return Err(wrong(name.span, "the name of a rule must be a text; write it in quotes"));
        };
        let problem =
            |problem| Error::Rule { place: Some(place(value.span)), rule: text.to_owned(), problem };
        let check = rule(value).map_err(problem)?;
        rules.push(FileRule { name: text.to_owned(), check, place: place(name.span) });
    }
    Ok(rules)
}

fn rule(value: &Node) -> Result<Check, String> {
    const FORM: &str = "a rule is a text, such as \"role:admin\", or a list of lists of such checks";
    match &value.kind {
        // Nothing is written, so nothing is demanded.
        Kind::Null => Ok(Check::True),
        Kind::Str(text) => parse::text(text),
        Kind::Seq(items) => {
            let mut alternatives = Vec::with_capacity(items.len());
            for item in items {
                let text = |node: &'_ Node| node.as_str().map(str::to_owned);
                let parts: Option<Vec<String>> = match &item.kind {
                    Kind::Str(one) if one.is_empty() => Some(Vec::new()),
                    Kind::Str(one) => Some(vec![one.clone()]),
                    Kind::Null => Some(Vec::new()),
                    Kind::Seq(parts) => parts.iter().map(text).collect(),
                    _ => None,
                };
                alternatives.push(parts.ok_or(FORM)?);
            }
            let borrowed: Vec<Vec<&str>> =
                alternatives.iter().map(|parts| parts.iter().map(String::as_str).collect()).collect();
            parse::list(&borrowed)
        }
        _ => Err(FORM.to_owned()),
    }
}

/// The default whose name has most words in common with this one.
fn nearest(name: &str, defaults: &[RuleDefault]) -> String {
    let split = |text: &str| -> Vec<String> {
        let words = text.split(|character: char| !character.is_alphanumeric());
        words.map(|word| word.trim_end_matches('s').to_lowercase()).filter(|word| !word.is_empty()).collect()
    };
    let own = split(name);
    let shared = |default: &RuleDefault| {
        let words = split(default.name);
        own.iter().filter(|word| words.contains(word)).count() * 100 / own.len().max(words.len()).max(1)
    };
    let best = defaults.iter().max_by_key(|default| shared(default)).filter(|best| shared(best) >= 50);
    best.map(|best| format!("; did you mean \"{}\"?", best.name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Credentials;

    const DEFAULTS: [RuleDefault; 2] =
        [RuleDefault::new("get metric", "role:admin"), RuleDefault::new("list metric", "rule:gone")];

    fn files(directory: &Path) -> PolicyFiles {
        PolicyFiles {
            file: Some(directory.join("policy.yaml")),
            directories: vec![directory.join("policy.d")],
            default_rule: "default".to_owned(),
            new_defaults_only: true,
        }
    }

    #[test]
    fn later_files_count_more_and_changes_show() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        let allows = |loaded: &Loaded| loaded.policy.allows("get metric", &(), &Credentials::default());
        let nothing = files.load(&DEFAULTS).unwrap();
        assert!(!allows(&nothing) && nothing.warnings.len() == 1, "{:?}", nothing.warnings);
        fs::write(directory.path().join("policy.yaml"), "'get metric': '@'\n'list metric': ''\n").unwrap();
        assert_ne!(files.stamp(), nothing.stamp);
        let one = files.load(&DEFAULTS).unwrap();
        assert!(allows(&one) && files.stamp() == one.stamp);
        fs::create_dir(directory.path().join("policy.d")).unwrap();
        for (name, rule) in [("b.json", "@"), ("a.yaml", "!"), (".c.yaml", "!")] {
            fs::write(
                directory.path().join("policy.d").join(name),
                format!("{{\"get metric\": \"{rule}\"}}"),
            )
            .unwrap();
        }
        let more = files.load(&DEFAULTS).unwrap();
        assert!(allows(&more) && more.stamp != one.stamp);
        assert!(more.warnings.iter().any(|warning| warning.contains("old form")), "{:?}", more.warnings);
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path());
        let load = |text: &str| {
            fs::write(directory.path().join("policy.yaml"), text).unwrap();
            files.load(&DEFAULTS)
        };
        for (text, expected) in [
            (
                "a: role:x and\n",
                "policy.yaml:1:4: rule \"a\": at character 11 of the rule: a check is missing",
            ),
            ("\na: 5\n", "policy.yaml:2:4: rule \"a\": a rule is a text"),
            ("- a\n", "policy.yaml:1:1: this is no map of rules"),
            ("5: ''\n", "policy.yaml:1:1: the name of a rule must be a text"),
            ("a: [\n", "policy.yaml:2:1: "),
            ("a: rule:b\nb: rule:a\n", "policy.yaml:1:1: rule \"a\": it refers to itself"),
        ] {
            let error = load(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let warned = load("get_metrics: ''\nhelper: ''\n'get metric': rule:helper or rule:gone\n").unwrap();
        let warnings = warned.warnings.join("\n");
        assert!(warnings.contains("1:1: there is no rule \"get_metrics\""), "{warnings}");
        assert!(warnings.contains("did you mean \"get metric\"?"), "{warnings}");
        assert!(warnings.contains("3:1: rule \"get metric\" refers to \"gone\""), "{warnings}");
        assert!(!warnings.contains("\"helper\""), "{warnings}");
    }
}
