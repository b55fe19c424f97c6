//! Beats where `/v1` is no more: 3.2, of which there are no packages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_connector_nacos::config::HoldMode;
use syncline_connector_nacos::{NacosTarget, TargetOptions};
use syncline_contract::{Ending, Hold, Target};
use syncline_model::{Instance, Metadata, Port, ServiceKey};
use syncline_testkit::eventually;

use super::fake::{Answer, Asked, Fake, no_such_path};
use super::place::write;

const PATIENCE: Duration = Duration::from_secs(15);

/// What a server knows of its instances: how often each was registered, and
/// beaten for since.
#[derive(Default)]
struct Nacos32(Mutex<BTreeMap<String, [u32; 2]>>);

impl Nacos32 {
    fn answer(&self, asked: &Asked) -> Answer {
        match asked.path.as_str() {
            "/v3/admin/core/state" => (200, r#"{"code":0,"data":{"version":"3.2.0"}}"#.to_owned()),
            "/v3/admin/core/state/readiness" => (200, r#"{"code":0,"data":"ok"}"#.to_owned()),
            "/v3/client/ns/instance" => self.instance(asked),
            _ => no_such_path(asked),
        }
    }

    /// As 3.x does it: a beat never registers, and says so with status 200.
    fn instance(&self, asked: &Asked) -> Answer {
        let unknown = r#"{"code":21003,"message":"instance not found","data":null}"#;
        let ok = (
            200,
            r#"{"code":0,"message":"success","data":"ok"}"#.to_owned(),
        );
        let name = asked.get("serviceName");
        let address = format!("{name} {}:{}", asked.get("ip"), asked.get("port"));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (asked.method.as_str(), asked.get("heartBeat")) {
            ("POST", "true") => match known.get_mut(&address) {
                Some([_, beats]) => *beats += 1,
                None => return (200, unknown.to_owned()),
            },
            ("POST", _) => {
                let [registered, beats] = known.entry(address).or_default();
                (*registered, *beats) = (*registered + 1, 0);
            }
            ("DELETE", _) => {
                known.remove(&address);
            }
            _ => return no_such_path(asked),
        }
        ok
    }

    fn of(&self, address: &str) -> Option<[u32; 2]> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(address).copied()
    }

    fn forget(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
    }
}

#[tokio::test]
async fn on_3_2_beats_go_to_the_api_of_3_0() -> anyhow::Result<()> {
    let nacos = Arc::new(Nacos32::default());
    let answering = Arc::clone(&nacos);
    let fake = Fake::start(move |asked| answering.answer(asked)).await?;
    let mut config = fake.config();
    config.hold = HoldMode::Beat;
    let target = NacosTarget::new(&config, "dst".into(), TargetOptions::default());
    assert_eq!(target.describe().await?.hold, Hold::Beat);

    let service = ServiceKey::new("public", "PAY", "orders");
    let mut instance = Instance::new("10.0.0.1", Port::new(80).expect("not zero"));
    // Beats every second in place of every 15.
    instance.metadata = Metadata::from_pairs([("preserved.heart.beat.interval", "1000")]);
    target.apply(write(&service, vec![instance])).await?;
    let address = "orders 10.0.0.1:80";
    let beaten = || async { nacos.of(address).is_some_and(|[_, beats]| beats >= 2) };
    eventually(PATIENCE, beaten).await;
    assert_eq!(nacos.of(address).map(|[registered, _]| registered), Some(1));

    // What a server forgot is registered again by the answer to a beat.
    nacos.forget();
    eventually(PATIENCE, beaten).await;

    target.close(Ending::Remove).await;
    assert_eq!(nacos.of(address), None);
    Ok(())
}
