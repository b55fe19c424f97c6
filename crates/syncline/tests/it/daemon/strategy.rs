//! When a link looks: at once, from time to time, by the calendar, when told.

use super::application::Application;
use super::process::{Setup, said};
use super::reader::Reader;
use super::registry::{Embedded, http};
use super::seen::{Instance, Service};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_on_events_looks_when_it_is_triggered_and_never_else() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let it = |weight| Instance::at("10.0.0.1:80").weighing(weight);
    application.put(&orders, &it(1.0)).await?;

    let setup = Setup::new()?;
    let admin = setup.admin();
    let at_once = Reader::of(&setup.file("at-once.json"));
    let when_told = Reader::of(&setup.file("when-told.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  at-once: {{ kind: file, path: at-once.json }}
  when-told: {{ kind: file, path: when-told.json }}
links:
  - {{ name: at-once, from: source, to: at-once }}
  - {{ name: when-told, from: source, to: when-told, strategy: {{ mode: event }} }}
",
        source.nacos.http
    ))?;
    daemon.in_step().await?;
    when_told.sees_exactly(&orders, &[it(1.0)]).await?;

    // By HTTP.
    application.put(&orders, &it(2.0)).await?;
    at_once.sees_exactly(&orders, &[it(2.0)]).await?;
    assert_eq!(when_told.now()[&orders], [it(1.0)], "nobody told it");
    let (status, body) = http(admin, "POST", "/api/v1/trigger?link=when-told").await?;
    assert_eq!(status, 200, "{body}");
    when_told.sees_exactly(&orders, &[it(2.0)]).await?;

    // By command.
    application.put(&orders, &it(3.0)).await?;
    at_once.sees_exactly(&orders, &[it(3.0)]).await?;
    assert_eq!(when_told.now()[&orders], [it(2.0)], "nobody told it");
    let told = daemon.command(&["trigger", "when-told"]).await?;
    assert_eq!(told.status.code(), Some(0), "{}", said(&told));
    when_told.sees_exactly(&orders, &[it(3.0)]).await?;

    // A trigger for another link is not one for this.
    application.put(&orders, &it(4.0)).await?;
    at_once.sees_exactly(&orders, &[it(4.0)]).await?;
    let told = daemon.command(&["trigger", "at-once"]).await?;
    assert_eq!(told.status.code(), Some(0), "{}", said(&told));
    daemon.in_step().await?;
    assert_eq!(when_told.now()[&orders], [it(3.0)], "nobody told it");

    let unknown = daemon.command(&["trigger", "wenn-told"]).await?;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(said(&unknown).contains("when-told"), "{}", said(&unknown));
    let (status, _) = http(admin, "POST", "/api/v1/trigger?link=none").await?;
    assert_eq!(status, 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_by_the_clock_or_the_calendar_looks_by_itself() -> anyhow::Result<()> {
    let source = Embedded::serve().await?;
    let orders = Service::plain("orders");
    let mut application = Application::at(source.nacos).await?;
    let it = |weight| Instance::at("10.0.0.1:80").weighing(weight);
    application.put(&orders, &it(1.0)).await?;

    let setup = Setup::new()?;
    let clock = Reader::of(&setup.file("clock.json"));
    let calendar = Reader::of(&setup.file("calendar.json"));
    let mut daemon = setup.run(&format!(
        "endpoints:
  source: {{ kind: nacos, servers: [\"{}\"] }}
  clock: {{ kind: file, path: clock.json }}
  calendar: {{ kind: file, path: calendar.json }}
links:
  - {{ name: clock, from: source, to: clock, strategy: {{ mode: interval, every: 1s }} }}
  - name: calendar
    from: source
    to: calendar
    strategy: {{ mode: cron, cron: \"*/2 * * * * *\" }}
",
        source.nacos.http
    ))?;
    daemon.in_step().await?;
    for weight in [2.0, 3.0] {
        application.put(&orders, &it(weight)).await?;
        clock.sees_exactly(&orders, &[it(weight)]).await?;
        calendar.sees_exactly(&orders, &[it(weight)]).await?;
    }
    // What goes is noticed as well, without any push.
    application
        .put(&orders, &Instance::at("10.0.0.2:80"))
        .await?;
    application.remove(&orders, "10.0.0.1:80").await?;
    let left = [Instance::at("10.0.0.2:80")];
    clock.sees_exactly(&orders, &left).await?;
    calendar.sees_exactly(&orders, &left).await?;
    clock.was_always_whole()?;
    calendar.was_always_whole()
}
