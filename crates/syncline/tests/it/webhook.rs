//! A webhook of the real binary, and a receiver that is not always in the mood.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};
use syncline_testkit::eventually;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::daemon::application::Application;
use crate::daemon::process::{Setup, Syncline};
use crate::daemon::registry::Embedded;
use crate::daemon::seen::{Instance, Service};

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Takes posts, and answers as it is told to.
struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    _serving: DropGuard,
}

#[derive(Default)]
struct Shared {
    posts: Mutex<Vec<Post>>,
    /// The first lines and headers of the next answers; 204 after the last.
    moods: Mutex<VecDeque<String>>,
}

/// A post, with the answer that it got.
#[derive(Clone, Debug)]
struct Post {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    json: Value,
    taken: bool,
}

impl Receiver {
    async fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let cancel = CancellationToken::new();
        let (serving, with) = (cancel.clone(), Arc::clone(&shared));
        tokio::spawn(cancel.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answered = answer(stream, Arc::clone(&with));
                tokio::spawn(serving.clone().run_until_cancelled_owned(answered));
            }
        }));
        Ok(Self {
            address,
            shared,
            _serving: cancel.drop_guard(),
        })
    }

    /// How the next posts are answered.
    fn answers(&self, moods: &[&str]) {
        let moods = moods.iter().map(|mood| (*mood).to_owned());
        self.shared.moods.lock().extend(moods);
    }

    fn posts(&self) -> Vec<Post> {
        self.shared.posts.lock().clone()
    }

    /// The posts about a service that were taken.
    fn taken(&self, service: &str) -> Vec<Value> {
        let posts = self.posts().into_iter();
        let about = posts.filter(|post| post.taken && post.json["service"] == service);
        about.map(|post| post.json).collect()
    }

    /// Waits until so many posts about a service were taken.
    async fn has_taken(&self, service: &str, count: usize) -> Vec<Value> {
        eventually(PATIENCE, || async { self.taken(service).len() >= count }).await;
        self.taken(service)
    }
}

async fn answer(stream: TcpStream, shared: Arc<Shared>) -> anyhow::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut line) = (BTreeMap::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_lowercase(), value.to_owned()),
                None if line.trim_end().is_empty() => break,
                None => headers.insert(String::new(), line.trim_end().to_owned()),
            };
        }
        let length = headers.get("content-length").context("a length")?.parse()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let mood = shared.moods.lock().pop_front();
        let json = serde_json::from_slice(&body)?;
        shared.posts.lock().push(Post {
            headers,
            body,
            json,
            taken: mood.is_none(),
        });
        let head = match mood.as_deref() {
            // The post arrived, and its sender never hears of it.
            Some("") => return Ok(()),
            Some(mood) => mood,
            None => "204 No Content",
        };
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await?;
    }
}

/// A registry, an application that registers there, and a daemon that posts.
struct Scene {
    source: Embedded,
    application: Application,
    daemon: Syncline,
}

