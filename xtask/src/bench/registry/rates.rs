//! How many calls a second each registry answers.

use std::time::Duration;

use syncline_nacos::grpc::GrpcConnection;

use super::candidate::{Candidate, Kind};
use super::lane::Ask;
use super::load::{self, AT_ONCE, Rate};
use crate::Effort;
use xtask_stage::bare;
use xtask_stage::fleet::{Fleet, GROUP};
use xtask_stage::report::say;
use xtask_stage::table::{Table, milliseconds, number};

const ROUNDS: usize = 3;

/// Instances in each batch, and of each service that is registered over HTTP.
const INSTANCES: u64 = 10;

/// Services whose instances beat.
const BEATING: u64 = 100;

/// What is asked of each.
#[derive(Clone, Copy, Debug)]
enum What {
    RegisterHttp,
    BatchGrpc,
    Beat,
    List(u32),
}

const ALL: [What; 5] = [
    What::RegisterHttp,
    What::BatchGrpc,
    What::Beat,
    What::List(1),
    What::List(100),
];

impl What {
    fn name(self) -> String {
        match self {
            Self::RegisterHttp => "register an instance, HTTP".to_owned(),
            Self::BatchGrpc => format!("register {INSTANCES} instances, one gRPC batch"),
            Self::Beat => "beat, HTTP".to_owned(),
            Self::List(1) => "list a service of 1 instance, HTTP".to_owned(),
            Self::List(instances) => format!("list a service of {instances} instances, HTTP"),
        }
    }
}

/// Measures all calls, round by round.
pub(super) async fn measure(running: &[Candidate], effort: Effort) -> anyhow::Result<Table> {
    let time = Duration::from_secs(if effort.quick { 1 } else { 5 });
    let mut columns = vec!["calls a second".to_owned()];
    for kind in Kind::ALL {
        let name = kind.name().to_owned();
        columns.extend([name, "p99".to_owned(), "CPU of a call".to_owned()]);
    }
    columns.push("Syncline to r-nacos".to_owned());
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut table = Table::new("The embedded registry beside others: rates", &columns);
    let mut asked = Vec::new();
    for candidate in running {
        asked.push(Asked::prepare(candidate).await?);
    }
    for what in ALL {
        say(&what.name());
        let mut rates: Vec<Vec<anyhow::Result<Rate>>> = asked.iter().map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            for (of, rates) in asked.iter().zip(&mut rates) {
                rates.push(of.ask(what, round, time).await);
            }
        }
        let rates = asked.iter().zip(rates);
        let rates: Vec<_> = rates
            .map(|(of, rates)| (of.candidate.kind, middle(rates)))
            .collect();
        table.row(row(what, &rates));
    }
    table.note(format!(
        "{AT_ONCE} calls under way at once for {} s, the middle of {ROUNDS} rounds in which all took turns. HTTP over \
         {AT_ONCE} connections that are kept, gRPC over one. Registrations have five metadata pairs. Bad answers do \
         not count. The CPU time of a call is the server's, of one core: where its calls of a second take much less than \
         a second, who asked was the slower one. Goal: at least 1.5 times r-nacos.",
        time.as_secs()
    ));
    Ok(table)
}

/// The cells of a row: each registry's rate and p99, and how many times r-nacos's rate ours is.
fn row(what: What, rates: &[(Kind, anyhow::Result<Rate>)]) -> Vec<String> {
    let of = |kind| {
        let mut rates = rates.iter().filter(|(of, _)| *of == kind);
        rates.next().map(|(_, rate)| rate)
    };
    let mut cells = vec![what.name()];
    for kind in Kind::ALL {
        cells.extend(match of(kind) {
            None => without("not run"),
            Some(Err(error)) => {
                say(&format!("{}: {error:#}", kind.name()));
                without("failed")
            }
            Some(Ok(rate)) => [
                shown(rate),
                milliseconds(rate.delays.p99()),
                format!("{:.1} µs", rate.cpu_of_a_call().as_secs_f64() * 1e6),
            ],
        });
    }
    let ratio = match (of(Kind::Syncline), of(Kind::RNacos)) {
        (Some(Ok(ours)), Some(Ok(theirs))) if theirs.per_second() > 0.0 => {
            format!("{:.2}", ours.per_second() / theirs.per_second())
        }
        _ => "–".to_owned(),
    };
    cells.push(ratio);
    cells
}

fn without(reason: &str) -> [String; 3] {
    [reason, "–", "–"].map(str::to_owned)
}

