//! House gates and generated references.
fn main() {}
