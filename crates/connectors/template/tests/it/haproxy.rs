//! Real HAProxy: rendered from a list, checked, reloaded, under traffic.

use std::net::SocketAddr;

use syncline_connector_template::Context;
use syncline_contract::FilePath;
use syncline_model::Instance;
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::traffic::{Application, Traffic, get};
use super::world::{LONG, Server, World, list, local, render, weighted, words};

const HEAD: &str = "global
    stats socket DIR/socket mode 600 level admin expose-fd listeners
    hard-stop-after 10s
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option redispatch
";

const BACKENDS: &str = "
frontend in
    bind LISTEN
    default_backend order
{% for s in services() %}
backend {{ s.id }}
    balance roundrobin
    {% for i in s.instances %}
    server {{ i.id }} {{ i.address }} weight {{ i.haproxy_weight }} {{ 'disabled' if not i.in_use }}
    {% endfor %}
{% endfor %}
";

/// A signal says nothing of whether it was taken, and one that comes just when a
/// reload is through may be lost: it has gone well once there is a new worker.
const RELOAD: &str = "
echo >> DIR/reloads
workers=/proc/MASTER/task/MASTER/children
former=\" $(cat $workers) \"
for try in $(seq 10); do
    kill -USR2 MASTER
    for look in $(seq 50); do
        sleep 0.02
        for worker in $(cat $workers); do
            case \"$former\" in *\" $worker \"*) ;; *) exit 0 ;; esac
        done
    done
done
echo no new worker
exit 1
";

/// A running HAProxy that ends with its value.
pub(super) struct Haproxy {
    pub(super) world: World,
    pub(super) address: SocketAddr,
    server: Server,
    _port: PortBlock,
}

impl Haproxy {
    /// Starts it with nothing to say; from then on its configuration is what
    /// the template gives.
    pub(super) async fn start(backends: &str) -> anyhow::Result<Self> {
        let port = PortBlock::reserve()?;
        let address = port.http();
        let mut world = World::new("haproxy.cfg", Context::Haproxy, "");
        let folder = world.path("x").with_file_name("");
        let head = HEAD.replace("DIR/", &folder.display().to_string());
        world.write(
            "template.j2",
            &format!("{head}{backends}").replace("LISTEN", &address.to_string()),
        );
        world.write(
            "haproxy.cfg",
            &format!("{head}frontend in\n    bind {address}\n    http-request return status 503\n"),
        );
        world.config.check = words(&folder, &["haproxy", "-c", "-f", "{}"]);
        let run = ["haproxy", "-W", "-db", "-f", "DIR/haproxy.cfg"];
        let server = Server::start(&words(&folder, &run))?;
        let reload = RELOAD.replace("MASTER", &server.id().to_string());
        world.config.reload = words(&folder, &["sh", "-c", &reload]);
        eventually(LONG, async || {
            get(address, "/")
                .await
                .is_err_and(|error| error.contains("503"))
        })
        .await;
        Ok(Self {
            world,
            address,
            server,
            _port: port,
        })
    }

