//! Other processes: this executable again, in one of a few roles, driven through pipes.

use crate::{Exclusive, Shared, long};
use quiescent_core::file_lock::FileLock;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `unshare` is told, before a script: as root of a user namespace, with mounts and process ids of its own.
#[cfg(target_os = "linux")]
pub const APART: [&str; 8] = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c"];

/// A process that plays a role; killed when this is dropped.
pub struct Other {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Other {
    /// Plays `role` with `path`; its parameter is a number.
    pub fn play(role: &str, path: &Path, parameter: u64) -> Other {
        Other::start(&mut Command::new(std::env::current_exe().expect("itself")), role, path, parameter)
    }

    /// The same in the namespaces of its own that [`APART`] has, after the commands of `setup`.
    #[cfg(target_os = "linux")]
    pub fn play_apart(setup: &str, role: &str, path: &Path) -> Other {
        let mut command = Command::new("unshare");
        command.args(APART).arg(format!("{setup} && exec \"$0\" \"$@\""));
        Other::start(command.arg(std::env::current_exe().expect("itself")), role, path, 0)
    }

    fn start(command: &mut Command, role: &str, path: &Path, parameter: u64) -> Other {
        command.args(["--exact", "process::plays_a_role", "--nocapture", "--test-threads=1"]);
        command.env("QZ_ROLE", role).env("QZ_PATH", path).env("QZ_PARAMETER", parameter.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Other { child, out }
    }

    /// The next line that it says for us.
    pub fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).expect("readable") > 0, "it has ended");
            if let Some((_, said)) = line.split_once("@@") {
                return said.trim().to_owned();
            }
        }
    }

    /// Has it go on.
    pub fn go_on(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it is there");
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("it is there");
        self.child.wait().expect("it was there");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn ends(mut self) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("readable");
        assert!(self.child.wait().expect("it was there").success(), "{rest}");
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn say(words: &str) {
    println!("@@{words}");
}

pub fn wait_for_word() {
    let mut one = [0];
    std::io::stdin().read_exact(&mut one).expect("somebody is there");
}

pub fn wall_clock_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_micros()).expect("before the year 500000")
}

