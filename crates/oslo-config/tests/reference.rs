//! The committed reference pages are what the option tables make.

use nephoscope_oslo_config::{Registry, metric_reference, reference};
use std::path::Path;

struct Page {
    name: &'static str,
    make: fn() -> String,
    registry: fn() -> Registry,
}

const PAGES: [Page; 2] = [
    Page { name: "configuration.md", make: reference, registry: Registry::builtin },
    Page { name: "metric-configuration.md", make: metric_reference, registry: Registry::metric },
];

#[test]
fn the_committed_pages_are_up_to_date() {
    for Page { name, make, .. } in PAGES {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
        let committed = std::fs::read_to_string(&page).expect("a committed page");
        assert!(committed == make(), "docs/reference/{name} is out of date: make docs");
    }
}

#[test]
fn every_option_is_in_its_page() {
    for Page { make, registry, .. } in PAGES {
        // Credentials are described once, whatever their section is.
        let made = make() + &reference();
        for (group, opt) in registry().iter() {
            assert!(made.contains(&format!("\n## [{group}]\n")), "{group}");
            assert!(made.contains(&format!("\n### `{}`\n", opt.name)), "{}", opt.name);
        }
    }
}
