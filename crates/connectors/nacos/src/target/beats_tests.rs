use super::*;
use syncline_model::{Metadata, Port, Seen};

const INTERVAL: Duration = Duration::from_secs(15);

fn at(seconds: u64) -> Moment {
    Moment::after_origin(Duration::from_secs(seconds))
}

fn service() -> ServiceKey {
    ServiceKey::new("public", "G", "s")
}

fn instance(n: u16) -> Instance {
    Instance::new("10.0.0.1", Port::new(n).expect("not zero"))
}

fn holding(count: u16) -> Beats {
    let mut beats = Beats::default();
    for n in 1..=count {
        beats.hold(&service(), instance(n), at(0));
    }
    beats
}

/// All that is due by then.
fn due(beats: &mut Beats, now: Moment) -> Vec<Job> {
    std::iter::from_fn(|| beats.next_job(now)).collect()
}

#[test]
fn beats_are_spread_over_the_interval_and_stay_so() {
    let mut beats = holding(1_000);
    let mut first = 0;
    for second in 1..=15 {
        let jobs = due(&mut beats, at(second));
        assert!(
            (30..110).contains(&jobs.len()),
            "{} in second {second}",
            jobs.len()
        );
        first += jobs.len();
        for job in jobs {
            assert_eq!(job.task, Task::Beat);
            beats.ended(&job, Outcome::Alive(INTERVAL), at(second));
        }
    }
    assert_eq!(first, 1_000);
    let second: usize = (16..=30)
        .map(|second| due(&mut beats, at(second)).len())
        .sum();
    assert_eq!(second, 1_000);
}

#[test]
fn a_server_that_forgot_one_is_asked_about_all_at_once() {
    let mut beats = holding(100);
    let job = due(&mut beats, at(15)).swap_remove(0);
    let mut beats = holding(100);
    let first = beats.next_job(at(15)).expect("due");
    assert_eq!(first.subject, job.subject);
    beats.ended(&first, Outcome::Unknown, at(1));
    let jobs = due(&mut beats, at(1));
    assert_eq!(jobs.len(), 100);
    let register: Vec<_> = jobs.iter().filter(|j| j.task == Task::Register).collect();
    assert_eq!(register.len(), 1);
    assert_eq!(register[0].subject, first.subject);
    for job in &jobs {
        beats.ended(job, Outcome::Alive(INTERVAL), at(1));
    }
    assert!(due(&mut beats, at(15)).is_empty(), "in step again");
}

#[test]
fn failures_are_tried_again_soon_and_never_later_than_a_beat() {
    let mut beats = holding(1);
    let mut now = 15;
    let mut waits = Vec::new();
    for _ in 0..7 {
        let job = beats.next_job(at(now)).expect("due");
        beats.ended(&job, Outcome::Failed, at(now));
        let next = beats.next_due().expect("still held");
        let wait = next.since(at(now)).as_secs();
        waits.push(wait);
        now += wait;
    }
    assert_eq!(waits, [1, 2, 4, 8, 15, 15, 15]);
}

#[test]
fn an_unhealthy_instance_is_registered_again_and_never_beats() {
    let mut beats = Beats::default();
    let mut sick = instance(1);
    sick.healthy = Seen::Known(false);
    beats.hold(&service(), sick, at(0));
    let job = beats.next_job(at(120)).expect("due");
    assert_eq!(job.task, Task::Register);
    beats.ended(&job, Outcome::Registered, at(120));
    assert_eq!(beats.next_due(), Some(at(240)));
}

#[test]
fn an_instance_with_times_of_its_own_beats_by_them() {
    let mut own = instance(1);
    own.metadata = Metadata::from_pairs([("preserved.heart.beat.interval", "2000")]);
    let mut beats = Beats::default();
    beats.hold(&service(), own, at(0));
    let job = beats.next_job(at(2)).expect("due within its interval");
    beats.ended(&job, Outcome::Alive(Duration::from_secs(5)), at(2));
    assert_eq!(beats.next_due(), Some(at(4)));
}

#[test]
fn what_was_let_go_while_it_was_registered_again_is_deregistered() {
    let mut beats = holding(1);
    let job = beats.next_job(at(15)).expect("due");
    beats.ended(&job, Outcome::Unknown, at(15));
    let job = beats.next_job(at(15)).expect("due again");
    beats.let_go(&service(), &job.subject.1);
    assert_eq!(
        beats.ended(&job, Outcome::Registered, at(16)),
        After::Deregister
    );
    assert_eq!(beats.registered(&service()).len(), 1, "until it is gone");
    beats.gone(&service(), &job.subject.1);
    assert!(beats.registered(&service()).is_empty());
}

#[test]
fn newer_content_is_registered_once_more_where_older_may_have_come_after_it() {
    let mut beats = holding(1);
    let job = beats.next_job(at(15)).expect("due");
    beats.ended(&job, Outcome::Unknown, at(15));
    let job = beats.next_job(at(15)).expect("due again");
    let mut newer = instance(1);
    newer.enabled = false;
    beats.hold(&service(), newer.clone(), at(16));
    assert_eq!(
        beats.ended(&job, Outcome::Registered, at(17)),
        After::Nothing
    );
    let job = beats.next_job(at(17)).expect("due at once");
    assert_eq!((job.task, &job.instance), (Task::Register, &newer));
}

#[test]
fn services_are_kept_apart() {
    let mut beats = holding(3);
    let other = ServiceKey::new("public", "G", "t");
    beats.hold(&other, instance(1), at(0));
    assert_eq!(beats.registered(&service()).len(), 3);
    assert_eq!(beats.registered(&other).len(), 1);
    assert_eq!(beats.len(), 4);
    assert_eq!(beats.drain().len(), 4);
    assert_eq!(beats.next_due(), None);
}

#[test]
fn a_registration_that_may_still_arrive_does_not_have_the_last_word() {
    let mut beats = holding(2);
    beats.doubt(&service(), &[instance(1).key], at(10));
    let mut newer = instance(1);
    newer.enabled = false;
    beats.hold(&service(), newer.clone(), at(20));
    let mut tasks_of_first = |now| {
        let jobs = due(&mut beats, at(now));
        let first = jobs.into_iter().filter(|job| job.subject.1 == newer.key);
        let first: Vec<Job> = first.collect();
        for job in &first {
            assert_eq!(job.instance, newer);
            beats.ended(job, Outcome::Registered, at(now));
        }
        first.iter().map(|job| job.task).collect::<Vec<_>>()
    };
    assert_eq!(tasks_of_first(40), [Task::Register]);
    assert_eq!(tasks_of_first(60), [Task::Register]);
    assert_eq!(tasks_of_first(80), [Task::Register], "was decided before");
    assert_eq!(tasks_of_first(100), [Task::Beat]);
}

#[test]
fn what_is_gone_is_not_registered_because_of_a_doubt() {
    let mut beats = holding(1);
    beats.doubt(&service(), &[instance(1).key], at(10));
    beats.let_go(&service(), &instance(1).key);
    beats.gone(&service(), &instance(1).key);
    assert_eq!(beats.next_due(), None);
    beats.hold(&service(), instance(1), at(20));
    let job = beats.next_job(at(40)).expect("due");
    assert_eq!(job.task, Task::Beat);
}
