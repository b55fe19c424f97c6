//! When a consumer is given a list, and which.

use std::time::Duration;

use async_trait::async_trait;
use syncline_contract::{Class, Failure};
use syncline_model::{Instance, Port};
use tokio::time::{Instant, sleep};

use super::*;

/// Remembers each list that it was given, and when.
struct Recorder {
    lasting: Lasting,
    given: Mutex<Vec<(Duration, Vec<String>)>>,
    fails: Mutex<bool>,
    began: Instant,
}

#[async_trait]
impl Output for Recorder {
    fn describe(&self) -> OutputReport {
        OutputReport {
            product: "a recorder".to_owned(),
            debounce: Debounce::default(),
            lasting: self.lasting,
        }
    }

    async fn render(&self, snapshot: &Snapshot, _: &[ServiceKey]) -> Result<(), Failure> {
        if *self.fails.lock() {
            return Err(Failure::new(Class::Transient, "write the list"));
        }
        let services = snapshot.keys().map(|key| key.name.to_string());
        let given = (self.began.elapsed(), services.collect());
        self.given.lock().push(given);
        Ok(())
    }
}

struct Scene {
    recorder: Arc<Recorder>,
    rendering: Rendering,
    applied: mpsc::Receiver<Event>,
    _cancel: tokio_util::sync::DropGuard,
}

impl Scene {
    fn of(lasting: Lasting) -> Self {
        let recorder = Arc::new(Recorder {
            lasting,
            given: Mutex::default(),
            fails: Mutex::default(),
            began: Instant::now(),
        });
        let (events, applied) = mpsc::channel(1024);
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let link = LinkName::from("link");
        let output = Arc::clone(&recorder) as Arc<dyn Output>;
        let rendering = Rendering::start(link, output, events, &tasks, cancel.clone());
        Self {
            recorder,
            rendering,
            applied,
            _cancel: cancel.drop_guard(),
        }
    }

    fn give(&self, service: &str, instances: u16) {
        let instances = (1..=instances).filter_map(Port::new);
        let instances = instances.map(|port| Instance::new("10.0.0.1", port));
        self.rendering.apply(Write {
            service: ServiceKey::new("public", "G", service),
            accepted: Arc::new(ServiceSet::new(instances.collect())),
            changes: Arc::from([]),
            taken_over: Arc::from([]),
        });
    }

    fn given(&self) -> Vec<Vec<String>> {
        let given = self.recorder.given.lock();
        given.iter().map(|(_, services)| services.clone()).collect()
    }
}

/// Longer than any list is held back.
const LONG: Duration = Duration::from_secs(10);

#[tokio::test(start_paused = true)]
async fn nothing_is_given_before_a_whole_list_is_known() {
    let scene = Scene::of(Lasting::Stays);
    scene.give("a", 1);
    scene.rendering.resume();
    sleep(LONG).await;
    assert_eq!(scene.given(), [] as [Vec<String>; 0]);
    scene.give("b", 1);
    scene.rendering.settle();
    sleep(LONG).await;
    assert_eq!(scene.given(), [["a", "b"]]);
}

#[tokio::test(start_paused = true)]
async fn consumers_that_have_nothing_more_are_given_what_they_had() {
    let scene = Scene::of(Lasting::Ends);
    scene.give("a", 1);
    sleep(LONG).await;
    assert_eq!(scene.given(), [] as [Vec<String>; 0]);
    scene.rendering.resume();
    sleep(LONG).await;
    assert_eq!(scene.given(), [["a"]]);
    scene.rendering.settle();
    sleep(LONG).await;
    assert_eq!(scene.given(), [["a"]], "nothing has changed since");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_empty_is_an_empty_list() {
    let scene = Scene::of(Lasting::Ends);
    scene.rendering.settle();
    sleep(LONG).await;
    scene.give("a", 2);
    sleep(LONG).await;
    scene.give("a", 0);
    sleep(LONG).await;
    assert_eq!(scene.given(), [vec![], vec!["a".to_owned()], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_is_given_as_often_as_the_debounce_says() {
    let scene = Scene::of(Lasting::Stays);
    scene.rendering.settle();
    sleep(LONG).await;
    let begun = scene.recorder.began.elapsed();
    // A change each millisecond for three seconds never is quiet for five.
    for change in 0..3000_u16 {
        scene.give("a", 1 + change % 2);
        sleep(Duration::from_millis(1)).await;
    }
    sleep(LONG).await;
    let given = scene.recorder.given.lock();
    let moments: Vec<_> = given.iter().skip(1).map(|(at, _)| *at - begun).collect();
    assert!((5..=7).contains(&moments.len()), "{moments:?}");
    let last = moments.last().expect("some");
    assert!(*last <= Duration::from_millis(3_510), "{moments:?}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_told_and_given_with_the_next() {
    let mut scene = Scene::of(Lasting::Stays);
    scene.rendering.settle();
    sleep(LONG).await;
    *scene.recorder.fails.lock() = true;
    scene.give("a", 1);
    let failed = scene.applied.recv().await;
    assert!(
        matches!(failed, Some(Event::Applied { result: Err(_), .. })),
        "{failed:?}"
    );
    *scene.recorder.fails.lock() = false;
    scene.give("b", 1);
    let applied = scene.applied.recv().await;
    assert!(
        matches!(applied, Some(Event::Applied { result: Ok(()), .. })),
        "{applied:?}"
    );
    assert_eq!(
        scene.given(),
        [vec![], vec!["a".to_owned(), "b".to_owned()]]
    );
}
