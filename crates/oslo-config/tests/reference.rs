//! The committed reference pages are what the option tables make.

use nephoscope_oslo_config::{Registry, metric_reference, reference};
use std::path::Path;

const PAGES: [(&str, fn() -> String, fn() -> Registry); 2] = [
    ("configuration.md", reference, Registry::builtin),
    ("metric-configuration.md", metric_reference, Registry::metric),
];

#[test]
fn the_committed_pages_are_up_to_date() {
    for (name, make, _) in PAGES {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
        let committed = std::fs::read_to_string(&page).expect("a committed page");
        assert!(committed == make(), "docs/reference/{name} is out of date: make docs");
    }
}

#[test]
fn every_option_is_in_its_page() {
    for (_, make, registry) in PAGES {
        let made = make();
        for (group, opt) in registry().iter() {
            assert!(made.contains(&format!("\n## [{group}]\n")), "{group}");
            assert!(made.contains(&format!("\n### `{}`\n", opt.name)), "{}", opt.name);
        }
    }
}
