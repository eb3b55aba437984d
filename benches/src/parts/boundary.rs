//! The same through shared libraries: called from Rust, from C, and from Python.

use super::Extent;
use crate::chapter::{
    Chapter, Figure, FigureRow, OURS_IS_BLUE, Table, TableRow, few_samples, median_rows, medians, number,
};
use crate::error::Error;
use crate::goal::Goal;
use crate::libraries::{Enter, Libraries, Operation};
use crate::python;
use crate::rounds::{Company, measure as measure_rounds};
use crate::series::{Series, ratio};
use crate::subject::{Role, Subject, counted};
use std::ffi::c_void;
use std::ptr;

unsafe extern "C" {
    fn repeat_operation(operation: Operation, object: *mut c_void, calls: u32);
    fn repeat_pair(enter: Enter, leave: Operation, handle: *mut c_void, kind: *mut c_void, calls: u32) -> u64;
}

const COMPANIES: [Company; 3] = [Company::Alone, Company::OnOneObject, Company::EachOwnObject];
const COMPANY_NAMES: [&str; 3] = ["one thread", "two threads, one object", "two threads, each its own object"];

/// Two objects of each sort, for foreign code: addresses, or tokens that are never looked into.
struct Objects {
    plain: [Foreign; 2],
    tokens: [Foreign; 2],
    handles: [Foreign; 2],
    kind: Foreign,
}

#[derive(Clone, Copy)]
struct Foreign(*mut c_void);
// SAFETY: an address that both threads may use, or a token.
unsafe impl Sync for Foreign {}
// SAFETY: as above.
unsafe impl Send for Foreign {}

impl Foreign {
    fn get(&self) -> *mut c_void {
        self.0
    }
}

fn opened(name: &str, open: impl FnOnce(&mut *mut c_void) -> i32) -> Result<Foreign, Error> {
    let mut out = ptr::null_mut();
    match open(&mut out) {
        0 => Ok(Foreign(out)),
        status => Err(Error::new(format!("{name} answered {status}"))),
    }
}

impl Objects {
    fn open(libraries: &Libraries) -> Result<Objects, Error> {
        let (author, quiescent) = (libraries.author, libraries.quiescent);
        // SAFETY: needs nothing.
        let plain = || Foreign(unsafe { (author.plain_new)() });
        // SAFETY: `out` is writable.
        let token = || opened("bench_new", |out| unsafe { (author.new)(out) });
        // SAFETY: the name is a C string, the kind has no callbacks, `out` is writable.
        let kind =
            opened("qz_kind_new", |out| unsafe { (quiescent.kind_new)(c"measured".as_ptr(), ptr::null(), out) })?;
        // SAFETY: `out` is writable; the object is not freed as long as the process lives.
        let handle =
            || opened("qz_handle_new", |out| unsafe { (quiescent.handle_new)(kind.get(), plain().get(), out) });
        Ok(Objects { plain: [plain(), plain()], tokens: [token()?, token()?], handles: [handle()?, handle()?], kind })
    }
}

fn from_rust(libraries: &Libraries, objects: &Objects) -> Vec<Box<dyn Subject>> {
    let (author, quiescent) = (libraries.author, libraries.quiescent);
    let Objects { plain, tokens, handles, kind } = *objects;
    let repeat = |operation: Operation, objects: [Foreign; 2]| {
        move |object: usize, calls: u32| {
            for _ in 0..calls {
                // SAFETY: an object of the library whose operation this is.
                unsafe { operation(objects[object].get()) };
            }
        }
    };
    let pair = move |object: usize, calls: u32| {
        for _ in 0..calls {
            let mut entered: *mut c_void = ptr::null_mut();
            let handle = handles[object].get();
            // SAFETY: a handle of that kind, whose object is a number; entered before it is left.
            unsafe {
                assert_eq!((quiescent.enter)(handle, kind.get(), c"measured".as_ptr(), &mut entered), 0);
                entered.cast::<u64>().read_volatile();
                (quiescent.leave)(handle);
            }
        }
    };
    vec![
        Box::new(counted("unguarded call", Role::Baseline, repeat(author.plain, plain))),
        Box::new(counted("operation by token", Role::Ours, repeat(author.op, tokens))),
        Box::new(counted("qz_handle_enter + leave", Role::Ours, pair)),
    ]
}

