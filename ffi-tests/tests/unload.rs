//! Plugins: loaded, used by threads, unloaded, and only then do the threads end. The library pins itself, whether it is
//! linked into the plugin or beside it, so that its thread teardown is still there.

use harness::{Library, Link, Program, run};
use std::process::Command;
use std::time::Duration;

fn load_and_unload(name: &str, link: Link, pinned: impl Fn(&str) -> String) {
    let plugin = Program::c(name).source("ffi-tests/c/plugin.c").flag("-shared").flag("-fPIC").link(link).build();
    let host = Program::c("plugin_host").source("ffi-tests/c/plugin_host.c").link(Link::None).last_flag("-ldl").build();
    let plugin = plugin.to_str().expect("a path of UTF-8");
    let outcome = run(Command::new(host).args([plugin, &pinned(plugin)]), Duration::from_secs(60));
    println!("{}", outcome.stdout);
    outcome.expect_success();
}

#[test]
fn a_plugin_that_the_library_is_linked_into() {
    load_and_unload("plugin_static.so", Link::Static, str::to_owned);
}

#[test]
fn a_plugin_beside_the_shared_library() {
    load_and_unload("plugin_shared.so", Link::Shared, |_| Library::built().soname.clone());
}
