//! What `examples/waits_on_tokio.rs` does.

#[path = "../../examples/waits_on_tokio.rs"]
mod waits_on_tokio;

#[test]
fn all_clients_are_served_on_one_thread() {
    let answer = crate::in_time(|| waits_on_tokio::run().map_err(|error| error.to_string()));
    // What the library makes of each number.
    let of = |number: u64| (1..=1000).fold(number, |result, round| result.wrapping_mul(31).wrapping_add(round));
    let sum = (0..300).map(of).fold(0, u64::wrapping_add);
    assert_eq!(answer, Ok((300, sum)));
}
