//! Generated documents: well-formed ones by construction, and ones put together from scraps.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

/// How many documents of each sort are compared.
const COUNT: usize = 1500;

const SCRAPS: &[&str] = &[
    "a",
    "b",
    "key",
    "12",
    "1:30",
    "~",
    "yes",
    "2001-01-01",
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "?",
    ", ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "\n",
    "\n  ",
    "\n    ",
    "\n ",
    " ",
    "  ",
    "'",
    "\"",
    "'x'",
    "\"y\"",
    "&x ",
    "*x",
    "&y ",
    "*y",
    "!!str ",
    "!!int ",
    "!!set ",
    "!foo ",
    "! ",
    "|\n",
    ">\n",
    "|-\n  ",
    ">+\n  ",
    "# c\n",
    " # c",
    "#",
    "<<: ",
    "=",
    "---\n",
    "--- ",
    "...\n",
    "%YAML 1.1\n",
    "\t",
    "\\",
    "\\n",
    "é",
    "\u{85}",
    "\u{2028}",
    "\r\n",
    "\r",
    "@",
    "`",
    "%",
    "a: b\n",
    "- c\n",
    "x: {",
    "z: [",
    "null",
    "0x1f",
    ".5",
];

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a",
            "bc",
            "~",
            "yes",
            "no",
            "12",
            "014",
            "1_0",
            "0x1f",
            "1:30",
            "1.5",
            ".inf",
            "2001-01-01",
            "'q q'",
            "\"d\\td\"",
            "two words",
            "\"\"",
            "''",
            "!!str 1",
            "x#y",
            "a:b",
            "-1",
            "=",
            "'it''s'",
            "\"\\u00e9\"",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,6}",
        "[0-9._:+-]{1,8}".prop_filter("reads as a plain scalar", |text| {
            !text.starts_with(['-', ':', '.']) && !text.ends_with(':')
        }),
    ]
}

/// A node of a document: a scalar, or a collection of nodes.
#[derive(Debug, Clone)]
enum Tree {
    Scalar(String),
    Seq(bool, Vec<Tree>),
    Map(bool, Vec<(String, Tree)>),
    Literal(bool, Vec<String>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        6 => scalar().prop_map(Tree::Scalar),
        1 => (any::<bool>(), prop::collection::vec("( {0,2}[a-z#:-]{0,5}){0,2}", 1..4))
            .prop_map(|(folded, lines)| Tree::Literal(folded, lines)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (any::<bool>(), prop::collection::vec(inner.clone(), 1..4))
                .prop_map(|(flow, items)| Tree::Seq(flow, items)),
            (any::<bool>(), prop::collection::vec((scalar(), inner), 1..4))
                .prop_map(|(flow, items)| Tree::Map(flow, items)),
        ]
    })
}

impl Tree {
    fn flow(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Literal(_, lines) => format!("{:?}", lines.join(" ")),
            Self::Seq(_, items) => {
                format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", "))
            }
            Self::Map(_, items) => {
                let items: Vec<_> =
                    items.iter().map(|(key, value)| format!("{key}: {}", value.flow())).collect();
                format!("{{{}}}", items.join(", "))
            }
        }
    }

    /// The node after `key:` or `-`, at `indent`.
    fn block(&self, indent: usize) -> String {
        let margin = " ".repeat(indent);
        match self {
            Self::Scalar(text) => format!(" {text}\n"),
            Self::Seq(true, _) | Self::Map(true, _) => format!(" {}\n", self.flow()),
            Self::Literal(folded, lines) => {
                let lines: String = lines.iter().flat_map(|line| [margin.as_str(), line, "\n"]).collect();
                format!(" {}\n{lines}", if *folded { ">" } else { "|" })
            }
            Self::Seq(false, items) => {
                let items: String = items
                    .iter()
                    .flat_map(|item| [margin.clone(), "-".to_owned(), item.block(indent + 2)])
                    .collect();
                format!("\n{items}")
            }
            Self::Map(false, items) => {
                let items: String = items
                    .iter()
                    .flat_map(|(key, value)| [format!("{margin}{key}:"), value.block(indent + 2)])
                    .collect();
                format!("\n{items}")
            }
        }
    }
}

/// How many times as many documents are made: a soak sets `NEPHOSCOPE_ORACLE_FACTOR`, a build does not.
fn factor() -> usize {
    std::env::var("NEPHOSCOPE_ORACLE_FACTOR").map_or(1, |text| text.parse().expect("a number"))
}

/// The documents, always the same ones.
pub(crate) fn documents() -> Vec<String> {
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRunner::deterministic().rng().clone());
    let mut sample = |strategy: BoxedStrategy<String>| -> Vec<String> {
        (0..COUNT * factor()).map(|_| strategy.new_tree(&mut runner).expect("a document").current()).collect()
    };
    let mut documents = sample(tree().prop_map(|tree| format!("---{}", tree.block(0))).boxed());
    documents.extend(sample(
        prop::collection::vec(prop::sample::select(SCRAPS), 1..14).prop_map(|scraps| scraps.concat()).boxed(),
    ));
    documents.extend(sample("[a-c:,\\-?#'\" \\[\\]{}\n&*!|>%@\t~0]{1,16}".boxed()));
    documents
}
