//! What may be done to handles.

use crate::handle_model::KINDS;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// How many threads there are.
pub const WORKERS: usize = 3;

/// Whom to call with. Numbers are counted around whatever there is; with nothing there the operation is
/// left out.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// Counted from the newest handle that is not over.
    Live(usize),
    /// Counted from the newest handle, over or not.
    Handle(usize),
    /// Counted from the newest token of a hold, released or not.
    HoldToken(usize),
    Garbage(usize),
}

/// Under which kind to call.
#[derive(Clone, Copy, Debug)]
pub enum Via {
    /// The handle's own.
    Right,
    Wrong,
    /// None in particular; to enter one has to name one, and that is the right one.
    Any,
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    None,
    Brief,
    /// Brief, if it would wait at all.
    Long,
}

/// How a free is helped.
#[derive(Clone, Copy, Debug)]
pub struct Helped {
    pub in_on_close: bool,
    pub patience: Patience,
    pub keep_own: bool,
    pub second: Option<(usize, bool)>,
}

/// One step, by one worker (or of one worker, for what only the thread itself can do).
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    Open(usize),
    Enter(usize, Target, Via),
    Hold(usize, Target, Via),
    Leave(usize),
    /// Gives an entry up for a leave as a C program's.
    Detach(usize),
    /// Enters and keeps nothing: as a C program does.
    EnterLikeC(usize, Target, Via),
    /// Leaves as a C program does, rightly or not.
    LeaveLikeC(usize, Target),
    /// Leaves so where it is right.
    LeaveDetached(usize),
    Release(usize, usize),
    IntoToken(usize, usize),
    /// The target as a hold.
    ReleaseToken(usize, Target),
    Free(usize, Target, Via, Patience),
    /// All others leave while it waits or, if `in_on_close`, while it runs `on_close`; without patience
    /// always that. Its own holds are released first, or kept. A second worker may wait for it, with a
    /// free of its own or with a wait.
    FreeWhileLeaving {
        worker: usize,
        target: Target,
        how: Helped,
    },
    TryFree(usize, Target, Via),
    WaitFreed(usize, Target, Via, Patience),
    /// All others leave while it waits.
    WaitWhileLeaving(usize, Target),
    OnFreed(usize, Target, Via),
    IsClosing(usize, Target, Via),
    Info(usize, Target),
    Occupants(usize, Target),
    /// The worker's thread ends, and another takes its place.
    Replace(usize),
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        30 => (0..3_usize).prop_map(Target::Live),
        5 => (0..12_usize).prop_map(Target::Handle),
        1 => (0..4_usize).prop_map(Target::HoldToken),
        1 => (0..6_usize).prop_map(Target::Garbage),
    ]
}

fn patience() -> impl Strategy<Value = Patience> {
    prop_oneof![4 => Just(Patience::None), 1 => Just(Patience::Brief), 2 => Just(Patience::Long)]
}

/// An operation, likely enough to be possible.
pub fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    let worker = || 0..WORKERS;
    let nth = || 0..8_usize;
    let kind = || 0..KINDS;
    let via = || prop_oneof![12 => Just(Via::Right), 6 => Just(Via::Any), 1 => Just(Via::Wrong)];
    let second = option::of((worker(), any::<bool>()));
    let how = (any::<bool>(), patience(), any::<bool>(), second);
    let how =
        how.prop_map(|(in_on_close, patience, keep_own, second)| Helped { in_on_close, patience, keep_own, second });
    let helped = (worker(), target(), how);
    prop_oneof![
        5 => kind().prop_map(Open),
        12 => (worker(), target(), via()).prop_map(|(w, t, v)| Enter(w, t, v)),
        12 => (worker(), target(), via()).prop_map(|(w, t, v)| Hold(w, t, v)),
        8 => nth().prop_map(Leave),
        1 => nth().prop_map(Detach),
        8 => (worker(), target(), via()).prop_map(|(w, t, v)| EnterLikeC(w, t, v)),
        5 => nth().prop_map(LeaveDetached),
        2 => (worker(), target()).prop_map(|(w, t)| LeaveLikeC(w, t)),
        5 => (worker(), nth()).prop_map(|(w, n)| Release(w, n)),
        3 => (worker(), nth()).prop_map(|(w, n)| IntoToken(w, n)),
        4 => (worker(), (0..4_usize).prop_map(Target::HoldToken)).prop_map(|(w, t)| ReleaseToken(w, t)),
        1 => (worker(), target()).prop_map(|(w, t)| ReleaseToken(w, t)),
        5 => (worker(), target(), via(), patience()).prop_map(|(w, t, v, p)| Free(w, t, v, p)),
        7 => helped.prop_map(|(worker, target, how)| FreeWhileLeaving { worker, target, how }),
        2 => (worker(), target(), via()).prop_map(|(w, t, v)| TryFree(w, t, v)),
        4 => (worker(), target(), via(), patience()).prop_map(|(w, t, v, p)| WaitFreed(w, t, v, p)),
        5 => (worker(), target()).prop_map(|(w, t)| WaitWhileLeaving(w, t)),
        6 => (worker(), target(), via()).prop_map(|(w, t, v)| OnFreed(w, t, v)),
        2 => (worker(), target(), via()).prop_map(|(w, t, v)| IsClosing(w, t, v)),
        3 => (worker(), target()).prop_map(|(w, t)| Info(w, t)),
        5 => (worker(), target()).prop_map(|(w, t)| Occupants(w, t)),
        2 => worker().prop_map(Replace),
    ]
}
