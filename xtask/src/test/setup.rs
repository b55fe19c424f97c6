//! What tests on real servers and with genuine clients need: a JDK, Maven, and the servers themselves from Maven
//! Central; Go, Python and Node.js for clients in these, and for what PyPI holds beside them, Envoy and gRPC; nginx,
//! HAProxy, Prometheus, dig and unbound as consumers.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::step;

/// Programs that run servers and Java clients.
const PROGRAMS: [&str; 6] = ["bash", "flock", "setsid", "java", "javac", "mvn"];

/// The Debian packages that hold them, beyond what every system has.
const PACKAGES: [&str; 2] = ["default-jdk-headless", "maven"];

/// Consumers that tests feed: the program, the Debian package that holds it, and how the testkit is told that it cannot
/// run.
const CONSUMERS: [(&str, &str, &str); 5] = [
    ("nginx", "nginx", "SYNCLINE_TESTBED_MISSING_NGINX"),
    ("haproxy", "haproxy", "SYNCLINE_TESTBED_MISSING_HAPROXY"),
    (
        "prometheus",
        "prometheus",
        "SYNCLINE_TESTBED_MISSING_PROMETHEUS",
    ),
    ("dig", "bind9-dnsutils", "SYNCLINE_TESTBED_MISSING_DIG"),
    ("unbound", "unbound", "SYNCLINE_TESTBED_MISSING_UNBOUND"),
];

/// Nacos as published; the testkit's `Version` names the same.
const SERVERS: [&str; 5] = ["1.3.0", "2.0.3", "2.1.1", "2.2.4-x86", "2.2.4-x86+configs"];

/// The Java clients that tests use: of the 1.x line, of 2.x, of 3.x.
const JAVA_CLIENTS: [&str; 4] = ["2.3.2", "1.4.6", "2.5.1", "3.0.3"];

/// Other things in Java, with what they are.
const APPLICATIONS: [(&str, &str); 2] = [
    ("dubbo-app", "Dubbo application"),
    ("grpc-java-client", "gRPC client for Java"),
];

/// What is fetched and built by itself: clients in other languages, and consumers.
const CLIENTS: [Client; 5] = [
    Client {
        name: "go-client",
        programs: &["go"],
        variable: "SYNCLINE_TESTBED_MISSING_GO",
    },
    Client {
        name: "python-client",
        programs: &["python3"],
        variable: "SYNCLINE_TESTBED_MISSING_PYTHON",
    },
    Client {
        name: "node-client",
        programs: &["node", "npm"],
        variable: "SYNCLINE_TESTBED_MISSING_NODE",
    },
    Client {
        name: "envoy",
        programs: &["python3"],
        variable: "SYNCLINE_TESTBED_MISSING_ENVOY",
    },
    Client {
        name: "grpc-client",
        programs: &["python3"],
        variable: "SYNCLINE_TESTBED_MISSING_GRPC_CLIENT",
    },
];

/// How often a download is tried.
const TRIES: u32 = 3;

/// A genuine client that is not in Java, or a genuine consumer.
struct Client {
    /// As its folder in the testbed, and the script in it.
    name: &'static str,
    /// What it is built and run with.
    programs: &'static [&'static str],
    /// How the testkit is told that it cannot run.
    variable: &'static str,
}

/// What cannot run here: the variable by which the testkit is told, and the reason. Its tests will count as skipped.
pub(super) type Missing = Vec<(&'static str, String)>;

/// Makes the testbed ready.
pub(super) fn testbed(root: &Path) -> anyhow::Result<Missing> {
    // What the clients come from is not where Java's things come from, so that neither has to wait for the other.
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| {
            let missing = CLIENTS.iter().map(|client| client.prepare(root));
            missing.collect::<anyhow::Result<Vec<_>>>()
        });
        let mut missing: Missing = Vec::new();
        match servers(root)? {
            Some(reason) => missing.push(("SYNCLINE_TESTBED_MISSING", reason)),
            None => missing.extend(spring(root)?),
        }
        missing.extend(consumers()?);
        let clients = clients
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        missing.extend(clients.into_iter().flatten());
        Ok(missing)
    })
}