fn from_c(libraries: &Libraries, objects: &Objects) -> Vec<Box<dyn Subject>> {
    let (author, quiescent) = (libraries.author, libraries.quiescent);
    let Objects { plain, tokens, handles, kind } = *objects;
    let repeat = |operation: Operation, objects: [Foreign; 2]| {
        // SAFETY: an object of the library whose operation this is.
        move |object: usize, calls: u32| unsafe { repeat_operation(operation, objects[object].get(), calls) }
    };
    let pair = move |object: usize, calls: u32| {
        // SAFETY: a handle of that kind, whose object is a number.
        unsafe { repeat_pair(quiescent.enter, quiescent.leave, handles[object].get(), kind.get(), calls) };
    };
    vec![
        Box::new(counted("unguarded call", Role::Baseline, repeat(author.plain, plain))),
        Box::new(counted("operation by token", Role::Ours, repeat(author.op, tokens))),
        Box::new(counted("qz_handle_enter + leave", Role::Ours, pair)),
    ]
}

pub fn measure(extent: Extent) -> Result<Chapter, Error> {
    let libraries = Libraries::build()?;
    let mut subjects = from_rust(&libraries, &Objects::open(&libraries)?);
    let split = subjects.len();
    subjects.extend(from_c(&libraries, &Objects::open(&libraries)?));
    let results = measure_rounds(&subjects, &COMPANIES, &|| (), extent.plan)?;
    let python = python::measure(&libraries, extent)?;

    let mut chapter = Chapter {
        title: "Through a shared library".to_owned(),
        intro: "Functions that a shared library exports, found with the loader and called through pointers. *Unguarded \
                call*: the library looks at the object whose address it is given. *Operation by token*: a Rust author's \
                exported function; it takes a token, validates it, enters, looks at the object, leaves (`ffi::with`). \
                *qz_handle_enter + leave*: the two calls of a C author, who looks at the object in between. The C caller \
                is a loop compiled with `-O2`."
            .to_owned(),
        ..Chapter::default()
    };
    let mut rows = Vec::new();
    for (caller, range) in [("Rust", 0..split), ("C", split..subjects.len())] {
        let theirs = &subjects[range.clone()];
        let by_company: Vec<&[Series]> = results.iter().map(|series| &series[range.clone()]).collect();
        for (company, series) in COMPANY_NAMES.iter().zip(&by_company) {
            chapter.tables.push(medians(&format!("Called from {caller}, {company}"), theirs, series));
        }
        rows.extend(median_rows(theirs, &by_company).into_iter().map(|mut row| {
            row.name = format!("{caller}: {}", row.name);
            row
        }));
        chapter.goals.extend(goals(caller, &by_company));
    }
    chapter.figures.push(figure(rows));
    chapter.tables.push(python_table(&python));
    Ok(chapter)
}

fn goals(caller: &str, by_company: &[&[Series]]) -> [Goal; 3] {
    let [alone, on_one, _] = by_company else { unreachable!("one for each company") };
    let [plain, op, pair] = alone else { unreachable!("one for each subject") };
    let against_plain = |series: &Series| ratio(series.level(), plain.level());
    [
        Goal::at_most(
            format!("exported operation by token against an unguarded call, from {caller}"),
            1.8,
            "×",
            against_plain(op),
        ),
        Goal::at_most(
            format!("qz_handle_enter + leave against an unguarded call, from {caller}"),
            3.0,
            "×",
            against_plain(pair),
        ),
        Goal::at_most(
            format!("exported operation, from {caller}: two threads on one handle against one thread"),
            1.15,
            "×",
            ratio(on_one[1].level(), op.level()),
        ),
    ]
}

fn figure(rows: Vec<FigureRow>) -> Figure {
    Figure {
        file: "boundary",
        title: "Protecting one call, through a shared library".to_owned(),
        axis: "median ns per call of each thread, logarithmic",
        blue: OURS_IS_BLUE,
        logarithmic: true,
        points: vec!["one thread", "two threads, one object", "two threads, each its own"],
        rows,
        bound: None,
    }
}

fn python_table(python: &python::Calls) -> Table {
    let row = |name: &str, ours, series: &Series| TableRow {
        ours,
        cells: vec![
            name.to_owned(),
            ratio(series.median(), python.plain.median()).map_or_else(few_samples, number),
            series.kept().to_string(),
            series.dropped().to_string(),
        ],
    };
    Table {
        title: "Called from Python (ctypes), one thread".to_owned(),
        head: ["", "× baseline", "batches kept", "dropped"].map(str::to_owned).to_vec(),
        rows: vec![row("unguarded call", false, &python.plain), row("operation by token", true, &python.op)],
    }
}
