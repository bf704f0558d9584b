//! Clients that look at one wrapper from its start to its end, whatever happens to their
//! connections.
//!
//! Owns the invariants that every client observes: states never revert, facts never change. The
//! clients share their observations, so that an answer to one binds the answers to the others.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

use process_wrapper::pb::process_wrapper::v1::{
    GetStateRequest, GetStateResponse, InitiateGracefulShutdownRequest,
    InitiateGracefulShutdownResponse, Process, State,
};
use tonic::{Code, Status};

use crate::outcomes;
use crate::support::client::{GET_STATE, SHUTDOWN, open, unary};

/// No call of a watcher takes longer: it gives up and tries again.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shared observations of all clients of one wrapper.
#[derive(Debug, Default)]
pub(crate) struct IoStats {
    /// The process that it is about, if known: another wrapper may take over the socket.
    main: Option<i32>,
    /// The furthest state.
    state: AtomicI32,
    /// The first answer with an end in it.
    gone: Mutex<Option<Process>>,
    pub(crate) answers: AtomicUsize,
    /// Whether a request has asked to repeat a signal.
    pub(crate) repeats: AtomicBool,
    /// Set once the watch may end.
    pub(crate) over: AtomicBool,
}

impl IoStats {
    pub(crate) fn of(main: Option<i32>) -> Self {
        Self {
            main,
            ..Self::default()
        }
    }

    pub(crate) fn gone(&self) -> Option<Process> {
        self.gone.lock().unwrap().clone()
    }

    /// Takes an answer to a call that was made when the state was `floor` at least.
    fn take(&self, floor: i32, process: &Process) {
        if self.main.is_some_and(|main| main != process.pid) {
            return;
        }
        self.answers.fetch_add(1, Ordering::Relaxed);
        assert!(
            process.state >= floor,
            "a client saw the state go back: {floor} was seen, then {process:?}"
        );
        self.state.fetch_max(process.state, Ordering::SeqCst);
        let ended = process.exit_code.is_some() || process.exit_signal.is_some();
        assert_eq!(
            process.state() == State::Gone,
            ended,
            "gone is how it ended: {process:?}"
        );
        assert!(
            process.requested || process.state() != State::ShuttingDown,
            "shutting down is asked for: {process:?}"
        );
        outcomes::check(process, self.repeats.load(Ordering::SeqCst));
        if ended {
            let mut gone = self.gone.lock().unwrap();
            let before = gone.get_or_insert_with(|| process.clone());
            let facts = |process: &Process| {
                (
                    process.pid,
                    process.exit_code,
                    process.exit_signal,
                    process.requested,
                    process.exited_at,
                    process.outcome,
                    process.signals.clone(),
                )
            };
            assert_eq!(
                facts(before),
                facts(process),
                "what is over does not change"
            );
        }
    }

    /// One call on a connection of its own. `None`: there was no answer, which a broken connection
    /// excuses.
    pub(crate) fn ask(
        &self,
        address: &str,
        question: Question,
        patience: Duration,
    ) -> Option<Process> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let floor = self.state.load(Ordering::SeqCst);
        let answer = runtime.block_on(async {
            let asking = async {
                let channel = open(address).await.ok()?;
                let refusable = question.is_refusable();
                judge(question.put(channel).await, refusable)
            };
            tokio::time::timeout(patience, asking).await.ok().flatten()
        })?;
        self.take(floor, &answer);
        Some(answer)
    }
}

/// A request to a wrapper.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    State {
        wait_until: State,
        deadline: Option<Duration>,
    },
    ShutDown(InitiateGracefulShutdownRequest),
}

impl Question {
    /// Whether the wrapper refuses it where the abort has no signal.
    fn is_refusable(&self) -> bool {
        match self {
            Self::State { .. } => false,
            Self::ShutDown(request) => {
                request.force_after.is_some() && request.kill_after.is_none()
            }
        }
    }

    async fn put(self, channel: tonic::transport::Channel) -> Result<Process, Status> {
        match self {
            Self::State {
                wait_until,
                deadline,
            } => {
                let request = GetStateRequest {
                    wait_until: wait_until.into(),
                };
                let answer: GetStateResponse = unary(channel, GET_STATE, request, deadline).await?;
                Ok(answer.process.unwrap())
            }
            Self::ShutDown(request) => {
                let answer: InitiateGracefulShutdownResponse =
                    unary(channel, SHUTDOWN, request, None).await?;
                Ok(answer.process.unwrap())
            }
        }
    }
}

/// Which failures are expected under faults, and which are defects of the wrapper.
fn judge(answer: Result<Process, Status>, refusable: bool) -> Option<Process> {
    match answer {
        Ok(process) => Some(process),
        Err(status) => {
            // tonic says UNKNOWN, CANCELLED or UNAVAILABLE for a connection that breaks off.
            let weather = [
                Code::DeadlineExceeded,
                Code::Unavailable,
                Code::Unknown,
                Code::Cancelled,
            ];
            let refused = refusable && status.code() == Code::FailedPrecondition;
            assert!(
                refused || weather.contains(&status.code()),
                "the wrapper answered {status:?}"
            );
            None
        }
    }
}

/// Looks at the wrapper again and again: now, or waiting for a state; on one connection for a
/// while, on none that lasts. Ends when the watch is over.
pub(crate) fn watch(address: &str, seen: &IoStats, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    while !seen.over.load(Ordering::Relaxed) {
        runtime.block_on(async {
            let Ok(Ok(channel)) = tokio::time::timeout(PATIENCE, open(address)).await else {
                // Not there yet, or not there any more.
                tokio::time::sleep(Duration::from_millis(5)).await;
                return;
            };
            for _ in 0..rng.usize(1..30) {
                let wait_until = [State::Unknown, State::ShuttingDown, State::Gone][rng.usize(..3)];
                let deadline = Some(Duration::from_millis(rng.u64(1..300)));
                let question = Question::State {
                    wait_until,
                    deadline,
                };
                let floor = seen.state.load(Ordering::SeqCst);
                // Sometimes the connection is closed in the middle of a call.
                let patience = if rng.u8(..10) == 0 {
                    Duration::from_millis(rng.u64(..30))
                } else {
                    PATIENCE
                };
                let asking = question.put(channel.clone());
                match tokio::time::timeout(patience, asking)
                    .await
                    .map(|answer| judge(answer, false))
                {
                    Ok(Some(process)) => seen.take(floor, &process),
                    Ok(None) => {}
                    Err(_) => return,
                }
                if seen.over.load(Ordering::Relaxed) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(rng.u64(..10))).await;
            }
        });
    }
}
