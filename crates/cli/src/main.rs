//! revbench.
fn main() {}
