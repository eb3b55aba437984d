//! Races of `on_freed` callbacks with the ends of lives: each runs exactly once, and not before its
//! object is destroyed.

use crate::object::{BLUE, House, Object, SECOND, life};
use crate::{explore, explore_at_most, join, line_up, with};
use quiescent_core::Deadline;
use quiescent_core::handle::Freed;
use quiescent_core::handle::pieces::{FreedHook, TryClose, free, leave_counted, register, run_ended, try_free};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A house, and how often the callback of each of its lives ran.
struct Hooked {
    house: House,
    /// What each registrar leaves for its callback.
    contexts: Object,
    /// std's, so that they order nothing.
    ran: [AtomicU32; 2],
}

impl Hooked {
    fn open() -> Arc<Hooked> {
        Arc::new(Hooked { house: House::open(), contexts: Object::new(), ran: [AtomicU32::new(0), AtomicU32::new(0)] })
    }

    /// Registers a callback for life `generation`: whether in time.
    fn on_freed(self: &Arc<Self>, generation: u32) -> bool {
        self.on_freed_with(generation, generation as usize)
    }

    /// The same, with a context of one's own.
    fn on_freed_with(self: &Arc<Self>, generation: u32, context: usize) -> bool {
        self.contexts.operate(context);
        let this = Arc::clone(self);
        let run = Box::new(move || {
            this.contexts.operate(context);
            this.house.objects[generation as usize - 1].expect_destroyed();
            this.ran[generation as usize - 1].fetch_add(1, Ordering::Relaxed);
        });
        register(&self.house.shell, FreedHook::new(generation, run).expect("there is memory"))
    }

    fn ran(&self, generation: usize) -> u32 {
        self.ran[generation - 1].load(Ordering::Relaxed)
    }
}

/// A callback is registered as the handle is freed.
#[test]
fn register_vs_end_awake() {
    explore([true, false], || {
        let hooked = Hooked::open();
        let registrar = with(&Arc::new(Arc::clone(&hooked)), |hooked| hooked.on_freed(1));
        let freed = free(&hooked.house.shell, life(1), Deadline::PASSED, hooked.house.resident());
        assert_eq!(freed, Ok(Freed::Destroyed));
        let in_time = join(registrar);
        assert_eq!(hooked.ran(1), 1, "a callback runs exactly once");
        in_time
    });
}

/// Two callbacks are registered as the handle is freed.
#[test]
fn register_vs_register_vs_end_awake() {
    explore_at_most(3, [(true, true), (true, false), (false, true), (false, false)], || {
        let hooked = Hooked::open();
        let registrars =
            [0, 1].map(|context| with(&Arc::new(Arc::clone(&hooked)), move |hooked| hooked.on_freed_with(1, context)));
        let freed = try_free(&hooked.house.shell, life(1), &hooked.house.resident());
        assert_eq!(freed, Ok(Some(Freed::Destroyed)));
        let [first, second] = registrars.map(join);
        assert_eq!(hooked.ran(1), 2, "each callback runs exactly once");
        (first, second)
    });
}

/// Two callbacks are registered too late: each is run, by its registrar or by the other.
#[test]
fn late_register_vs_late_register_awake() {
    explore([()], || {
        let hooked = Hooked::open();
        let freed = try_free(&hooked.house.shell, life(1), &hooked.house.resident());
        assert_eq!(freed, Ok(Some(Freed::Destroyed)));
        let other = with(&Arc::new(Arc::clone(&hooked)), |hooked| hooked.on_freed_with(1, 1));
        assert!(!hooked.on_freed_with(1, 0));
        assert!(!join(other));
        assert_eq!(hooked.ran(1), 2, "each callback runs exactly once");
    });
}

/// A callback is registered as the last one out destroys what a free deferred to it.
#[test]
fn register_vs_deferred_end_awake() {
    explore_at_most(3, [("destroyed", true), ("destroyed", false), ("pending", true), ("pending", false)], || {
        let hooked = Hooked::open();
        hooked.house.shell.admit(life(1)).expect("open");
        let registrar = with(&Arc::new(Arc::clone(&hooked)), |hooked| hooked.on_freed(1));
        let leaver = with(&hooked, |hooked| {
            hooked.house.objects[0].operate(0);
            leave_counted(&hooked.house.shell, &hooked.house.resident());
        });
        let freed = free(&hooked.house.shell, life(1), Deadline::PASSED, hooked.house.resident());
        let in_time = join(registrar);
        join(leaver);
        assert_eq!(hooked.ran(1), 1, "a callback runs exactly once");
        (if freed == Ok(Freed::Destroyed) { "destroyed" } else { "pending" }, in_time)
    });
}

/// A late registration for the first life meets one for the second in the list: neither is lost, and the
/// second's waits for its own end.
#[test]
fn late_register_vs_next_life_awake() {
    explore_at_most(2, [true, false], || {
        let hooked = Hooked::open();
        let first = try_free(&hooked.house.shell, life(1), &hooked.house.resident());
        assert_eq!(first, Ok(Some(Freed::Destroyed)));
        hooked.house.move_in(1, BLUE);
        let late = with(&Arc::new(Arc::clone(&hooked)), |hooked| hooked.on_freed(1));
        let second = with(&Arc::new(Arc::clone(&hooked)), |hooked| hooked.on_freed(2));
        assert_eq!(try_free(&hooked.house.shell, SECOND, &hooked.house.second()), Ok(Some(Freed::Destroyed)));
        assert!(!join(late), "the first life was over before");
        let in_time = join(second);
        assert_eq!((hooked.ran(1), hooked.ran(2)), (1, 1), "each callback runs exactly once");
        in_time
    });
}

/// The end of the first life runs its callback while one is registered for the second.
#[test]
fn run_ended_vs_register_for_next_life_awake() {
    explore([true, false], || {
        let hooked = Hooked::open();
        assert!(hooked.on_freed(1));
        let registrar = with(&Arc::new(Arc::clone(&hooked)), |hooked| {
            line_up();
            let has_begun = hooked.house.shell.check(SECOND).is_ok();
            if has_begun {
                assert!(hooked.on_freed(2), "the second life is not over");
            }
            has_begun
        });
        line_up();
        // What `free::end` does, with the next tenant as early as can be.
        let shell = &hooked.house.shell;
        assert_eq!(shell.try_close(life(1)), Ok(TryClose::Idle));
        hooked.house.objects[0].destroy();
        assert!(shell.vacate(1).notify);
        hooked.house.move_in(1, BLUE);
        run_ended(shell);
        let has_begun = join(registrar);
        assert_eq!((hooked.ran(1), hooked.ran(2)), (1, 0));
        assert_eq!(try_free(shell, SECOND, &hooked.house.second()), Ok(Some(Freed::Destroyed)));
        assert_eq!((hooked.ran(1), hooked.ran(2)), (1, u32::from(has_begun)));
        has_begun
    });
}