async fn scene(url: &str) -> anyhow::Result<Scene> {
    let source = Embedded::serve().await?;
    let application = Application::at(source.nacos).await?;
    let daemon = Setup::new()?.run(&format!(
        "endpoints:
  source: {{ kind: nacos, {} }}
  hook: {{ kind: webhook, url: \"{url}\", secret: {SECRET} }}
links:
  - {{ name: to-hook, from: source, to: hook }}
",
        source.nacos.servers()
    ))?;
    Ok(Scene {
        source,
        application,
        daemon,
    })
}

fn orders() -> Service {
    Service::plain("orders")
}

fn steps(event: &Value) -> Vec<(String, Value, Value)> {
    let steps = event["changes"].as_array().cloned().unwrap_or_default();
    let step = |step: Value| {
        let word = step["change"].as_str().unwrap_or_default().to_owned();
        (
            word,
            step["before"]["weight"].clone(),
            step["after"]["weight"].clone(),
        )
    };
    steps.into_iter().map(step).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_come_in_order_signed_with_before_and_after() -> anyhow::Result<()> {
    let receiver = Receiver::new().await?;
    let Scene {
        mut application,
        mut daemon,
        source: _source,
    } = scene(&format!("http://{}/hook", receiver.address)).await?;
    let two = ["10.0.0.1:80", "10.0.0.2:80"].map(Instance::at);
    application.put_all(&orders(), &two).await?;
    let seen = receiver.has_taken("orders", 1).await;
    let added = || ("added".to_owned(), Value::Null, json!(1.0));
    assert_eq!(steps(&seen[0]), [added(), added()]);

    // Neither an error nor an answer that got lost loses or swaps a change.
    receiver.answers(&["503 Busy\r\nretry-after: 1", "", "500 Oh"]);
    let heavy = Instance::at("10.0.0.2:80").weighing(3.0);
    application.put(&orders(), &heavy).await?;
    let seen = receiver.has_taken("orders", 2).await;
    assert_eq!(
        steps(&seen[1]),
        [("updated".to_owned(), json!(1.0), json!(3.0))]
    );
    application.remove(&orders(), "10.0.0.1:80").await?;
    let seen = receiver.has_taken("orders", 3).await;
    assert_eq!(
        steps(&seen[2]),
        [("removed".to_owned(), json!(1.0), Value::Null)]
    );
    assert_eq!(seen[2]["instances"].as_array().map(Vec::len), Some(1));

    let posts = receiver.posts();
    // What was tried again is the same post, by its id too.
    let ids: Vec<_> = posts
        .iter()
        .map(|post| post.json["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 6, "{ids:?}");
    assert!(ids[1..5].iter().all(|id| *id == ids[1]), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[5] != ids[1]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    for post in posts {
        let header = |name: &str| post.headers.get(name).map_or("", String::as_str);
        let signed = [header("syncline-timestamp").as_bytes(), b".", &post.body].concat();
        let signature = header("syncline-signature")
            .strip_prefix("v1=")
            .unwrap_or("");
        let bytes: Vec<u8> = (0..signature.len() / 2)
            .map(|at| u8::from_str_radix(&signature[at * 2..at * 2 + 2], 16))
            .collect::<Result<_, _>>()?;
        assert!(hmac::verify(&key, &signed, &bytes).is_ok(), "{post:?}");
    }
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_tells_how_everything_is() -> anyhow::Result<()> {
    let receiver = Receiver::new().await?;
    let Scene {
        mut application,
        mut daemon,
        source: _source,
    } = scene(&format!("http://{}/", receiver.address)).await?;
    let one = Instance::at("10.0.0.1:80").with("zone", "a");
    application.put(&orders(), &one).await?;
    receiver.has_taken("orders", 1).await;
    daemon.in_step().await?;
    daemon.stop().await?;
    daemon.restart()?;
    let seen = receiver.has_taken("orders", 2).await;
    assert_eq!(seen[1]["kind"], "snapshot");
    assert_eq!(seen[1]["changes"], json!([]));
    assert_eq!(seen[1]["instances"][0]["metadata"]["zone"], "a");
    daemon.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_lead_nowhere() -> anyhow::Result<()> {
    let (receiver, elsewhere) = (Receiver::new().await?, Receiver::new().await?);
    let location = format!("307 Go\r\nlocation: http://{}/", elsewhere.address);
    receiver.answers(&[&*location; 9]);
    let Scene {
        mut application,
        mut daemon,
        source: _source,
    } = scene(&format!("http://{}/", receiver.address)).await?;
    application
        .put(&orders(), &Instance::at("10.0.0.1:80"))
        .await?;
    eventually(PATIENCE, || async { !receiver.posts().is_empty() }).await;
    let told = |status: &syncline_admin::api::Status| {
        format!("{status:?}").contains("redirects are not followed")
    };
    daemon.is(told).await?;
    assert!(elsewhere.posts().is_empty());
    daemon.stop().await
}
