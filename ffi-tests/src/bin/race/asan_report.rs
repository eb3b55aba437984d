//! What is worth reading in a report of `AddressSanitizer`: what was touched, by whom, and who had freed it.

use std::fmt;

/// One frame of a stack: function, file (without its directories) and line.
struct Frame<'a> {
    function: &'a str,
    place: &'a str,
}

/// A stack with the line above it.
struct Stack<'a> {
    /// Such as `T7`.
    thread: &'a str,
    frames: Vec<Frame<'a>>,
}

/// A report, cut to the essential.
pub(crate) struct AsanReport<'a> {
    /// Such as `heap-use-after-free`.
    defect: &'a str,
    /// Such as `READ of size 1`.
    access: &'a str,
    user: Stack<'a>,
    freer: Option<Stack<'a>>,
}

impl<'a> AsanReport<'a> {
    /// The report in what a program printed, if there is one.
    pub(crate) fn find(printed: &'a str) -> Option<Self> {
        let (_, report) = printed.split_once("ERROR: AddressSanitizer: ")?;
        let (headline, body) = report.split_once('\n')?;
        let defect = headline.split(" on ").next()?.split(':').next()?.trim();
        let mut lines = body.lines();
        // A wild pointer or a double free has no such line: then the headline says it all.
        let access_line = lines.clone().next().filter(|line| line.contains(" of size ")).unwrap_or(headline);
        let access = access_line.split(" at ").next()?;
        let user = Stack { thread: thread(access_line), frames: frames(&mut lines) };
        let freer = body.split_once("freed by thread ").map(|(_, rest)| {
            let mut lines = rest.lines();
            Stack { thread: thread(rest.lines().next().unwrap_or_default()), frames: frames(&mut lines) }
        });
        Some(Self { defect, access, user, freer })
    }

    fn sentence(&self) -> String {
        let user = self.user.role();
        let what = format!("{}, was in {}", self.user.thread, self.user.sqlite_call());
        match &self.freer {
            None => format!("A {user}, {what} on a connection that was closed meanwhile."),
            Some(freer) if freer.thread == self.user.thread => {
                format!("A {user}, {what} on a connection that it had closed itself.")
            }
            Some(freer) => {
                let role = freer.role();
                let article = if role == user { "another" } else { "a" };
                format!("A {user}, {what} on a connection that {article} {role}, {}, had closed.", freer.thread)
            }
        }
    }
}

impl Stack<'_> {
    /// What kind of thread this is: the function it started with.
    fn role(&self) -> &str {
        let first = self.frames.iter().rev().find(|frame| frame.place.starts_with("sqlite_race_threads.c"));
        first.map_or("user", |frame| frame.function)
    }

    /// The function of `SQLite` that the program called.
    fn sqlite_call(&self) -> &str {
        let outermost = self.frames.iter().rev().find(|frame| frame.place.starts_with("sqlite3.c"));
        outermost.map_or("a call", |frame| frame.function)
    }
}

impl fmt::Display for AsanReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.defect)?;
        writeln!(f, "  {} by thread {}", self.access, self.user.thread)?;
        write!(f, "{}", self.user)?;
        if let Some(freer) = &self.freer {
            writeln!(f, "  freed by thread {}", freer.thread)?;
            write!(f, "{freer}")?;
        }
        write!(f, "\n{}", self.sentence())
    }
}

impl fmt::Display for Stack<'_> {
    /// Of the frames inside `SQLite`, the innermost and the outermost are enough.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inside = self.frames.iter().take_while(|frame| frame.place.starts_with("sqlite3.c")).count();
        for (index, frame) in self.frames.iter().enumerate() {
            if index == 0 || index + 1 >= inside {
                writeln!(f, "    {:<24} {}", frame.function, frame.place)?;
            } else if index == 1 {
                writeln!(f, "    ... {} more in SQLite", inside - 2)?;
            }
        }
        Ok(())
    }
}

/// `T7` in `READ of size 1 at 0x61 thread T7`, or in `T7 here:`.
fn thread(line: &str) -> &str {
    let name = line.rsplit_once("thread ").map_or(line, |(_, name)| name);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    &name[..end]
}

/// The frames of the next stack, less those of the sanitizer and of libc.
fn frames<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<Frame<'a>> {
    let stack = lines.skip_while(|line| !line.trim_start().starts_with('#'));
    let stack = stack.take_while(|line| line.trim_start().starts_with('#'));
    stack.filter_map(frame).filter(|frame| frame.place.starts_with("sqlite")).collect()
}

/// `    #1 0x56453dd338df in sqlite3_step /somewhere/sqlite3.c:146539`
fn frame(line: &str) -> Option<Frame<'_>> {
    let (_, frame) = line.split_once(" in ")?;
    let (function, path) = frame.split_once(' ')?;
    Some(Frame { function, place: path.rsplit('/').next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
==9==ERROR: AddressSanitizer: heap-use-after-free on address 0x61 at pc 0x56 bp 0x7f sp 0x7e
READ of size 1 at 0x6180000014f9 thread T7
    #0 0x56453dc3e721 in sqlite3SafetyCheckOk /a/b/sqlite3.c:37420
    #1 0x56453dd338df in sqlite3LockAndPrepare /a/b/sqlite3.c:146539
    #2 0x56453dd33fbc in sqlite3_prepare_v2 /a/b/sqlite3.c:146637
    #3 0x56453dbb0ccb in reader /c/sqlite_race_threads.c:288
    #4 0x7f74556a71f4 in start_thread nptl/pthread_create.c:442

0x6180000014f9 is located 121 bytes inside of 800-byte region [0x618000001480,0x6180000017a0)
freed by thread T3 here:
    #0 0x7f74558b76a8 in __interceptor_free /x/asan_malloc_linux.cpp:52
    #1 0x56453dccaa54 in sqlite3_close /a/b/sqlite3.c:186256
    #2 0x56453dbb0c06 in closer /c/sqlite_race_threads.c:348
    #3 0x7f74556a71f4 in start_thread nptl/pthread_create.c:442
";

    #[test]
    fn a_use_after_free_is_told_with_both_threads() {
        let report = AsanReport::find(REPORT).expect("a report").to_string();
        let expected = "\
heap-use-after-free

  READ of size 1 by thread T7
    sqlite3SafetyCheckOk     sqlite3.c:37420
    ... 1 more in SQLite
    sqlite3_prepare_v2       sqlite3.c:146637
    reader                   sqlite_race_threads.c:288
  freed by thread T3
    sqlite3_close            sqlite3.c:186256
    closer                   sqlite_race_threads.c:348

A reader, T7, was in sqlite3_prepare_v2 on a connection that a closer, T3, had closed.";
        assert_eq!(report, expected);
    }

    #[test]
    fn a_wild_pointer_has_no_freer() {
        let report = "==9==ERROR: AddressSanitizer: SEGV on unknown address 0x0 (pc 0x1 bp 0x2 sp 0x3 T4)\n\
                      ==9==The signal is caused by a READ memory access.\n    #0 0x1 in sqlite3_step /a/sqlite3.c:7\n";
        let report = AsanReport::find(report).expect("a report");
        assert_eq!((report.defect, report.user.sqlite_call()), ("SEGV", "sqlite3_step"));
        assert!(report.freer.is_none());
    }

    #[test]
    fn no_report_in_other_output() {
        assert!(AsanReport::find("all 24 claims hold\n").is_none());
    }
}
