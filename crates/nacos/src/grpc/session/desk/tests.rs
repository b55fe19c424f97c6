//! The desk: every order of wishes, answers and losses ends with what was
//! wished last.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::oneshot::error::TryRecvError;

use super::*;
use crate::grpc::{CallCause, Lost, ServiceRef};
use crate::message::ErrorCode;
use crate::message::payload::ErrorResponse;

fn subject(name: &str) -> Subject {
    Subject::Publication(ServiceRef::new("public", "G", name))
}

fn set(ip: &str) -> Wish {
    let instance = Instance {
        ip: ip.to_owned(),
        ..Instance::default()
    };
    Wish::Published([instance].into())
}

fn offline() -> SessionError {
    SessionError::NotConnected { last_error: None }
}

fn failure(code: ErrorCode) -> Arc<CallError> {
    Arc::new(CallError {
        attempted: "try".into(),
        server: "fake".into(),
        cause: CallCause::Refused(ErrorResponse {
            kind: "ErrorResponse".into(),
            result_code: 500,
            code,
            message: None,
        }),
    })
}

fn lost() -> SessionError {
    SessionError::Call(Arc::new(CallError {
        attempted: "try".into(),
        server: "fake".into(),
        cause: CallCause::Lost(Lost::StreamEnded),
    }))
}

fn online() -> Desk {
    let mut desk = Desk::default();
    desk.connected();
    desk
}

#[test]
fn a_wish_is_a_job_and_stands_when_it_is_done() {
    let mut desk = online();
    assert!(desk.is_settled());
    let mut told = desk.wish(subject("a"), set("1"), offline);
    assert!(!desk.is_settled());
    let job = desk.next().expect("a job");
    assert_eq!(job.wish, set("1"));
    assert!(desk.next().is_none());
    assert_eq!(told.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(desk.finished(&job, Ok(())), Next::Settled);
    assert!(told.try_recv().expect("told").is_ok());
    assert!(desk.stands(&subject("a")) && desk.is_settled());
}

#[test]
fn a_wish_during_a_call_is_the_next_call() {
    let mut desk = online();
    let mut first = desk.wish(subject("a"), set("1"), offline);
    let job = desk.next().expect("a job");
    let mut second = desk.wish(subject("a"), set("2"), offline);
    let mut third = desk.wish(subject("a"), set("3"), offline);
    assert!(desk.next().is_none(), "one call for each subject at a time");
    desk.finished(&job, Ok(()));
    assert!(first.try_recv().expect("told").is_ok());
    assert_eq!(second.try_recv().unwrap_err(), TryRecvError::Empty);
    assert!(!desk.stands(&subject("a")));
    let job = desk.next().expect("the next");
    assert_eq!(job.wish, set("3"));
    desk.finished(&job, Ok(()));
    assert!(second.try_recv().expect("told").is_ok());
    assert!(third.try_recv().expect("told").is_ok());
}

#[test]
fn a_transient_failure_is_tried_again_and_a_refusal_is_not() {
    let mut desk = online();
    let mut told = desk.wish(subject("a"), set("1"), offline);
    for failures in 1..4 {
        let job = desk.next().expect("a job");
        let next = desk.finished(&job, Err(failure(ErrorCode::SERVER_ERROR)));
        assert_eq!(next, Next::Again { failures });
        assert!(desk.next().is_none(), "not before the wait is over");
        desk.again(&subject("a"));
    }
    assert!(told.try_recv().expect("told").is_err());
    let job = desk.next().expect("a job");
    let next = desk.finished(&job, Err(failure(ErrorCode::INVALID_PARAM)));
    assert_eq!(next, Next::Settled);
    assert!(desk.is_settled() && !desk.stands(&subject("a")));
    desk.lost(&lost());
    desk.connected();
    assert!(desk.next().is_some(), "another connection may take it");
}

#[test]
fn a_loss_ends_waiting_and_everything_is_wanted_again() {
    let mut desk = online();
    let watch = Subject::Subscription(ServiceRef::new("public", "G", "a"));
    let mut waiting = desk.wish(watch.clone(), Wish::Watched, offline);
    drop(desk.wish(subject("a"), set("1"), offline));
    let mut going = desk.wish(subject("b"), set("2"), offline);
    drop(desk.next());
    let mut withdrawn = desk.wish(subject("b"), Wish::Nothing, offline);
    desk.lost(&lost());
    assert!(waiting.try_recv().expect("told").is_err());
    assert!(
        going.try_recv().expect("told").is_ok(),
        "gone with the connection, as was wished"
    );
    assert!(withdrawn.try_recv().expect("told").is_ok());
    let mut offline_wish = desk.wish(subject("c"), set("3"), offline);
    assert!(offline_wish.try_recv().expect("told").is_err());

    desk.connected();
    let mut jobs = Vec::new();
    while let Some(job) = desk.next() {
        jobs.push(job.subject);
    }
    assert_eq!(jobs.pop(), Some(watch), "what is published comes first");
    jobs.sort();
    assert_eq!(jobs, [subject("a"), subject("c")]);
}

#[test]
fn a_move_does_not_end_waiting() {
    let mut desk = online();
    let mut told = desk.wish(subject("a"), set("1"), offline);
    drop(desk.next());
    desk.connected();
    assert_eq!(told.try_recv().unwrap_err(), TryRecvError::Empty);
    let job = desk.next().expect("the same job, on the next connection");
    desk.finished(&job, Ok(()));
    assert!(told.try_recv().expect("told").is_ok());
}

#[test]
fn a_withdrawal_names_an_instance_that_was_published() {
    let mut desk = online();
    drop(desk.wish(subject("a"), set("1"), offline));
    drop(desk.next());
    drop(desk.wish(subject("a"), Wish::Nothing, offline));
    desk.lost(&lost());
    assert!(desk.entries.is_empty());
    desk.connected();
    drop(desk.wish(subject("a"), set("1"), offline));
    let job = desk.next().expect("a job");
    desk.finished(&job, Ok(()));
    drop(desk.wish(subject("a"), Wish::Nothing, offline));
    let job = desk.next().expect("the withdrawal");
    assert_eq!(job.example.as_ref().expect("an example").ip, "1");
    desk.finished(&job, Ok(()));
    assert!(desk.entries.is_empty() && desk.is_settled());
}

/// What may happen to a desk.
#[derive(Debug, Clone)]
enum Happening {
    Wish(usize, Option<u8>),
    Start,
    Finish(prop::sample::Index, Option<i64>),
    Again,
    Lose,
    Connect,
}

fn happening() -> impl Strategy<Value = Happening> {
    let code = prop::option::of(prop::sample::select(vec![400, 500, 503]));
    prop_oneof![
        4 => (0..3_usize, prop::option::of(0..3_u8)).prop_map(|(who, what)| Happening::Wish(who, what)),
        4 => Just(Happening::Start),
        4 => (any::<prop::sample::Index>(), code).prop_map(|(which, how)| Happening::Finish(which, how)),
        2 => Just(Happening::Again),
        1 => Just(Happening::Lose),
        1 => Just(Happening::Connect),
    ]
}

/// A desk beside what a server would hold.
#[derive(Default)]
struct World {
    desk: Desk,
    connected: bool,
    wanted: HashMap<Subject, Wish>,
    held: HashMap<Subject, Wish>,
    running: Vec<Job>,
    waiting: Vec<Subject>,
}

impl World {
    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wish(who, what) => {
                let subject = subject(["a", "b", "c"][who]);
                let wish = what.map_or(Wish::Nothing, |ip| set(&ip.to_string()));
                self.wanted.insert(subject.clone(), wish.clone());
                drop(self.desk.wish(subject, wish, offline));
            }
            Happening::Start => self.running.extend(self.desk.next()),
            Happening::Finish(which, code) => {
                if !self.running.is_empty() {
                    let job = self.running.swap_remove(which.index(self.running.len()));
                    self.finish(job, code);
                }
            }
            Happening::Again => {
                if let Some(subject) = self.waiting.pop() {
                    self.desk.again(&subject);
                }
            }
            Happening::Lose => {
                self.desk.lost(&lost());
                self.connected = false;
                self.forget();
            }
            // While connected, a move.
            Happening::Connect => {
                self.connected = true;
                self.desk.connected();
                self.forget();
            }
        }
        let mut busy: Vec<_> = self.running.iter().map(|job| &job.subject).collect();
        let running = busy.len();
        busy.sort();
        busy.dedup();
        assert_eq!(busy.len(), running, "one call for each subject at a time");
    }

    fn forget(&mut self) {
        self.held.clear();
        self.running.clear();
        self.waiting.clear();
    }

    fn finish(&mut self, job: Job, code: Option<i64>) {
        let result = match code {
            Some(code) => Err(failure(ErrorCode(code))),
            None => {
                self.held.insert(job.subject.clone(), job.wish.clone());
                Ok(())
            }
        };
        if let Next::Again { .. } = self.desk.finished(&job, result) {
            self.waiting.push(job.subject);
        }
    }

    /// Lets everything succeed from now on, over a fresh connection.
    fn settle(&mut self) {
        self.happen(Happening::Lose);
        self.happen(Happening::Connect);
        while let Some(job) = self.desk.next() {
            self.finish(job, None);
        }
    }
}

