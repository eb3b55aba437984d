//! Another library made with Rust, in the program of two_rust_libraries.c: with threads, a panic and allocations of its own.

use std::collections::HashMap;
use std::{panic, thread};

/// 1 + … + (n - 1), found out on a thread, and 1000 for a panic that was caught.
#[unsafe(no_mangle)]
pub extern "C" fn other_sum(n: u32) -> u32 {
    let texts: HashMap<u32, String> = (0..n).map(|i| (i, i.to_string())).collect();
    panic::set_hook(Box::new(|_| {}));
    let caught = panic::catch_unwind(|| assert_eq!(n, 0));
    let sum = thread::spawn(move || texts.values().filter_map(|text| text.parse::<u32>().ok()).sum::<u32>()).join();
    sum.unwrap_or_default() + if caught.is_err() { 1000 } else { 0 }
}