    /// Waits until the former worker is through and one application answers all.
    async fn answers_only(&self, wanted: &str) {
        eventually(LONG, async || {
            let mut all = true;
            for _ in 0..20 {
                all &= get(self.address, "/").await.as_deref() == Ok(wanted);
            }
            all
        })
        .await;
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.server.stop().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_instances_come_and_go() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let haproxy = Haproxy::start(BACKENDS).await?;
    let mut applications = Vec::new();
    for _ in 0..3 {
        applications.push(Application::start().await?);
    }
    let output = haproxy.world.output();
    let show = async |shown: &[(usize, f64)]| {
        let instance = |(at, weight): &(usize, f64)| {
            let application: &Application = &applications[*at];
            weighted(local(application.port), *weight)
        };
        render(
            &output,
            &list("order", shown.iter().map(instance).collect()),
        )
        .await
    };
    show(&[(0, 1.0)]).await.map_err(anyhow::Error::msg)?;
    haproxy
        .answers_only(&applications[0].port.to_string())
        .await;

    let traffic = Traffic::start(haproxy.address, 4);
    let steps: [&[(usize, f64)]; 5] = [
        &[(0, 1.0), (1, 1.0)],
        &[(0, 1.0), (1, 5.0), (2, 0.5)],
        &[(1, 5.0), (2, 0.5)],
        &[(0, 0.0), (1, 1.0), (2, 1.0)],
        &[(2, 1.0)],
    ];
    for shown in steps {
        show(shown).await.map_err(anyhow::Error::msg)?;
        let sent = traffic.sent();
        eventually(LONG, async || traffic.sent() >= sent + 200).await;
    }
    haproxy
        .answers_only(&applications[2].port.to_string())
        .await;
    let (answers, failures) = traffic.stop().await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(answers.len(), 3, "all took part: {answers:?}");
    haproxy.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_never_reaches_haproxy() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let haproxy = Haproxy::start(BACKENDS).await?;
    let application = Application::start().await?;
    let output = haproxy.world.output();
    let order = list("order", vec![local(application.port)]);
    render(&output, &order).await.map_err(anyhow::Error::msg)?;
    let answers = async || get(haproxy.address, "/").await == Ok(application.port.to_string());
    eventually(LONG, answers).await;
    let good = haproxy.world.file();
    let template = haproxy.world.read("template.j2");
    haproxy
        .world
        .write("template.j2", &format!("{template}\nbogus on\n"));
    let error = render(&output, &order).await.expect_err("refused");
    assert!(error.contains("unknown keyword 'bogus'"), "{error}");
    assert_eq!(haproxy.world.file(), good);
    assert_eq!(
        get(haproxy.address, "/").await,
        Ok(application.port.to_string())
    );
    haproxy.stop().await
}

/// Asks the running process.
async fn ask(haproxy: &Haproxy, command: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(haproxy.world.path("socket")).await?;
    stream.write_all(format!("{command}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_of_servers_alone_needs_no_reload() -> anyhow::Result<()> {
    if !run::require_program("haproxy") {
        return Ok(());
    }
    let mut haproxy = Haproxy::start(BACKENDS).await?;
    haproxy.world.config.runtime = Some(FilePath::new(haproxy.world.path("socket")));
    let reloads = || haproxy.world.read("reloads").lines().count();
    let applications = [Application::start().await?, Application::start().await?];
    let [one, two] = applications
        .each_ref()
        .map(|application| local(application.port));
    let (first, second) = (one.key.port.to_string(), two.key.port.to_string());
    let output = haproxy.world.output();
    let show = async |instances: &[&Instance]| {
        let instances = instances.iter().map(|instance| (*instance).clone());
        render(&output, &list("order", instances.collect())).await
    };
    show(&[&one]).await.map_err(anyhow::Error::msg)?;
    haproxy.answers_only(&first).await;
    assert_eq!(reloads(), 1, "who runs with what is not known at first");
    // The former worker is through once the socket is the new one's.
    let weight = format!("get weight order/s__127.0.0.1__{second}");
    let traffic = Traffic::start(haproxy.address, 2);

    show(&[&one, &weighted(two.clone(), 0.5)])
        .await
        .map_err(anyhow::Error::msg)?;
    assert!(ask(&haproxy, &weight).await?.starts_with("50 "), "added");
    show(&[&one, &weighted(two.clone(), 2.0)])
        .await
        .map_err(anyhow::Error::msg)?;
    assert!(ask(&haproxy, &weight).await?.starts_with("200 "), "changed");
    let mut out = one.clone();
    out.enabled = false;
    show(&[&out, &two]).await.map_err(anyhow::Error::msg)?;
    haproxy.answers_only(&second).await;
    show(&[&one, &two]).await.map_err(anyhow::Error::msg)?;
    show(&[&one]).await.map_err(anyhow::Error::msg)?;
    haproxy.answers_only(&first).await;
    assert_eq!(reloads(), 1, "the running process was told");

    let (answers, failures) = traffic.stop().await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(answers.len(), 2, "both took part: {answers:?}");

    // A new backend is more than servers.
    let mut both = list("order", vec![one.clone()]);
    both.extend(list("pay", vec![two.clone()]));
    render(&output, &both).await.map_err(anyhow::Error::msg)?;
    assert_eq!(reloads(), 2);
    haproxy.stop().await
}