proptest! {
    #[test]
    fn what_was_wished_last_stands_in_the_end(story in prop::collection::vec(happening(), 0..60)) {
        let mut world = World::default();
        for happening in story {
            world.happen(happening);
        }
        world.settle();
        prop_assert!(world.desk.is_settled());
        world.wanted.retain(|_, wish| *wish != Wish::Nothing);
        world.held.retain(|_, wish| *wish != Wish::Nothing);
        prop_assert_eq!(&world.held, &world.wanted);
        for subject in world.wanted.keys() {
            prop_assert!(world.desk.stands(subject));
        }
        prop_assert_eq!(world.desk.entries.len(), world.wanted.len());
    }

    #[test]
    fn without_a_loss_it_comes_to_rest_by_itself(story in prop::collection::vec(happening(), 0..60)) {
        let mut world = World::default();
        world.happen(Happening::Connect);
        for happening in story {
            if !matches!(happening, Happening::Lose | Happening::Connect) {
                world.happen(happening);
            }
        }
        // Whatever runs or waits succeeds from now on.
        while let Some(subject) = world.waiting.pop() {
            world.desk.again(&subject);
        }
        for job in std::mem::take(&mut world.running) {
            world.finish(job, None);
        }
        while let Some(job) = world.desk.next() {
            world.finish(job, None);
        }
        prop_assert!(world.desk.is_settled());
        prop_assert_eq!(world.desk.pending(), 0);
        for (subject, wish) in &world.wanted {
            // A refused wish rests until the next connection.
            if world.desk.stands(subject) {
                prop_assert_eq!(world.held.get(subject), Some(wish));
            }
        }
    }
}