impl Client {
    /// Fetches and builds it; instant where the cache has it. Why it cannot run, if it cannot.
    fn prepare(&self, root: &Path) -> anyhow::Result<Option<(&'static str, String)>> {
        let name = self.name;
        let lacking = |program: &&&str| !step::is_installed(program);
        let reason = match self.programs.iter().find(lacking) {
            Some(program) => format!("{program} is not installed"),
            None => {
                let script = format!("testbed/{name}/{name}");
                let mut command = Command::new(root.join(script));
                command.arg("build");
                if build(&format!("testbed: {name}"), &mut command)? {
                    return Ok(None);
                }
                format!("{name} could not be built")
            }
        };
        println!("tests with {name} will be skipped: {reason}");
        Ok(Some((self.variable, reason)))
    }
}

/// Makes the application of Spring Cloud Alibaba ready. It wants a newer JDK than all else, and is missed alone.
fn spring(root: &Path) -> anyhow::Result<Option<(&'static str, String)>> {
    let mut command = Command::new(root.join("testbed/spring-app/spring-app"));
    if build("testbed: Spring application", command.arg("build"))? {
        return Ok(None);
    }
    let reason = "it could not be built; it needs JDK 17 or later".to_owned();
    println!("tests with the Spring application will be skipped: {reason}");
    Ok(Some(("SYNCLINE_TESTBED_MISSING_SPRING", reason)))
}

/// Makes servers and Java clients ready. Why they cannot run here, if they cannot.
fn servers(root: &Path) -> anyhow::Result<Option<String>> {
    if missing_program().is_some() && may_install() {
        install("for real Nacos servers", &PACKAGES)?;
    }
    let reason = match missing_program() {
        Some(program) => Some(format!("{program} is not installed")),
        None => build_all(root)?,
    };
    if let Some(reason) = &reason {
        println!("tests on real servers will be skipped: {reason}");
        println!(
            "they need a JDK and Maven; on Debian: apt-get install {}",
            PACKAGES.join(" ")
        );
    }
    Ok(reason)
}

/// Installs real consumers where it may. Those that are missing then, and why.
fn consumers() -> anyhow::Result<Missing> {
    let lacking = || {
        let consumers = CONSUMERS.into_iter();
        consumers.filter(|(program, ..)| !step::is_installed(program))
    };
    let packages: Vec<&str> = lacking().map(|(_, package, _)| package).collect();
    if !packages.is_empty() && may_install() {
        install("for real consumers", &packages)?;
    }
    let missing = lacking().map(|(program, package, variable)| {
        println!("tests with {program} will be skipped; on Debian: apt-get install {package}");
        (variable, format!("{program} is not installed"))
    });
    Ok(missing.collect())
}

fn missing_program() -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|program| !step::is_installed(program))
}

/// Whether we are root on a Debian.
fn may_install() -> bool {
    let user = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    step::is_installed("apt-get") && user.is_ok_and(|user| user.stdout.trim_ascii() == b"0")
}

/// A failure is not fatal: what is still missing then is reported as such.
fn install(purpose: &str, packages: &[&str]) -> anyhow::Result<()> {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // No package starts a service of its own.
            .env("RUNLEVEL", "1")
            .stdout(Stdio::null());
        command
    };
    step::run("apt-get update", &mut apt(&["update"]))?;
    let install = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    step::run(&format!("apt-get install, {purpose}"), &mut apt(&install))?;
    Ok(())
}

/// Builds every server, Java client and application; instant where the cache has them. The first that cannot be built is the reason.
fn build_all(root: &Path) -> anyhow::Result<Option<String>> {
    for version in SERVERS {
        let mut command = Command::new(root.join("testbed/nacos/nacos"));
        command.args(["build", version]);
        if !build(&format!("testbed: Nacos {version}"), &mut command)? {
            return Ok(Some(format!(
                "Nacos {version} could not be built from Maven Central"
            )));
        }
    }
    for version in JAVA_CLIENTS {
        let mut command = Command::new(root.join("testbed/java-client/java-client"));
        command.arg("build").env("CLIENT_VERSION", version);
        if !build(&format!("testbed: Java client {version}"), &mut command)? {
            return Ok(Some(format!(
                "the Java client {version} could not be built from Maven Central"
            )));
        }
    }
    for (script, what) in APPLICATIONS {
        let mut command = Command::new(root.join("testbed").join(script).join(script));
        if !build(&format!("testbed: {what}"), command.arg("build"))? {
            return Ok(Some(format!(
                "the {what} could not be built from Maven Central"
            )));
        }
    }
    Ok(None)
}

fn build(heading: &str, command: &mut Command) -> anyhow::Result<bool> {
    for _ in 0..TRIES {
        if step::run(heading, command)?.0 {
            return Ok(true);
        }
    }
    Ok(false)
}
