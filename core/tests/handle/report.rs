//! The report of every handle, parsed back.

use super::*;
use quiescent_core::handle::{LifeState, report};

/// A handle's line, and those below it.
#[derive(Debug)]
struct Entry {
    kind: String,
    label: Option<String>,
    state: String,
    age: Duration,
    inside: u32,
    occupants: Vec<String>,
}

/// What the report says of `token`; `None`: nothing. Every line of it must be understood.
fn told(token: Token<Watched>) -> Option<Entry> {
    let mut text = String::new();
    report(&mut text).expect("a String takes everything");
    let (mut found, mut is_ours) = (None, false);
    for line in text.lines() {
        if let Some(occupant) = line.strip_prefix("  ") {
            if let Some(entry) = found.as_mut().filter(|_| is_ours) {
                let Entry { occupants, .. } = entry;
                occupants.push(occupant.to_owned());
            }
            continue;
        }
        let (handle, entry) = parse(line).unwrap_or_else(|| panic!("not understood: {line:?}\n{text}"));
        is_ours = handle == token.into_raw::<u8>().addr();
        if is_ours {
            assert!(found.is_none(), "told twice:\n{text}");
            found = Some(entry);
        }
    }
    assert!(text.is_empty() || text.ends_with('\n'));
    found
}

fn parse(line: &str) -> Option<(usize, Entry)> {
    let (handle, rest) = line.strip_prefix("handle 0x")?.split_once(" of kind '")?;
    let (names, rest) = rest.rsplit_once("': ")?;
    let (kind, label) = names.split_once("', '").map_or((names, None), |(kind, label)| (kind, Some(label.to_owned())));
    let [state, age, inside] = rest.split(", ").collect::<Vec<_>>().try_into().ok()?;
    let entry = Entry {
        kind: kind.to_owned(),
        label,
        state: state.to_owned(),
        age: Duration::from_millis(age.strip_suffix(" ms old")?.parse().ok()?),
        inside: inside.strip_suffix(" inside")?.parse().ok()?,
        occupants: Vec::new(),
    };
    Some((usize::from_str_radix(handle, 16).ok()?, entry))
}

#[test]
fn a_handle_has_a_line_while_it_lives() {
    let (token, _) = open();
    thread::sleep(5 * MS);
    let entry = told(token).expect("alive");
    assert_eq!((entry.kind.as_str(), entry.label, entry.state.as_str(), entry.inside), ("watched", None, "open", 0));
    assert!(entry.age >= 5 * MS && entry.age < LONG && entry.occupants.is_empty(), "{:?}", entry.age);
    token.any().set_label("main").expect("open");
    assert_eq!(told(token).expect("alive").label.as_deref(), Some("main"));
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
    assert!(told(token).is_none());
}

#[test]
fn everybody_inside_has_a_line_below() {
    let (token, _) = open();
    let (other, _) = open();
    let _elsewhere = other.enter(c"somewhere else").expect("open");
    let operation = token.enter(c"query").expect("open");
    let hold = thread::Builder::new().name("the taker".into());
    let hold =
        hold.spawn(move || token.hold(c"transaction").expect("open")).expect("a thread").join().expect("no panic");
    thread::sleep(5 * MS);
    eventually("the taker's record has ended", || {
        told(token).expect("alive").occupants.iter().any(|line| line.ends_with("(that thread has ended)"))
    });
    let entry = told(token).expect("alive");
    assert_eq!((entry.state.as_str(), entry.inside, entry.occupants.len()), ("open", 2, 2));
    let line_of = |what: &str| {
        let lines: Vec<_> = entry.occupants.iter().filter(|line| line.contains(what)).collect();
        assert_eq!(lines.len(), 1, "{what} in {:?}", entry.occupants);
        lines[0].as_str()
    };
    let held = line_of(" 'the taker' in hold 'transaction' for ");
    assert!(held.starts_with("thread ") && held.contains(" ms (that thread has ended)"), "{held}");
    assert!(line_of(" in operation 'query'").ends_with("'query'"), "not known since when, and its thread lives");
    assert_eq!(token.free(Duration::ZERO), Ok(Freed::Pending));
    assert_eq!(told(token).expect("alive").state, "pending");
    thread::sleep(5 * MS);
    let line = &told(token).expect("alive").occupants;
    assert!(line.iter().any(|line| line.contains("'query' for at least ")), "{line:?}");
    drop((operation, hold));
    assert!(told(token).is_none());
}

