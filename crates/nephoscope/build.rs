//! How the program is linked.
#![allow(clippy::print_stdout, reason = "that is how a build script speaks to Cargo")]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=layout.ld");
    let variable = |key: &str| std::env::var(key).unwrap_or_default();
    let target = |key: &str| variable(&format!("CARGO_CFG_TARGET_{key}"));
    if target("OS") != "linux" || target("ENV") != "gnu" {
        return;
    }
    // A start touches every relocation, and the pages stay in memory: packed, 0.9 MB are 0.02 MB. glibc reads that from
    // 2.36 on, which Debian 12 has.
    println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    // Of a page of code that is used, those around it become resident as well: what a polling agent runs lies side by side.
    // `scripts/layout` writes the list; a linker of any kind takes it, and builds for debugging do without.
    if variable("PROFILE") == "release" {
        let folder = variable("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-T{folder}/layout.ld");
    }
}
