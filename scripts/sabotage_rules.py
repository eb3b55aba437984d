"""The mistakes that scripts/sabotage makes, one for each rule of the protocol, and the check that must notice."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    name: str
    # Its directory below target. The one of other builds where nothing that these use is overwritten: then what all depend on
    # is compiled already.
    target: str
    arguments: list
    environment: dict = field(default_factory=dict)
    # What the check itself builds while it runs; it is built before, so that "does not compile" is not taken for "caught".
    prepare: tuple = ()


@dataclass(frozen=True)
class Rule:
    name: str
    what: str  # what goes wrong when the rule is broken
    file: str
    old: str
    new: str
    check: str
    test: str  # a part of the test's name


CHECKS = {
    "model": Check(
        "model",
        "loom",
        # loom optimised, the core not: a model takes hardly longer, and is compiled in a third of the time.
        ["--config", "profile.release.package.quiescent-core.opt-level=0", "-p", "quiescent-core", "--release", "--test", "loom"],
        {
            "RUSTFLAGS": "--cfg loom",
            "RUST_BACKTRACE": "0",
            # Two models in one process hinder each other: see scripts/loom.
            "RUST_TEST_THREADS": "1",
            "CARGO_PROFILE_RELEASE_INCREMENTAL": "true",
        },
    ),
    # The same sequences each time: a mistake is noticed or not, never now and then.
    "twin": Check("twin", ".", ["-p", "quiescent-core", "--test", "twin"], {"PROPTEST_RNG_SEED": "1"}),
    # Optimised: a missing barrier shows when the steps are close together.
    "lane": Check("lane", ".", ["-p", "quiescent-core", "--release", "--test", "lane"]),
    "handle": Check("handle", ".", ["-p", "quiescent-core", "--test", "handle"]),
    "stats": Check("stats", ".", ["-p", "quiescent-core", "--test", "stats"]),
    "misuse": Check("misuse", ".", ["-p", "quiescent-core", "--test", "misuse"]),
    "guard": Check("guard", ".", ["-p", "quiescent-core", "--test", "guard"]),
    "rundown": Check("rundown", ".", ["-p", "quiescent-core", "--test", "rundown"]),
    "sync": Check("sync", ".", ["-p", "quiescent-core", "--test", "sync"]),
    "unit": Check("unit", ".", ["-p", "quiescent-core", "--lib"]),
    "contract": Check(
        "contract",
        "sabotage/ffi",
        ["-p", "quiescent-ffi-tests", "--test", "contract"],
        {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_INCREMENTAL": "true"},
        prepare=("build", "--quiet", "-p", "quiescent", "--release"),
    ),
    "cpp_header": Check(
        "cpp_header",
        "sabotage/ffi",
        ["-p", "quiescent-ffi-tests", "--test", "cpp_header"],
        {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_INCREMENTAL": "true"},
        prepare=("build", "--quiet", "-p", "quiescent", "--release"),
    ),
}

WORD = "core/src/word.rs"
GUARD = "core/src/guard.rs"
PARK = "core/src/park.rs"
RUNDOWN = "core/src/rundown.rs"
CACHE_AWARE = "core/src/cache_aware_rundown.rs"
SHELL = "core/src/handle/shell.rs"
ENDING = "core/src/handle/ending.rs"
FREE = "core/src/handle/free.rs"
LANE = "core/src/handle/lane.rs"
LIFE = "core/src/handle/life.rs"
SLOT = "core/src/handle/slot.rs"
HOOKS = "core/src/handle/freed_hooks.rs"
DIRECTORY = "core/src/handle/directory.rs"
OPERATION = "core/src/handle/operation.rs"
RESOLVED = "core/src/handle/resolved.rs"
HOLD = "core/src/handle/hold.rs"
KIND = "core/src/handle/kind.rs"
RECORD = "core/src/handle/record.rs"
COUNTERS = "core/src/handle/counters.rs"
MANY = "core/src/handle/many.rs"
MISUSE = "core/src/handle/misuse.rs"
SEMAPHORE = "core/src/sync/semaphore.rs"
MUTEX = "core/src/sync/mutex.rs"
CONTENDED = "core/src/sync/contended_mutex.rs"
CANCEL = "core/src/sync/cancel.rs"
FFI_WAIT = "core/src/ffi/wait.rs"
MISUSE_HOOK = "core/src/handle/misuse/hook.rs"
LAST_WORDS = "core/src/handle/misuse/last_words.rs"

CPP_HANDLE = "include/quiescent/handle.hpp"

RULES = [
    # The word: permission, identity and count in one step.
    Rule("closed-check", "an operation begins on a closed guard", WORD,
         "        if self.is_closed() {\n            Err(Refused::Closed)\n        } else if",
         "        if", "model", "guard::enter_vs_close_awake"),
    Rule("count-limit", "the count wraps into the generation", WORD,
         "n > State::IN_FLIGHT_MAX - self.count()", "n > u32::MAX - self.count()", "guard", "the_limit_refuses_and_wraps_nothing"),
    Rule("one-step", "a load and a store in place of the compare-and-swap", WORD,
         "match self.0.compare_exchange_weak(before.0, after.0, Ordering::AcqRel, Ordering::Acquire) {",
         "match { self.0.store(after.0, Ordering::Release); Ok::<u64, u64>(before.0) } {",
         "model", "guard::close_vs_close_awake"),
    Rule("underflow", "a leave without an enter takes the count below zero", WORD,
         "(n <= self.count()).then(|| State(self.0 - (u64::from(n) << COUNT_SHIFT)))",
         "Some(State(self.0.wrapping_sub(u64::from(n) << COUNT_SHIFT)))", "guard", "a_leave_without_an_enter_changes_nothing"),
    # Orderings.
    Rule("change-acquire", "the last one out does not see what the others did", WORD,
         "compare_exchange_weak(before.0, after.0, Ordering::AcqRel, Ordering::Acquire)",
         "compare_exchange_weak(before.0, after.0, Ordering::Release, Ordering::Acquire)",
         "model", "free::try_free_vs_enter_and_leave_awake"),
    Rule("change-release", "a leave does not publish what the operation did", WORD,
         "compare_exchange_weak(before.0, after.0, Ordering::AcqRel, Ordering::Acquire)",
         "compare_exchange_weak(before.0, after.0, Ordering::Acquire, Ordering::Acquire)",
         "model", "guard::last_leave_vs_deadline"),
    Rule("depart-release", "an operation that drops its entry does not publish what it did", WORD,
         "self.0.fetch_sub(1 << COUNT_SHIFT, Ordering::AcqRel)", "self.0.fetch_sub(1 << COUNT_SHIFT, Ordering::Acquire)",
         "model", "guard::enter_vs_close_awake"),
    Rule("end-release", "who takes a record over does not see what its last owner did", "core/src/handle/ownership.rs",
         "        self.0.store(ENDED, Ordering::Release);", "        self.0.store(ENDED, Ordering::Relaxed);", "model", "lane::record_reuse"),
    Rule("look-acquire", "a drainer that sees nobody inside does not see what they did", WORD,
         "State(self.0.load(Ordering::Acquire))", "State(self.0.load(Ordering::Relaxed))",
         "model", "awake"),
    Rule("publish-release", "who enters does not see the object", WORD,
         "self.0.store(state.0, Ordering::Release);", "self.0.store(state.0, Ordering::Relaxed);",
         "model", "shell::open_vs_enter_awake"),
    Rule("kind-acquire", "a stale token reads as a wrong kind", SHELL,
         "self.kind.load(Ordering::Acquire)", "self.kind.load(Ordering::Relaxed)",
         "model", "shell::reuse_vs"),
    Rule("kind-release", "the same, from the other side", SHELL,
         "self.kind.store(tenant.kind, Ordering::Release);", "self.kind.store(tenant.kind, Ordering::Relaxed);",
         "model", "shell::reuse_vs"),
    Rule("hooks-release", "who runs an on_freed callback does not see it", HOOKS,
         "compare_exchange_weak(head, hook, Ordering::Release, Ordering::Relaxed)",
         "compare_exchange_weak(head, hook, Ordering::Relaxed, Ordering::Relaxed)", "model", "freed_hooks::"),
    Rule("directory-release", "a shell taken again is not as it was given back", DIRECTORY,
         "compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed)",
         "compare_exchange_weak(head, new, Ordering::Relaxed, Ordering::Relaxed)", "model", "directory::"),
    # Sleeping.
    Rule("wake-drainer", "the last leave does not wake the closer", GUARD,
         "            return Departure::LastCounted;\n        }\n        if change.before.has_sleepers() {",
         "            return Departure::LastCounted;\n        }\n        if false {",
         "model", "guard::last_leave_vs_parked_drainer"),
    Rule("wake-waiters", "the end of a life does not wake who waits for it", ENDING,
         "if before.has_waiters() {", "if false {", "model", "shell::reuse_vs_parked_waiter"),
    Rule("wake-rundown", "the last release does not wake who waits", RUNDOWN,
         "released.before.has_waiters() {", "released.before.has_waiters() && false {", "model", "rundown::release_vs_parked_waiter"),
    Rule("wake-reported", "who waits for the end of a guard is not told that another has it", GUARD,
         "        let Ok(change) = change else { return false };\n        if change.before.has_sleepers() {",
         "        let Ok(change) = change else { return false };\n        if false {", "model", "guard::wait_drained_vs"),
    Rule("mark-before-sleep", "a sleeper does not announce itself", PARK,
         "Ok(mark(state))", "Ok(state)", "model", "guard::last_leave_vs_parked_drainer"),
    Rule("sleep-on-what-was-seen", "a sleeper sleeps on whatever is there, not on what it saw", "core/src/park/model.rs",
         "    if now == u64::from(expected) {", "    if now == u64::from(expected) || true {",
         "model", "guard::last_leave_vs_parked_drainer"),
    # Embedded guards.
    Rule("one-closer", "two callers close the guard", GUARD,
         "self.word.change(|state| if state.is_closed() { Err(()) } else { Ok(state.closed()) })",
         "self.word.change(|state| if false { Err(()) } else { Ok(state.closed()) })",
         "model", "guard::close_vs_close_awake"),
    Rule("report-once", "the end of a guard is handed out twice", GUARD,
         "if ripe(state) && !state.is_over()", "if ripe(state)", "model", "guard::wait_drained_vs_wait_drained"),
    Rule("defer-looks", "a closer gives up although the last one has just left: nobody destroys", GUARD,
         "Ok::<_, ()>(if over { others } else { others.deferred() })", "Ok::<_, ()>({ let _ = over; others.deferred() })",
         "model", "free::deferred_destroy_vs_leave_awake"),
    Rule("drain", "a closer does not wait for those inside", GUARD,
         "park::until(&self.word, Half::Low, deadline, drained, State::with_sleepers)",
         "park::until(&self.word, Half::Low, deadline, |state| true || drained(state), State::with_sleepers)",
         "model", "guard::enter_vs_close"),
    # Run-down.
    Rule("re-init-complete", "a run-down is opened again while references are out", RUNDOWN,
         "            } else if state.is_idle() {\n                Ok(State::open(state.generation()))",
         "            } else if true {\n                Ok(State::open(state.generation()))",
         "model", "rundown::re_init_vs_last_release_awake"),
    Rule("rundown-generation", "a waiter sleeps through a run-down that is re-opened at once", RUNDOWN,
         "Ok::<_, NotOut>(if completes { left.next_generation() } else { left })", "Ok::<_, NotOut>(left)",
         "model", "rundown::"),
    Rule("rundown-all", "a run-down completes with references out", RUNDOWN,
         "let completes = left.is_quiescent() && !state.is_idle();", "let completes = left.is_closed();",
         "rundown", "a_run_down_waits_for_the_last_of_several_references"),
    # Cache-aware run-down.
    Rule("stripes-closed", "a run-down returns when another has yet to close some stripes", CACHE_AWARE,
         "        let begun = self.whole.begin_with(self.stripes());\n",
         "        let was_closed = self.whole.look().is_closed();\n        let begun = self.whole.begin_with(self.stripes());\n"
         "        if was_closed && !begun.is_quiescent() {\n            return self.whole.outwaits(begun.generation(), deadline);\n        }\n",
         "model", "cache_aware_rundown::rundown_vs_rundown_awake"),
    Rule("stripe-closed-in-its-life", "a run-down that comes late closes stripes that were opened again", RUNDOWN,
         "if state.generation() != generation || state.is_closed() && !state.is_idle() {",
         "if state.is_closed() && (state.generation() != generation || !state.is_idle()) {",
         "model", "cache_aware_rundown::rundown_vs_rundown_and_re_init_awake"),
    Rule("stripe-opened-in-its-life", "an acquire that comes late opens a stripe that was run down again", RUNDOWN,
         "if state.is_quiescent() && state.generation() == generation {", "if state.is_quiescent() {",
         "model", "cache_aware_rundown::re_init_vs_rundown_awake"),
    Rule("stripe-unopened", "a run-down waits for a stripe that nobody came to", RUNDOWN,
         "|| state.is_closed() && !state.is_idle() {", "|| state.is_closed() {",
         "model", "cache_aware_rundown::re_init_vs_rundown_awake"),
    Rule("refusal-of-the-whole", "a stripe says complete while references are out on others", CACHE_AWARE,
         "return Err(RundownError::of_closed(whole));", "return Err(RundownError::of_closed(stripe.look()));", "twin", "cache_aware"),
    # Shells.
    Rule("generation-check", "a stale token enters the shell's next life", SHELL,
         "        if state.generation() > generation && generation != 0 {\n            Err(Refusal::Stale)\n        } else if state.generation() != generation || state.is_over() {",
         "        if generation == 0 || state.is_over() {",
         "model", "shell::reuse_vs_stale_enter_awake"),
    Rule("generation-moves", "a shell is used again under the same generation", ENDING,
         "let next = generation.wrapping_add(1);", "let next = generation;",
         "model", "shell::reuse_vs_stale_enter_awake"),
    Rule("vacant-check", "a token of a life that has not begun is let through", SHELL,
         "state.generation() != generation || state.is_over()", "state.generation() != generation",
         "contract", "handle_tokens"),
    Rule("second-look", "a stale token passes for one of the kind that the shell has next", SHELL,
         "        Shell::judge_generation(id.generation, state)?;\n        Ok(state)", "        Ok(state)",
         "model", "shell::reuse_vs_wrong_kind_awake"),
    Rule("token-after-word", "a stale token enters the shell's next life through the hazard lane", SHELL,
         "        let seen = self.look();\n        (self.token.load(Ordering::Acquire) == token).then_some(seen)",
         "        let token_now = self.token.load(Ordering::Acquire);\n        let seen = self.look();\n        (token_now == token).then_some(seen)",
         "model", "lane::reuse_by_the_same_kind"),
    Rule("token-check", "the same, at any time", SHELL,
         "(self.token.load(Ordering::Acquire) == token).then_some(seen)", "{ let _ = token; Some(seen) }",
         "model", "lane::reuse_by_the_same_kind"),
    Rule("kind-check", "a handle of another kind is let through", SHELL,
         "kind.is_none_or(|kind| kind == self.kind())", "kind.is_none_or(|_| true)", "twin", ""),
    Rule("tag", "a shell is handed out twice (the ABA problem)", DIRECTORY,
         "(head & !LOW).wrapping_add(LOW + 1) | u64::from(top_plus_one)", "(head & !LOW) | u64::from(top_plus_one)",
         "model", "directory::"),
    Rule("retire", "a shell whose generations are used up lives on", DIRECTORY,
         "if next_generation > self.generation_max {", "if false {", "unit", "directory"),
    # The free.
    Rule("one-destroyer", "a deferred end is destroyed by its closer, too", FREE,
         "if self.shell.defer() && !(", "if self.shell.defer() && false && !(",
         "model", "free::deferred_destroy_vs_leave_awake"),
    Rule("last-one-out", "the last one out does not destroy what was left to it", LANE,
         "Departure::LastOfDeferred => true,", "Departure::LastOfDeferred => false,",
         "model", "free::deferred_destroy_vs_leave_awake"),
    Rule("closer-is-counted", "on_close runs on a destroyed object", ENDING,
         "(false, true) => Ok(state.closed().with_one_more()),", "(false, true) => Ok(state.closed().deferred().with_one_more()),",
         "model", "free::"),
    Rule("take-over-claims", "a free takes over, and the last one out has the end as well", ENDING,
         "if state.is_deferred() => Ok(state.claimed().with_one_more())", "if state.is_deferred() => Ok(state.with_one_more())",
         "model", "take_over::"),
    Rule("early-destroy", "the object is destroyed before all have left", FREE,
         "        if self.shell.drained_by(round, ", "        if true || self.shell.drained_by(round, ",
         "model", "free::enter_vs_free"),
    Rule("destroy-then-say", "a free says destroyed before the destructor has returned", LIFE,
         "    life.on_destroy();\n    life.vacated(shell.vacate(life.generation()));", "    let vacated = shell.vacate(life.generation());\n    life.on_destroy();\n    life.vacated(vacated);",
         "model", "free::"),
    Rule("try-free-looks", "try_free closes over somebody's head", ENDING,
         "} else if !state.is_idle() || state.is_counted() {\n                Err(Ok(TryClose::Busy))",
         "} else if state.is_counted() {\n                Err(Ok(TryClose::Busy))",
         "model", "free::try_free_vs_enter_awake"),
    Rule("losers-wait", "a later free says already freed while the object lives", FREE,
         "Outlived::Late | Outlived::WaitsForItself => Freed::Pending,",
         "Outlived::Late | Outlived::WaitsForItself => Freed::AlreadyFreed,",
         "contract", "handle_free"),
    Rule("waits-for-itself", "a thread that frees from inside waits for itself", RESOLVED,
         "own.entries > 0 || holds_all", "holds_all", "twin", ""),
    Rule("own-holds", "a thread waits for its own holds", RESOLVED,
         "let holds_all = own.holds > 0 && own.holds >= in_flight;", "let holds_all = own.holds > 0 && in_flight == u32::MAX;",
         "twin", ""),
    Rule("on-close-again", "an operation that blocks just after on_close is never woken", FREE,
         "let round = if call_again { deadline.min(Deadline::after(pause)) } else { deadline };", "let round = deadline;",
         "contract", "handle_hooks"),
    # The hazard lane.
    Rule("light-barrier-in", "who enters by a slot may miss the close", LANE,
         "    slot.fill(token, operation);\n    barrier::light();", "    slot.fill(token, operation);",
         "model", "lane::one_enter_vs_free_awake"),
    Rule("heavy-barrier", "who frees may miss a slot", LANE,
         "    life.is_alone() || barrier::heavy()", "    true", "lane", "who_frees_sees_every_slot"),
    Rule("second-look-in", "who enters by a slot does not look again", LANE,
         "if shell.look() == seen { BySlot::In(seen) }", "if true { BySlot::In(seen) }",
         "model", "lane::one_enter_vs_free_awake"),
    Rule("light-barrier-out", "who leaves a slot may miss the close", LANE,
         "    slot.clear();\n    barrier::light();", "    slot.clear();", "model", "lane::"),
    Rule("refused-leaves", "a refused entrant that was seen leaves nobody to destroy", LANE,
         "Some(BySlot::Changed) => step_back(shell, life, token, slot),", "Some(BySlot::Changed) => slot.clear(),",
         "model", "lane::one_enter_vs_free_awake"),
    Rule("closer-looks-again", "a closer that gives up does not look at the slots again", FREE,
         "(self.has_hazard_lane && lane::claims_end(self.shell, &self.life))", "false", "model", "lane::deferred_destroy_vs_leave_awake"),
    Rule("leaver-fence", "the last one out may miss that the end was deferred", LANE,
         "        // Between the caller's step and the look at the word.\n        barrier::full();", "",
         "model", "lane::deferred_destroy_vs_leave_unordered_awake"),
    Rule("scan-fence", "a drainer that announced its sleep may miss that a slot is empty", LANE,
         "    barrier::full();\n    life.protecting()", "    life.protecting()", "model", "lane::leave_vs_parked_drainer"),
    Rule("slots-keep-alive", "the last one counted destroys what a slot protects", LANE,
         "Departure::LastCounted => claims_end(shell, &life),", "Departure::LastCounted => shell.look().is_deferred(),",
         "model", "lane::deferred_destroy_vs_leaves_of_both_lanes_awake"),
    Rule("claim-once", "two last ones out both destroy", ENDING,
         "if self.guard.change(|state| if state == closed { Ok(next) } else { Err(()) }).is_err() {",
         "if self.guard.change(|_| Ok::<_, ()>(next)).is_err() {", "model", "lane::deferred_destroy_vs_two_leaves_awake"),
    Rule("wake-by-slot", "the last one out by a slot does not wake the closer", ENDING,
         "        if closed.has_sleepers() {\n            park::wake_all", "        if false {\n            park::wake_all",
         "model", "lane::leave_vs_parked_drainer"),
    Rule("clear-release", "who frees does not see what an operation did by its slot", SLOT,
         "        self.token.store(0, Ordering::Release);", "        self.token.store(0, Ordering::Relaxed);", "model", "lane::"),
    Rule("scan-acquire", "the same, from the other side", SLOT,
         "        self.token.load(Ordering::Acquire) == token", "        self.token.load(Ordering::Relaxed) == token", "model", "lane::"),
    Rule("try-free-shuts", "a try_free looks while the lane is open", ENDING,
         "                Ok(state.counted())", "                Ok(state)", "model", "lane::try_free_vs"),
    Rule("try-free-puts-back", "a try_free that was refused leaves the lane shut", ENDING,
         "                Ok(state.uncounted())", "                Ok(state)", "model", "lane::try_free_vs"),
    Rule("first-record", "the barrier is skipped although another thread has come", LANE,
         "    // Between the close and the look whether there are other threads.\n    barrier::full();", "",
         "model", "lane::first_record_vs_close_awake"),
    Rule("refused-barrier", "a free destroys although the system refused the barrier", FREE,
         "        if !settled {", "        if false {", "contract", "lane"),
    Rule("refused-barrier-try", "the same of a try_free", FREE,
         "let nobody = lane::settle(life) && lane::in_slots(life) == 0;",
         "let nobody = { let _ = lane::settle(life); lane::in_slots(life) == 0 };", "contract", "lane"),
    # Callbacks, holds, kinds, records.
    Rule("register-changes", "an on_freed callback is neither run by the end nor by who registered it", SHELL,
         "            .change(|state| if state.generation() == generation { Ok(state.with_notify()) } else { Err(()) })\n            .is_ok()",
         "            .look()\n            .generation()\n            .eq(&generation)", "model", "freed_hooks::"),
    Rule("hook-life", "an on_freed callback runs for the next life", HOOKS,
         "if hook.generation == shell.look().generation() {", "if false {", "model", "freed_hooks::"),
    Rule("hold-once", "a hold is released twice", HOLD,
         "            Err(Refusal::Stale) => return Ok(free::freed_again(&hold)),", "            Err(Refusal::Stale) => {}",
         "contract", "hold"),
    Rule("kind-outlives", "a kind is destroyed while its handles live", RESOLVED,
         "        kind::release(kind);\n    }", "        let _ = kind;\n    }", "contract", "kind"),
    Rule("latest-operation", "a signal handler's leave ends the operation it interrupted", RECORD,
         "begun.max_by_key(|slot| slot.since())", "begun.min_by_key(|slot| slot.since())", "contract", "handle_signals"),
    Rule("leave-needs-enter", "a leave without an enter takes another thread's count", OPERATION,
         "else { return Err(resolved.nothing_to_leave()) };",
         "else {\n            lane::leave_counted(resolved.shell, resolved);\n            return Ok(());\n        };",
         "contract", "handle"),
    Rule("fork", "a child uses its parent's handles", "core/src/handle/process.rs",
         "        DIRECTORY.mark.store(draw(seed).map_or(NOT_DRAWN, Parts::mark), Ordering::Relaxed);", "        let _ = (draw(seed), parent);",
         "contract", "fork"),
    # What is counted and told.
    Rule("own-counts", "threads share a count that they do not change in one step", COUNTERS,
         "Some(record) => record.counters.add(counter),", "Some(_) => WITHOUT_RECORD.add(counter),",
         "stats", "what_threads_counted_outlives_them"),
    Rule("counted-before-over", "a handle that is known to be freed is not counted as freed", KIND,
         "    count(Counter::Freed);\n", "", "stats", "a_handle_that_is_known_to_be_freed_is_counted"),
    Rule("too-late-is-no-misuse", "a call that merely came too late is told as misuse", MISUSE,
         "Refusal::NeverIssued | Refusal::Closed | Refusal::Limit => {}",
         "Refusal::Closed => tell(Misuse::Stale, token),\n        Refusal::NeverIssued | Refusal::Limit => {}",
         "misuse", "what_a_correct_program_may_do_is_none"),
    Rule("found-is-no-misuse", "what the library frees of its own accord is told as somebody's double free", MANY,
         "lost: Vec::new(), room, named: false", "lost: Vec::new(), room, named: true",
         "misuse", "what_the_library_frees_of_its_own_accord_is_none"),
    Rule("hook-is-a-pair", "a hook is called with another one's context", MISUSE_HOOK,
         "unsafe { (pair.hook)(misuse as i32, handle, pair.ctx) };",
         "unsafe { (pair.hook)(misuse as i32, handle, CURRENT.load(Ordering::Acquire).as_ref().map_or(pair.ctx, |now| now.ctx)) };",
         "misuse", "a_hook_and_its_context_are_one_pair"),
    Rule("last-words-of-its-own", "the last words name the handle that came after", LAST_WORDS,
         "(lives || was_last).then_some(names)", "(lives || was_last || true).then_some(names)", "contract", "misuse"),
    # Waits and holds.
    Rule("permits-total", "permits are added beyond the maximum", SEMAPHORE,
         ".filter(|total| *total <= self.max)", "", "sync", "added_up_to_the_maximum"),
    Rule("permits-forgotten", "permits that are forgotten still count", SEMAPHORE,
         "        self.semaphore.total.fetch_sub(self.permits, Ordering::Relaxed);\n        self.forget_to_keep();",
         "        self.forget_to_keep();", "sync", "added_up_to_the_maximum"),
    Rule("permits-split", "a part of a permit is given back twice", SEMAPHORE,
         "        self.permits = split(self.permits, permits)?;\n        Some(SemaphorePermit {",
         "        split(self.permits, permits)?;\n        Some(SemaphorePermit {", "sync", "split_and_merged"),
    Rule("permits-never", "a request that can never be granted waits", SEMAPHORE,
         "(permits > 0 && permits <= self.max).then_some(())", "(permits > 0).then_some(())", "sync", "numbers_that_no_wait"),
    Rule("close-semaphore", "a free does not wake who waits for permits", SEMAPHORE,
         "    fn on_close(&self) {\n        self.close();", "    fn on_close(&self) {\n        let _ = self;",
         "contract", "semaphore"),
    Rule("release-permits", "the release of a hold gives no permits back", SEMAPHORE,
         "        self.give_back(u32::try_from(taken).unwrap_or(0));", "        let _ = taken;", "contract", "semaphore"),
    Rule("owner-cleared", "who held a lock once cannot wait for it again", MUTEX,
         "        self.owner.clear();\n        self.turn.add_permits(1);", "        self.turn.add_permits(1);",
         "sync", "mutex::a_lock_that_a_future_holds"),
    Rule("owner-asked", "a thread waits for itself", MUTEX,
         "            Err(_) if self.owner.is_this_thread() => Err(LockError::Deadlock),\n", "",
         "sync", "mutex::a_thread_that_would_wait"),
    Rule("poisoned", "a panic of the holder goes unnoticed", "core/src/sync/poison.rs",
         "if taken.0 && std::thread::panicking() {", "if taken.0 && false {", "sync", "mutex::poisoned"),
    Rule("calm-before", "a lock taken during a panic is poisoned by it", "core/src/sync/poison.rs",
         "if taken.0 && std::thread::panicking() {", "if std::thread::panicking() {", "sync", "mutex::a_panic_that_began_before"),
    Rule("waiters-counted", "a wait that was given up counts for ever", CONTENDED,
         "        self.metrics.waiters.fetch_sub(1, Ordering::Relaxed);", "        let _ = self;",
         "sync", "mutex::what_a_measured_mutex_does_not_count"),
    Rule("parent-cancels", "a parent does not cancel its children", CANCEL,
         "std::iter::successors(Some(self), |node| node.parent.as_deref())", "std::iter::once(self)",
         "sync", "cancel::a_parent_cancels"),
    Rule("deadline-moves", "a deadline that is set meanwhile is not seen by who waits", CANCEL,
         "                // They sleep up to an earlier deadline from now on.\n                node.waiters().notify_waiters();\n", "",
         "sync", "the_deadline_of_a_token"),
    Rule("cancelled-first", "a cancelled token does not end a loop that never has to wait", "core/src/wait.rs",
         "    wait.check()?;\n    let parker", "    let parker", "sync", "a_cancelled_token_refuses"),
    Rule("self-wait-by-hold", "a thread waits for its own hold", FFI_WAIT,
         "if own_holds == 0 { Ok(()) } else { Err(Error::Deadlock) }", "if own_holds < u32::MAX { Ok(()) } else { Err(Error::Deadlock) }",
         "contract", "mutex"),
    Rule("pass-on", "a hold that was passed on counts as the taker's", HOLD,
         "        slot.pass_on(since);\n", "        let _ = since;\n", "contract", "mutex"),
    Rule("waiting-is-no-hold", "who waits is told of as who holds", "core/src/handle/records.rs",
         "|(phase, _)| phase != Phase::Waiting", "|(_, _)| true", "contract", "semaphore"),
    Rule("nothing-taken", "a hold that has taken nothing gives something back", RESOLVED,
         "        if slot.taken() == 0 || !slot.notes(self.token) {", "        if !slot.notes(self.token) {",
         "sync", "a_hold_that_has_taken_nothing"),
    # The C++ header.
    Rule("cpp-over", "an owner frees again what is over, which counts as a double free", "include/quiescent/token.hpp",
         "        if (!is_over) static_cast", "        static_cast<void>(is_over);\n        static_cast", "cpp_header", "every_class_is_used"),
    Rule("cpp-boundary", "an exception crosses a C frame", "include/quiescent/callback.hpp",
         "catch (...) {\n        swallowed()", "catch (const std::exception &) {\n        swallowed()", "cpp_header", "every_class_is_used"),
    Rule("cpp-deleter", "a deleter that throws ends the process", CPP_HANDLE,
         "owned.get_deleter()(owned.release());", "owned.reset();", "cpp_header", "every_class_is_used"),
    Rule("cpp-moved-entry", "an entry that was moved from leaves, too", CPP_HANDLE,
         "        : handle_(std::exchange(other.handle_, nullptr)), object_", "        : handle_(other.handle_), object_",
         "cpp_header", "every_class_is_used"),
    Rule("cpp-object-lost", "after a refusal the caller's object is gone", CPP_HANDLE,
         "Object(std::move(box->owned));", "Object(nullptr, box->owned.get_deleter());", "cpp_header", "every_class_is_used"),
    Rule("cpp-fork", "a forked child cannot make handles of a class that its parent used", CPP_HANDLE,
         "made.status() == QZ_ERR_FORKED", "made.status() == QZ_ERR_PANIC", "cpp_header", "every_class_is_used"),
    Rule("cpp-cancel-lost", "a wait with a cancel token that was moved from cannot be cancelled", "include/quiescent/cancel.hpp",
         "reinterpret_cast<qz_cancel *>(std::uintptr_t{2})", "nullptr", "cpp_header", "every_class_is_used"),
    Rule("cpp-early", "a timeout is rounded down", "include/quiescent/timeout.hpp",
         "down.count() + (down < duration ? 1 : 0)", "down.count()", "cpp_header", "every_class_is_used"),
    Rule("cpp-modes", "code with exceptions is given functions without catch", "include/quiescent.hpp",
         "inline namespace without_exceptions", "inline namespace with_exceptions", "cpp_header", "in_two_units"),
]