fn shown(rate: &Rate) -> String {
    let per_second = number(rate.per_second() as u64);
    match rate.bad {
        0 => per_second,
        bad => format!("{per_second} ({} bad)", number(bad as u64)),
    }
}

fn middle(rates: Vec<anyhow::Result<Rate>>) -> anyhow::Result<Rate> {
    let mut rates = rates.into_iter().collect::<anyhow::Result<Vec<Rate>>>()?;
    rates.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
    Ok(rates.swap_remove(rates.len() / 2))
}

/// A registry that is asked, with what was registered there before.
struct Asked<'a> {
    candidate: &'a Candidate,
    connection: GrpcConnection,
}

impl<'a> Asked<'a> {
    async fn prepare(candidate: &'a Candidate) -> anyhow::Result<Self> {
        let connection = bare::connect(candidate.grpc).await?;
        for instances in [1, 100] {
            let fleet = Fleet::new(listed(instances), 1, instances);
            bare::register_all(&connection, &fleet).await?;
        }
        Ok(Self {
            candidate,
            connection,
        })
    }

    async fn ask(&self, what: What, round: usize, time: Duration) -> anyhow::Result<Rate> {
        let before = self.candidate.usage()?;
        let mut rate = self.calls(what, round, time).await?;
        rate.cpu = self.candidate.usage()?.cpu_since(&before);
        Ok(rate)
    }

    async fn calls(&self, what: What, round: usize, time: Duration) -> anyhow::Result<Rate> {
        let http = self.candidate.http;
        match what {
            What::RegisterHttp => {
                let register = move |call| register(&format!("http-{round}"), call);
                load::over_http(http, time, register).await
            }
            What::Beat => load::over_http(http, time, beat).await,
            What::List(instances) => load::over_http(http, time, move |_| list(instances)).await,
            What::BatchGrpc => {
                let instances = u32::try_from(INSTANCES).unwrap_or(u32::MAX);
                let fleet = Fleet::new("batch", 1, instances).set(0);
                let names = Fleet::new(["batch-0", "batch-1", "batch-2"][round % 3], 0, 0).names;
                load::calls(time, |call| {
                    let service = names.service(u32::try_from(call).unwrap_or(u32::MAX));
                    let (connection, fleet) = (&self.connection, &fleet);
                    async move {
                        connection.batch_register(&service, fleet).await?;
                        Ok(())
                    }
                })
                .await
            }
        }
    }
}

/// The names of the services that are listed.
fn listed(instances: u32) -> &'static str {
    match instances {
        1 => "one",
        _ => "many",
    }
}

fn list(instances: u32) -> Ask {
    let name = listed(instances);
    Ask {
        method: "GET",
        path: format!("/nacos/v1/ns/instance/list?serviceName={GROUP}%40%40{name}-000000"),
        good: "20000",
    }
}

/// The instance of a number: ten to a service.
fn register(prefix: &str, number: u64) -> Ask {
    let (service, ip) = (number / INSTANCES, ip(number));
    let metadata = "%7B%22app.version%22%3A%223.14.1%22%2C%22env%22%3A%22production%22%2C%22protocol%22%3A%22dubbo%22\
                    %2C%22zone%22%3A%22cn-hangzhou-a%22%2C%22revision%22%3A%220%22%7D";
    Ask {
        method: "POST",
        path: format!(
            "/nacos/v1/ns/instance?serviceName={GROUP}%40%40{prefix}-{service}&ip={ip}&port=20000&ephemeral=true\
             &metadata={metadata}"
        ),
        good: "ok",
    }
}

/// The beat of an instance; one that is not there yet is registered by it.
fn beat(number: u64) -> Ask {
    let number = number % (BEATING * INSTANCES);
    let (service, ip) = (number / INSTANCES, ip(number));
    let beat = format!(
        "%7B%22serviceName%22%3A%22{GROUP}%40%40beat-{service}%22%2C%22ip%22%3A%22{ip}%22%2C%22port%22%3A20000\
         %2C%22cluster%22%3A%22DEFAULT%22%2C%22weight%22%3A1.0%2C%22metadata%22%3A%7B%7D%2C%22scheduled%22%3Atrue%7D"
    );
    Ask {
        method: "PUT",
        path: format!(
            "/nacos/v1/ns/instance/beat?serviceName={GROUP}%40%40beat-{service}&ip={ip}&port=20000&beat={beat}"
        ),
        good: "10200",
    }
}

fn ip(number: u64) -> String {
    let [.., a, b, c] = number.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}
