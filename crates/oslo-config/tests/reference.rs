//! The committed reference page is what the option table makes.

use nephoscope_oslo_config::{Registry, reference};
use std::path::Path;

#[test]
fn the_committed_page_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let made = reference();
    if std::env::var_os("NEPHOSCOPE_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(page.parent().expect("parent")).expect("directory");
        std::fs::write(&page, &made).expect("page");
    }
    let committed = std::fs::read_to_string(&page).expect("docs/reference/configuration.md");
    assert!(
        committed == made,
        "docs/reference/configuration.md is out of date: run this test with NEPHOSCOPE_WRITE_DOCS=1"
    );
}

#[test]
fn every_option_is_in_the_page() {
    let made = reference();
    for (group, opt) in Registry::builtin().iter() {
        assert!(made.contains(&format!("\n## [{group}]\n")), "{group}");
        assert!(made.contains(&format!("\n### `{}`\n", opt.name)), "{}", opt.name);
    }
}