#[test]
fn every_state_is_told_as_info_does() {
    let (token, _) = open();
    let operation = token.enter(c"slow").expect("open");
    thread::scope(|scope| {
        let free = scope.spawn(|| token.free(LONG));
        eventually("a free waits", || token.is_closing());
        let entry = told(token).expect("alive");
        assert_eq!((entry.state.as_str(), token.any().info().expect("alive").life), ("closing", LifeState::Closing));
        assert!(entry.inside >= 1 && entry.occupants.len() == 1, "a closer may count itself, but is not inside");
        drop(operation);
        assert_eq!(ended(free), Ok(Freed::Destroyed));
    });
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            let mut text = String::new();
            report(&mut text).expect("a String takes everything");
            assert!(text.contains("of kind 'slow to destroy': destroying, "), "{text}");
        }
    }
    handle_type!(Slow, "slow to destroy");
    let slow = Token::open(Slow).expect("a new handle");
    let panics = quiescent_core::handle::hook_panics();
    assert_eq!(slow.free(LONG), Ok(Freed::Destroyed));
    assert_eq!(quiescent_core::handle::hook_panics(), panics, "the claim in the destructor");
}

/// Whatever a name contains, a line is a line.
#[test]
fn names_do_not_break_lines() {
    let (token, _) = open();
    token.any().set_label("two\nlines\r\tand\u{1b}[31m").expect("open");
    let operation = token.enter(c"an\noperation").expect("open");
    let entry = told(token).expect("alive");
    assert_eq!(entry.label.as_deref(), Some("two?lines??and?[31m"));
    assert!(entry.occupants[0].contains("'an?operation'"), "{:?}", entry.occupants);
    drop(operation);
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
}

#[test]
fn a_writer_that_fails_ends_it() {
    struct Failing(usize);
    impl std::fmt::Write for Failing {
        fn write_str(&mut self, _: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(1).expect("written to after it failed");
            if self.0 == 0 { Err(std::fmt::Error) } else { Ok(()) }
        }
    }
    let (token, _) = open();
    let operation = token.enter(c"one").expect("open");
    let hold = token.hold(c"other").expect("open");
    // Wherever it fails, as far as the two lines below this handle's.
    for fails_at in 1..200 {
        let _ = report(&mut Failing(fails_at));
    }
    assert!(report(&mut Failing(1)).is_err());
    drop((operation, hold));
    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
}

/// While four threads open, enter and free, each line is whole.
#[test]
fn it_is_told_while_everything_is_in_motion() {
    let over = std::sync::atomic::AtomicBool::new(false);
    /// Ends the motion, also when a claim fails.
    struct Ending<'o>(&'o std::sync::atomic::AtomicBool);
    impl Drop for Ending<'_> {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    thread::scope(|scope| {
        let ending = Ending(&over);
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let (token, _) = open();
                    token.any().set_label("in motion").expect("open");
                    let hold = token.hold(c"moving").expect("open");
                    drop((token.enter(c"moving").expect("open"), hold));
                    assert_eq!(token.free(LONG), Ok(Freed::Destroyed));
                }
            });
        }
        let (watched, _) = open();
        let operation = watched.enter(c"stays").expect("open");
        let start = Instant::now();
        while start.elapsed() < 200 * MS {
            let entry = told(watched).expect("alive");
            assert_eq!((entry.inside, entry.occupants.len()), (1, 1));
        }
        drop(ending);
        drop(operation);
        assert_eq!(watched.free(LONG), Ok(Freed::Destroyed));
    });
}
