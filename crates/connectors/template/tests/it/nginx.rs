//! Real nginx: rendered from a list, checked, reloaded, under traffic.

use std::net::SocketAddr;

use syncline_connector_template::{Context, TemplateOutput};
use syncline_contract::Snapshot;
use syncline_testkit::ports::PortBlock;
use syncline_testkit::{eventually, run};

use super::traffic::{Application, Traffic, get};
use super::world::{LONG, Server, World, list, local, render, weighted, words};

const HEAD: &str = "daemon off;
pid DIR/pid;
error_log DIR/error.log;
worker_processes 2;
worker_shutdown_timeout 10s;
events {}
http {
access_log off;
client_body_temp_path DIR/body; proxy_temp_path DIR/proxy; fastcgi_temp_path DIR/fastcgi;
uwsgi_temp_path DIR/uwsgi; scgi_temp_path DIR/scgi;
";

const UPSTREAMS: &str = "
{% for s in services() %}
upstream {{ s.id }} {
  {% for i in s.instances %}
    server {{ i.address }} weight={{ i.nginx_weight or 1 }}{% if not i.in_use %} down{% endif %};
  {% else %}
    server 127.0.0.1:9 down;
  {% endfor %}
}
{% endfor %}
server {
    listen LISTEN;
    location / { proxy_pass http://order; }
}
}
";

/// A running nginx that ends with its value.
pub(super) struct Nginx {
    pub(super) world: World,
    pub(super) address: SocketAddr,
    server: Server,
    _port: PortBlock,
}

impl Nginx {
    /// Starts it with nothing to say; from then on its configuration is what
    /// the template gives.
    pub(super) async fn start(upstreams: &str) -> anyhow::Result<Self> {
        let port = PortBlock::reserve()?;
        let address = port.http();
        let mut world = World::new("nginx.conf", Context::Nginx, "");
        let folder = world.path("");
        let folder = folder.display().to_string();
        let folder = folder.trim_end_matches('/');
        let head = HEAD.replace("DIR", folder);
        world.write(
            "template.j2",
            &format!("{head}{upstreams}").replace("LISTEN", &address.to_string()),
        );
        world.write(
            "nginx.conf",
            &format!("{head} server {{ listen {address}; }} }}"),
        );
        let nginx = ["nginx", "-p", "DIR", "-c", "DIR/nginx.conf", "-s", "reload"];
        world.config.reload = words(folder.as_ref(), &nginx);
        world.config.check = words(
            folder.as_ref(),
            &["nginx", "-t", "-q", "-p", "DIR", "-c", "{}"],
        );
        let run = ["nginx", "-p", "DIR", "-c", "DIR/nginx.conf"];
        let server = Server::start(&words(folder.as_ref(), &run))?;
        let nginx = Self {
            world,
            address,
            server,
            _port: port,
        };
        eventually(LONG, async || nginx.workers().len() == 2).await;
        Ok(nginx)
    }

    /// Gives it a list, and waits until only new workers answer.
    pub(super) async fn takes(
        &self,
        output: &TemplateOutput,
        list: &Snapshot,
    ) -> anyhow::Result<()> {
        let former = self.workers();
        render(output, list).await.map_err(anyhow::Error::msg)?;
        eventually(LONG, async || {
            let workers = self.workers();
            workers.len() == 2 && !workers.iter().any(|worker| former.contains(worker))
        })
        .await;
        Ok(())
    }

    /// The processes that answer.
    fn workers(&self) -> Vec<String> {
        let id = self.server.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect()
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.server.stop().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_never_reaches_nginx() -> anyhow::Result<()> {
    if !run::require_program("nginx") {
        return Ok(());
    }
    let nginx = Nginx::start(UPSTREAMS).await?;
    let mut application = Application::start().await?;
    let output = nginx.world.output();
    let order = list("order", vec![local(application.port)]);
    nginx.takes(&output, &order).await?;
    assert_eq!(
        get(nginx.address, "/").await,
        Ok(application.port.to_string())
    );
    let good = nginx.world.file();
    let workers = nginx.workers();

    let template = nginx.world.read("template.j2");
    for (broken, said) in [
        ("{% for %}", "render the template: "),
        ("{{ nothing }}", "render the template: "),
        ("bogus on;", "unknown directive \"bogus\""),
        ("upstream empty {}", "no servers are inside upstream"),
    ] {
        nginx.world.write(
            "template.j2",
            &template.replace("\nserver {", &format!("\n{broken}\nserver {{")),
        );
        let error = render(&output, &order).await.expect_err(broken);
        assert!(error.contains(said), "{broken}: {error}");
        assert_eq!(nginx.world.file(), good, "{broken}");
        assert_eq!(nginx.workers(), workers, "{broken}");
        assert_eq!(
            get(nginx.address, "/").await,
            Ok(application.port.to_string())
        );
    }
    application.stop();
    nginx.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_instances_come_and_go() -> anyhow::Result<()> {
    if !run::require_program("nginx") {
        return Ok(());
    }
    let nginx = Nginx::start(UPSTREAMS).await?;
    let mut applications = Vec::new();
    for _ in 0..3 {
        applications.push(Application::start().await?);
    }
    let output = nginx.world.output();
    let shown = |shown: &[(usize, f64)]| {
        let instance = |(at, weight): &(usize, f64)| {
            let application: &Application = &applications[*at];
            weighted(local(application.port), *weight)
        };
        list("order", shown.iter().map(instance).collect())
    };
    nginx.takes(&output, &shown(&[(0, 1.0)])).await?;

    let traffic = Traffic::start(nginx.address, 4);
    let steps: [&[(usize, f64)]; 6] = [
        &[(0, 1.0), (1, 1.0)],
        &[(0, 1.0), (1, 5.0), (2, 0.5)],
        &[(1, 5.0), (2, 0.5)],
        &[(0, 0.0), (1, 1.0), (2, 1.0)],
        &[(0, 1.0), (2, 1.0)],
        &[(2, 1.0)],
    ];
    for step in steps {
        nginx.takes(&output, &shown(step)).await?;
        let sent = traffic.sent();
        eventually(LONG, async || traffic.sent() >= sent + 200).await;
    }
    // The former workers are through: only the last one answers.
    for _ in 0..20 {
        assert_eq!(
            get(nginx.address, "/").await,
            Ok(applications[2].port.to_string())
        );
    }
    let (answers, failures) = traffic.stop().await;
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(answers.len(), 3, "all took part: {answers:?}");
    nginx.stop().await
}
