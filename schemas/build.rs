//! A migration that is added or changed is embedded anew.

#[expect(clippy::print_stdout, reason = "so a build script speaks to Cargo")]
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
