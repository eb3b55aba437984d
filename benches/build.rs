//! Compiles the loops of the C caller, and says where cargo and rustc are.

fn main() {
    println!("cargo::rerun-if-changed=c/repeat.c");
    cc::Build::new().file("c/repeat.c").opt_level(2).warnings_into_errors(true).compile("repeat");
}
