//! A file rendered from a template, with a check that may refuse it.

use syncline_testkit::eventually;

use super::PATIENCE;
use super::application::Application;
use super::process::{Setup, said};
use super::registry::Embedded;
use super::seen::{Instance, Service};

const TEMPLATE: &str = "\
{% for s in services() %}
{{ s.id }}: [{% for i in s.instances %}{{ i.address }}{% if not loop.last %}, {% endif %}{% endfor %}]
{% endfor %}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_check_refuses_is_told_and_tried_again_until_it_is_applied() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let mut application = Application::at(source.nacos).await?;
    let orders = Service::plain("orders");
    application
        .put(&orders, &Instance::at("10.0.0.1:80"))
        .await?;
    let setup = Setup::new()?;
    let (file, applied, refuse) = (
        setup.file("out.yaml"),
        setup.file("applied.yaml"),
        setup.file("refuse"),
    );
    std::fs::write(setup.file("services.j2"), TEMPLATE)?;
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  out:
    kind: template
    template: services.j2
    path: out.yaml
    check: [sh, -c, 'test ! -e {refuse} || {{ echo not now; exit 7; }}', sh, '{{}}']
    reload: [cp, {file}, {applied}]
links:
  - {{ name: link, from: source, to: out }}
",
        source.nacos.http,
        refuse = refuse.display(),
        file = file.display(),
        applied = applied.display(),
    ))?;
    let says = async |text: &str| {
        let is = |path| std::fs::read_to_string(path).is_ok_and(|said| said == text);
        eventually(PATIENCE, || async { is(&file) && is(&applied) }).await;
    };
    daemon.in_step().await?;
    says("\"orders\": [\"10.0.0.1:80\"]\n").await;

    std::fs::write(&refuse, "")?;
    application
        .put(&orders, &Instance::at("10.0.0.2:80"))
        .await?;
    let status = daemon
        .is(|status| !status.links[0].problems.is_empty())
        .await?;
    let why = &status.links[0].problems[0].what;
    assert!(
        why.contains("the check does not let it pass: sh ended with exit status: 7: not now"),
        "{why}"
    );
    let status = said(&daemon.command(&["status"]).await?);
    assert!(status.contains("not now"), "{status}");
    says("\"orders\": [\"10.0.0.1:80\"]\n").await;

    std::fs::remove_file(&refuse)?;
    says("\"orders\": [\"10.0.0.1:80\", \"10.0.0.2:80\"]\n").await;
    daemon.in_step().await?;
    Ok(())
}
