//! Names and numbers of requests that 2.3 and later refuse before anything else.
//!
//! As over HTTP, a service's name may have its group in it, although servers
//! take that over HTTP only: some clients of Node.js send it.

use serde_json::Value;
use syncline_nacos::message::payload::{Payload, encode_refusal};
use syncline_nacos::message::{
    self, BatchInstanceRequest, BatchInstanceResponse, ErrorCode, InstanceRequest,
    InstanceResponse, Message, PersistentInstanceRequest, QueryServiceResponse, ServiceListRequest,
    ServiceListResponse, ServiceQueryRequest, SubscribeServiceRequest, SubscribeServiceResponse,
};

use crate::check::{Illegal, check};
use crate::registry::Registry;

/// The refusal of a request, in the type of its answer, if the presented
/// version checks parameters and one of them cannot be.
pub(super) fn refusal(registry: &Registry, payload: &Payload) -> Option<Payload> {
    if !registry.settings().version.checks_parameters() {
        return None;
    }
    let kind = payload.metadata.as_ref()?.r#type.as_str();
    let (answer, reads) = match kind {
        InstanceRequest::TYPE | PersistentInstanceRequest::TYPE => (InstanceResponse::TYPE, false),
        BatchInstanceRequest::<message::Lenient<message::Instance>>::TYPE => {
            (BatchInstanceResponse::TYPE, false)
        }
        SubscribeServiceRequest::TYPE => (<SubscribeServiceResponse as Message>::TYPE, true),
        ServiceQueryRequest::TYPE => (<QueryServiceResponse as Message>::TYPE, true),
        ServiceListRequest::TYPE => (ServiceListResponse::TYPE, true),
        _ => return None,
    };
    // What cannot be read is refused where it is read.
    let body = payload.body.as_ref()?;
    let body: Value = serde_json::from_slice(&body.value).ok()?;
    let illegal = checked(&body, reads).err()?;
    let message = format!("Param check invalid:{illegal}");
    Some(encode_refusal(answer, ErrorCode::INVALID_PARAM, &message))
}

fn checked(body: &Value, reads: bool) -> Result<(), Illegal> {
    check(
        |name| match name {
            "namespaceId" => text(body, "namespace"),
            "groupName" | "serviceName" | "cluster" | "clusters" => text(body, name),
            _ => None,
        },
        reads,
    )?;
    let batch = body["instances"].as_array().into_iter().flatten();
    let mut instances = batch.chain(body.get("instance"));
    instances.try_for_each(|instance| {
        let of = |name: &str| instance.get(name).map(Value::to_string);
        let (port, metadata) = (of("port"), of("metadata"));
        check(
            |name| match name {
                "ip" | "clusterName" => text(instance, name),
                "port" => port.as_deref(),
                "metadata" => metadata.as_deref(),
                _ => None,
            },
            false,
        )
    })
}

/// A field's text, if there is one in it.
fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object[name].as_str().filter(|text| !text.is_empty())
}
