//! What one pending wait takes, each sort in a process of its own: growth of the resident pages, and of the stacks that its
//! threads have in the kernel.

use crate::chapter::{Table, TableRow, number};
use crate::error::Error;
use crate::goal::Goal;
use crate::libraries::{Libraries, Quiescent};
use crate::pages::{kernel_stacks, resident};
use crate::parts::{ask, one_number};
use crate::series::Level;
use crate::subjects::completions::{InC, InTokio};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// So many calls or tasks wait at once.
pub const CALLS: u32 = 100_000;
/// So many threads.
pub const THREADS: u32 = 1000;

/// Bytes of one wait.
pub struct Measured {
    call: f64,
    task: f64,
    thread: f64,
    /// `None`: the kernel does not tell.
    stack: Option<f64>,
}

/// Asks a child for each.
pub fn measure(libraries: &Libraries) -> Result<Measured, Error> {
    let ask = |name: &str| ask(&format!("pending:{name}:{}", libraries.quiescent_path.display()));
    let of_threads = ask("threads")?;
    let mut of_threads = of_threads.split_whitespace();
    let resident = of_threads.next().unwrap_or_default();
    Ok(Measured {
        call: one_number(&ask("calls")?)? / f64::from(CALLS),
        task: one_number(&ask("tasks")?)? / f64::from(CALLS),
        thread: one_number(resident)? / f64::from(THREADS),
        stack: of_threads.next().map(one_number).transpose()?.map(|stacks| stacks / f64::from(THREADS)),
    })
}

impl Measured {
    fn whole_thread(&self) -> f64 {
        self.thread + self.stack.unwrap_or(0.0)
    }

    /// A line for each.
    pub fn table(&self) -> Table {
        let row = |name: &str, ours, resident: f64, stack: Option<f64>| TableRow {
            ours,
            cells: vec![
                name.to_owned(),
                format!("{resident:.0}"),
                stack.map_or_else(|| "unknown".to_owned(), |stack| format!("{stack:.0}")),
                number(self.whole_thread() / (resident + stack.unwrap_or(0.0))),
            ],
        };
        let head = ["", "bytes resident", "bytes of stack in the kernel", "as many in the bytes of a thread"];
        Table {
            title: "Memory of a wait that is pending".to_owned(),
            head: head.map(str::to_owned).to_vec(),
            rows: vec![
                row("a thread, blocked in qz_semaphore_acquire", false, self.thread, self.stack),
                row("tokio task, in acquire", false, self.task, Some(0.0)),
                row("qz_semaphore_acquire_async", true, self.call, Some(0.0)),
            ],
        }
    }

    /// What the project wants.
    pub fn goal(&self) -> Goal {
        Goal::at_least(
            "completions: memory of a blocked thread against that of a pending call",
            20.0,
            "×",
            Some(Level::exactly(self.whole_thread() / self.call)),
        )
    }
}

/// The child: `NAME:PATH`. What waits is not ended but by the end of the process.
pub fn run_child(request: &str) -> Result<(), Error> {
    let (name, path) = request.split_once(':').ok_or_else(|| Error::new("no measurement"))?;
    match name {
        "calls" => calls(Path::new(path)),
        "tasks" => tasks(),
        "threads" => threads(Path::new(path)),
        _ => Err(Error::new(format!("no measurement {name}"))),
    }
}

fn calls(library: &Path) -> Result<(), Error> {
    let in_c = InC::new(&Quiescent::open(library)?, 1);
    in_c.take();
    in_c.submit();
    let before = resident()?;
    (0..CALLS).for_each(|_| in_c.submit());
    println!("{}", resident()?.saturating_sub(before));
    Ok(())
}

fn tasks() -> Result<(), Error> {
    let in_tokio = Box::leak(Box::new(InTokio::new(0)));
    let begun = &*Box::leak(Box::new(AtomicU32::new(0)));
    let semaphore = &*in_tokio.semaphore;
    in_tokio.runtime.block_on(async {
        let wait_for = async |all| {
            while begun.load(Ordering::Relaxed) < all {
                tokio::task::yield_now().await;
            }
        };
        let spawn = || {
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::Relaxed);
                semaphore.acquire().await.expect("it is open").forget();
            })
        };
        drop(spawn());
        wait_for(1).await;
        let before = resident()?;
        (0..CALLS).for_each(|_| drop(spawn()));
        wait_for(CALLS + 1).await;
        println!("{}", resident()?.saturating_sub(before));
        Ok(())
    })
}

fn threads(library: &Path) -> Result<(), Error> {
    let in_c = InC::new(&Quiescent::open(library)?, 1);
    in_c.take();
    let begun = &*Box::leak(Box::new(AtomicU32::new(0)));
    let all_wait = |all| {
        while begun.load(Ordering::Relaxed) < all {
            std::thread::yield_now();
        }
        // From there to its sleep.
        std::thread::sleep(Duration::from_millis(100));
    };
    let spawn = || {
        std::thread::spawn(move || {
            begun.fetch_add(1, Ordering::Relaxed);
            in_c.take();
        })
    };
    drop(spawn());
    all_wait(1);
    let before = (resident()?, kernel_stacks());
    (0..THREADS).for_each(|_| drop(spawn()));
    all_wait(THREADS + 1);
    println!("{}", resident()?.saturating_sub(before.0));
    if let (Some(before), Some(after)) = (before.1, kernel_stacks()) {
        println!("{}", after.saturating_sub(before));
    }
    Ok(())
}
