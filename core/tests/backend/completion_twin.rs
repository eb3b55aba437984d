//! A backend beside a list: whatever is submitted, opened, cancelled, polled and ended, in whatever order, each call completes once, with
//! what the list says.

use crate::completion::Gate;
use proptest::prelude::*;
use quiescent_core::backend::completion::{Completion, CompletionBackend, PollError};
use quiescent_core::sync::CancelToken;
use quiescent_core::{Deadline, Error, Wait};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Clone, Debug)]
enum Step {
    /// A call; whether it is cancelled before, and whether its deadline has passed.
    Submit {
        open: bool,
        cancelled: bool,
        late: bool,
    },
    Open(usize),
    Cancel(usize),
    Poll(usize),
}

/// What the list knows of a call.
struct Twin {
    gate: Gate,
    token: CancelToken,
    is_open: bool,
    is_cancelled: bool,
    over: Option<Result<(), Error>>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2))
            .prop_map(|(open, cancelled, late)| Step::Submit { open, cancelled, late }),
        (0_usize..40).prop_map(Step::Open),
        (0_usize..40).prop_map(Step::Cancel),
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
                Step::Submit { open, cancelled, late } => {
                    let (gate, token) = (Gate::default(), CancelToken::new().expect("memory"));
                    if open {
                        gate.open();
                    }
                    if cancelled {
                        token.cancel();
                    }
                    let wait = Wait::until(if late { Deadline::PASSED } else { Deadline::NEVER });
                    backend.submit(twins.len(), wait.or_cancelled(&token), gate.clone().passed()).expect("memory");
                    // At the first look, cancelled before open, and open before late.
                    let over = match (cancelled, open, late) {
                        (true, _, _) => Some(Err(Error::Cancelled)),
                        (_, true, _) => Some(Ok(())),
                        (_, _, true) => Some(Err(Error::Timeout)),
                        _ => None,
                    };
                    twins.push(Twin { gate, token, is_open: open, is_cancelled: cancelled, over });
                }
                Step::Open(call) => {
                    if let Some(twin) = twins.get_mut(call) {
                        twin.gate.open();
                        twin.is_open = true;
                    }
                }
                Step::Cancel(call) => {
                    if let Some(twin) = twins.get_mut(call) {
                        twin.token.cancel();
                        twin.is_cancelled = true;
                    }
                }
                Step::Poll(room) => {
                    // At a later look, open before cancelled.
                    for twin in &mut twins {
                        let now = match (twin.is_open, twin.is_cancelled) {
                            (true, _) => Some(Ok(())),
                            (_, true) => Some(Err(Error::Cancelled)),
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
    }
}