/// The other process's own main; a test that passes at once in an ordinary run.
#[test]
fn plays_a_role() {
    let Ok(role) = std::env::var("QZ_ROLE") else { return };
    let path = std::env::var_os("QZ_PATH").expect("given");
    let parameter: u64 = std::env::var("QZ_PARAMETER").expect("given").parse().expect("a number");
    let lock = FileLock::open(&path).expect("a file to lock");
    match role.as_str() {
        // Holds it until told to go on.
        "hold" | "share" => {
            let hold = lock.acquire(if role == "hold" { Exclusive } else { Shared }, long()).expect("locked");
            say("held");
            wait_for_word();
            drop(hold);
            say("released");
        }
        // Holds it by the system alone, and unlocks without closing: nobody is told.
        "hold-open" => {
            use std::os::fd::AsRawFd;
            let file = std::fs::File::open(&path).expect("a file");
            // SAFETY: plain numbers.
            assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }, 0);
            say("held");
            wait_for_word();
            // SAFETY: plain numbers.
            assert_eq!(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) }, 0);
            say("released");
            wait_for_word();
        }
        // Locks it and a new one, and may not write into files from that byte on.
        "limited" => {
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            let before = std::fs::read(&path).expect("a file");
            // SAFETY: `limit` is writable, and readable.
            unsafe {
                assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
                limit.rlim_cur = parameter as libc::rlim_t;
                assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
            }
            for name in ["file", "new"] {
                let lock = FileLock::open(Path::new(&path).with_file_name(name)).expect("a file to lock");
                let hold = lock.acquire(Exclusive, long()).expect("locked");
                let during = std::fs::read(lock.path()).expect("a file");
                assert!(if name == "file" { during == before } else { during.is_empty() }, "a part is written");
                drop(hold);
            }
            say("locked");
        }
        // Counts up in the file beside it, so many times.
        "count" => {
            let counter = Path::new(&path).with_extension("counter");
            for _ in 0..parameter {
                let hold = lock.acquire(Exclusive, long()).expect("locked");
                count_up(&counter);
                drop(hold);
            }
            say("done");
        }
        // The same, and removes the file under its lock each time.
        "remove" => {
            let counter = Path::new(&path).with_extension("counter");
            for _ in 0..parameter {
                let hold = lock.acquire(Exclusive, long()).expect("locked");
                count_up(&counter);
                std::fs::remove_file(&path).expect("it has its name as long as it is locked");
                drop(hold);
            }
            say("done");
        }
        // Counts until it is killed.
        "count-forever" => {
            let counter = Path::new(&path).with_extension("counter");
            say("begun");
            loop {
                let hold = lock.acquire(Exclusive, long()).expect("locked");
                count_up(&counter);
                drop(hold);
            }
        }
        // Takes turns: tells when it had it, and when it let go, in microseconds.
        "relay" => {
            say("ready");
            for _ in 0..parameter {
                wait_for_word();
                let hold = lock.acquire(Exclusive, long()).expect("locked");
                let held = wall_clock_us();
                say(&format!("{held}"));
                wait_for_word();
                let released = wall_clock_us();
                drop(hold);
                say(&format!("{released}"));
            }
        }
        // Waits with as many threads as told, and then tells how much processor time passed in two seconds.
        "wait" => {
            std::thread::scope(|scope| {
                for _ in 0..parameter {
                    let wait = || assert!(lock.acquire(Exclusive, long()).is_ok());
                    std::thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, wait).expect("a thread");
                }
                std::thread::sleep(Duration::from_millis(500));
                let before = processor_time_us();
                std::thread::sleep(Duration::from_secs(2));
                say(&format!("{}", processor_time_us() - before));
            });
        }
        // Tells what came of it on the file system at "mount" beside the file.
        #[cfg(target_os = "linux")]
        "odd" => {
            say(&crate::odd::open_all(path.as_ref()));
            wait_for_word();
        }
        // Waits without being told of anything.
        #[cfg(target_os = "linux")]
        "untold" => {
            assert!(crate::odd::nobody_can_be_told(path.as_ref()), "inotify works");
            say("waits");
            drop(lock.acquire(Exclusive, long()).expect("locked"));
            say(&format!("{}", wall_clock_us()));
        }
        #[cfg(target_os = "linux")]
        "cancel" => {
            say(&crate::waits::cancel(&lock, parameter));
            wait_for_word();
        }
        role => assert!(crate::forks::plays(role, &lock, parameter), "no role: {role}"),
    }
}

fn processor_time_us() -> u64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: written by the call.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0);
        usage.assume_init()
    };
    let us = |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).expect("positive");
    us(usage.ru_utime) + us(usage.ru_stime)
}

/// Whoever is inside says so in a file beside the counter. One that finds another there that is alive is one too many; one that was killed
/// inside leaves it.
fn count_up(counter: &Path) {
    let text = std::fs::read_to_string(counter).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(|number| number.parse::<u64>().expect("a number"));
    let first = numbers.next().unwrap_or(0);
    let next = first + 1;
    let claim = counter.with_extension("inside");
    // Nobody else is inside: it can be made. One that was killed leaves it, with its process id.
    if let Ok(mut file) = std::fs::OpenOptions::new().write(true).create_new(true).open(&claim) {
        write!(file, "{}", std::process::id()).expect("writable");
    } else {
        let owner = std::fs::read_to_string(&claim).expect("readable");
        let is_alive = owner.is_empty() || Path::new("/proc").join(&owner).join("exe").exists() && !is_zombie(&owner);
        assert!(owner.is_empty() || !is_alive, "process {owner} is inside, too");
        std::fs::write(&claim, std::process::id().to_string()).expect("writable");
    }
    let fresh = counter.with_extension("new");
    std::fs::write(&fresh, format!("{next}")).expect("writable");
    std::fs::rename(&fresh, counter).expect("renamed");
    std::fs::remove_file(&claim).expect("removed");
}

fn is_zombie(process: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
