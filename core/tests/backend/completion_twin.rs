//! A backend beside a list: whatever is submitted, opened, cancelled, freed, polled and ended, in whatever order, each call completes once,
//! with what the list says, and what it waited for can be freed then.

use crate::completion::Gate;
use proptest::prelude::*;
use quiescent_core::backend::completion::{Completion, CompletionBackend, Outcome, PollError};
use quiescent_core::sync::{CancelToken, Semaphore};
use quiescent_core::{Deadline, Error, Freed, Token, Wait};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    /// A call, which waits for a gate or for a permit of a handle's; whether it is cancelled before, and whether its deadline has passed.
    Submit {
        on_handle: bool,
        open: bool,
        cancelled: bool,
        late: bool,
    },
    Open(usize),
    Cancel(usize),
    /// The handle that the call waits for.
    Free(usize),
    Poll(usize),
}

/// What a call waits for.
enum Target {
    Gate(Gate),
    Handle(Token<Semaphore>),
}

impl Target {
    fn new(on_handle: bool, open: bool) -> Target {
        if on_handle {
            let permits = Semaphore::new(u32::from(open), 1).expect("fine");
            return Target::Handle(Token::open(permits).expect("memory"));
        }
        let gate = Gate::default();
        if open {
            gate.open();
        }
        Target::Gate(gate)
    }

    fn submit(&self, backend: &CompletionBackend, user_data: usize, wait: Wait<'_>) {
        let submitted = match self {
            Target::Gate(gate) => backend.submit(user_data, wait, gate.clone().passed()),
            Target::Handle(handle) => {
                let hold = handle.hold(c"twin").expect("open");
                backend.submit(user_data, wait, async move {
                    let permit = hold.acquire_async(1).await;
                    permit.map_or_else(|error| Outcome::refused(error.into()), |_permit| Outcome::DONE)
                })
            }
        };
        submitted.expect("memory");
    }

    fn open(&self) {
        match self {
            Target::Gate(gate) => gate.open(),
            Target::Handle(handle) => {
                // It is refused where there is one.
                let _ = handle.enter(c"twin").expect("not freed").add(1);
            }
        }
    }
}

/// What the list knows of a call.
struct Twin {
    target: Target,
    token: CancelToken,
    is_open: bool,
    is_freed: bool,
    is_cancelled: bool,
    over: Option<Result<(), Error>>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(on_handle, open, cancelled, late)| Step::Submit { on_handle, open, cancelled, late }),
        (0_usize..40).prop_map(Step::Open),
        (0_usize..40).prop_map(Step::Cancel),
        (0_usize..40).prop_map(Step::Free),
        (1_usize..6).prop_map(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn each_call_completes_once_as_a_list_says(steps in prop::collection::vec(step(), 0..60)) {
        let discarded = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&discarded);
        let backend = CompletionBackend::new(move |user_data| tell.lock().expect("no panic").push(user_data));
        let backend = backend.expect("descriptors");
        let mut twins: Vec<Twin> = Vec::new();
        let mut handed: BTreeMap<usize, Result<(), Error>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Submit { on_handle, open, cancelled, late } => {
                    let (target, token) = (Target::new(on_handle, open), CancelToken::new().expect("memory"));
                    if cancelled {
                        token.cancel();
                    }
                    let wait = Wait::until(if late { Deadline::PASSED } else { Deadline::NEVER });
                    target.submit(&backend, twins.len(), wait.or_cancelled(&token));
                    // At the first look, cancelled before open, and open before late.
                    let over = match (cancelled, open, late) {
                        (true, _, _) => Some(Err(Error::Cancelled)),
                        (_, true, _) => Some(Ok(())),
                        (_, _, true) => Some(Err(Error::Timeout)),
                        _ => None,
                    };
                    let [is_open, is_freed, is_cancelled] = [open, false, cancelled];
                    twins.push(Twin { target, token, is_open, is_freed, is_cancelled, over });
                }
                // Whichever of these two comes first.
                Step::Open(call) => {
                    if let Some(twin) = twins.get_mut(call).filter(|twin| !twin.is_freed) {
                        twin.target.open();
                        twin.is_open = true;
                    }
                }
                Step::Free(call) => {
                    if let Some(twin) = twins.get_mut(call).filter(|twin| !twin.is_open) {
                        if let Target::Handle(handle) = twin.target {
                            let _ = handle.free(Duration::ZERO).expect("a handle");
                            twin.is_freed = true;
                        }
                    }
                }
                Step::Cancel(call) => {
                    if let Some(twin) = twins.get_mut(call) {
                        twin.token.cancel();
                        twin.is_cancelled = true;
                    }
                }
                Step::Poll(room) => {
                    // At a later look, open or freed before cancelled.
                    for twin in &mut twins {
                        let now = match (twin.is_open, twin.is_freed, twin.is_cancelled) {
                            (true, _, _) => Some(Ok(())),
                            (_, true, _) => Some(Err(Error::Freed)),
                            (_, _, true) => Some(Err(Error::Cancelled)),
                            _ => None,
                        };
                        twin.over = twin.over.or(now);
                    }
                    let waiting = twins.iter().filter(|twin| twin.over.is_some()).count() - handed.len();
                    let mut twice = false;
                    let put = |completion: Completion| {
                        let answer = completion.outcome.answer.map(|_freed| ());
                        twice |= handed.insert(completion.user_data, answer).is_some();
                    };
                    match backend.poll(room, Deadline::PASSED, put) {
                        Ok(count) => prop_assert_eq!(count, waiting.min(room)),
                        Err(error) => {
                            prop_assert!(matches!(error, PollError::TimedOut));
                            prop_assert_eq!(waiting, 0);
                        }
                    }
                    prop_assert!(!twice);
                    prop_assert_eq!(backend.pending(), twins.len() - handed.len());
                }
            }
            for (call, answer) in &handed {
                prop_assert_eq!(Some(*answer), twins[*call].over);
            }
        }
        drop(backend);
        let mut ended = discarded.lock().expect("no panic").clone();
        ended.extend(handed.keys());
        ended.sort_unstable();
        prop_assert_eq!(ended, (0..twins.len()).collect::<Vec<_>>());
        for twin in &twins {
            if let Target::Handle(handle) = twin.target {
                // Nothing is in flight on it any more: so it is over at once, or has been.
                let expected = if twin.is_freed { Freed::AlreadyFreed } else { Freed::Destroyed };
                prop_assert_eq!(handle.free(Duration::ZERO), Ok(expected));
            }
        }
    }
}
