//! Namespaces, as consoles create, change and delete them.

use serde_json::{Value, json};
use syncline_model::scope::Pattern;
use syncline_registry::{AccessSettings, Grant, Password, Registry, Right, Rights, Settings, User};

use crate::server::Server;

fn presenting(version: &str) -> anyhow::Result<Settings> {
    Ok(Settings {
        version: version.parse()?,
        ..Settings::default()
    })
}

async fn said(
    server: &Server,
    method: &str,
    path: &str,
    form: &str,
) -> anyhow::Result<(u16, Value)> {
    let (status, body) = server.send(method, path, Some(form)).await?;
    Ok((
        status,
        serde_json::from_str(&body).unwrap_or(Value::String(body)),
    ))
}

/// Ids and names, as the list of a version has them.
async fn listed(server: &Server, path: &str) -> anyhow::Result<Vec<(String, String)>> {
    let list = server.json(path).await?;
    let entries = list["data"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let pair = |entry: &Value| (text(&entry["namespace"]), text(&entry["namespaceShowName"]));
    Ok(entries.iter().map(pair).collect())
}

const V1: &str = "/nacos/v1/console/namespaces";
const V2: &str = "/nacos/v2/console/namespace";
const V3: &str = "/nacos/v3/admin/core/namespace";
const CONSOLE: &str = "/nacos/v3/console/core/namespace";

#[tokio::test]
async fn the_first_console_creates_changes_and_deletes() -> anyhow::Result<()> {
    for version in ["1.4.8", "2.1.1", "2.2.4", "2.5.1"] {
        let server = Server::start_with(presenting(version)?).await?;
        let create = "customNamespaceId=dev&namespaceName=Development&namespaceDesc=of+a+team";
        assert_eq!(said(&server, "POST", V1, create).await?, (200, json!(true)));
        assert_eq!(
            said(&server, "POST", V1, create).await?,
            (200, json!(false))
        );
        let blank = "customNamespaceId=&namespaceName=Made+up";
        assert_eq!(said(&server, "POST", V1, blank).await?, (200, json!(true)));
        let public = "customNamespaceId=public&namespaceName=Mine";
        assert_eq!(
            said(&server, "POST", V1, public).await?,
            (200, json!(false))
        );
        let exists = format!("{V1}?checkNamespaceIdExist=true&customNamespaceId=dev");
        assert_eq!(server.json(&exists).await?, json!(true));
        let change = "namespace=dev&namespaceShowName=Dev";
        assert_eq!(said(&server, "PUT", V1, change).await?, (200, json!(true)));
        let one = server
            .json(&format!("{V1}?show=all&namespaceId=dev"))
            .await?;
        assert_eq!(
            one,
            json!({
                "namespace": "dev",
                "namespaceShowName": "Dev",
                "namespaceDesc": null,
                "quota": 200,
                "configCount": 0,
                "type": 2,
            })
        );
        let all = listed(&server, V1).await?;
        assert_eq!(all.len(), 3, "{all:?}");
        assert_eq!(all[0], (String::new(), "public".to_owned()));
        assert!(
            all.contains(&("dev".to_owned(), "Dev".to_owned())),
            "{all:?}"
        );

        let gone = format!("{V1}?namespaceId=dev");
        assert_eq!(
            said(&server, "DELETE", &gone, "").await?,
            (200, json!(true))
        );
        assert_eq!(listed(&server, V1).await?.len(), 2);
        let (status, text) = said(&server, "POST", V1, "customNamespaceId=x").await?;
        assert_eq!(status, 500);
        assert!(text.to_string().contains("namespaceName"), "{text}");
        server.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn later_consoles_say_what_is_wrong() -> anyhow::Result<()> {
    let failed = |status: u16, code: u32, message: &str, data: &str| {
        (
            status,
            json!({ "code": code, "message": message, "data": data }),
        )
    };
    let server = Server::start_with(presenting("2.2.4")?).await?;
    let dev = "namespaceId=dev&namespaceName=Dev";
    assert_eq!(said(&server, "POST", V2, dev).await?.1["data"], true);
    let text = "namespaceId [dev] already exist";
    let exists = failed(500, 22_002, "namespace already exist", text);
    assert_eq!(said(&server, "POST", V2, dev).await?, exists);
    let text = "namespaceId [bad id!] mismatch the pattern";
    let bad = failed(400, 22_000, "illegal namespace", text);
    let bad_id = "namespaceId=bad+id!&namespaceName=Bad";
    assert_eq!(said(&server, "POST", V2, bad_id).await?, bad);
    let text = "required parameter 'namespaceName' is missing";
    let missing = failed(400, 10_000, "parameter missing", text);
    assert_eq!(said(&server, "POST", V2, "namespaceId=x").await?, missing);
    server.stop().await?;

    let server = Server::start_with(presenting("3.0.3")?).await?;
    for (path, id) in [(V3, "namespaceId"), (CONSOLE, "customNamespaceId")] {
        let create = format!("{id}=dev&namespaceName=Dev");
        assert_eq!(said(&server, "POST", path, &create).await?.1["data"], true);
        let text = "namespaceId [dev] already exist.";
        let exists = failed(400, 22_002, "namespace already exist", text);
        assert_eq!(said(&server, "POST", path, &create).await?, exists);
        let change = "namespaceId=dev&namespaceName=Development&namespaceDesc=d";
        assert_eq!(said(&server, "PUT", path, change).await?.1["data"], true);
        let one = server.json(&format!("{path}?namespaceId=dev")).await?;
        assert_eq!(one["data"]["namespaceShowName"], "Development");
        assert_eq!(one["data"]["namespaceDesc"], "d");
        let all = listed(&server, &format!("{path}/list")).await?;
        let named = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        assert_eq!(
            all,
            [named("public", "public"), named("dev", "Development")]
        );
        let gone = format!("{path}?namespaceId=dev");
        assert_eq!(said(&server, "DELETE", &gone, "").await?.1["data"], true);
        assert_eq!(said(&server, "DELETE", &gone, "").await?.1["data"], true);
    }
    let count = server.json(&format!("{V3}/check?namespaceId=dev")).await?;
    assert_eq!(count["data"], 0);
    let exists = format!("{CONSOLE}/exist?customNamespaceId=public");
    assert_eq!(server.json(&exists).await?["data"], true);
    server.stop().await
}

#[tokio::test]
async fn a_namespace_outlives_a_restart_and_its_services_outlive_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let open = || Registry::open(Settings::default(), None, folder.path());
    let server = Server::serving_free(open()?).await?;
    let create = "customNamespaceId=dev&namespaceName=Development";
    assert_eq!(said(&server, "POST", V1, create).await?, (200, json!(true)));
    server.stop().await?;

    let server = Server::serving_free(open()?).await?;
    let named = |name: &str| ("dev".to_owned(), name.to_owned());
    assert_eq!(listed(&server, V1).await?[1], named("Development"));
    let register = "/nacos/v1/ns/instance?serviceName=orders&namespaceId=dev&ip=10.0.0.1&port=80";
    server.call("POST", register).await?;
    let gone = format!("{V1}?namespaceId=dev");
    assert_eq!(
        said(&server, "DELETE", &gone, "").await?,
        (200, json!(true))
    );
    // Its services keep it in the list, by its id.
    assert_eq!(listed(&server, V1).await?[1], named("dev"));
    let list = "/nacos/v1/ns/instance/list?serviceName=orders&namespaceId=dev";
    let hosts = server.json(list).await?["hosts"].as_array().map(Vec::len);
    assert_eq!(hosts, Some(1));
    server.stop().await
}

#[tokio::test]
async fn only_administrators_do_it_and_nobody_where_clients_only_look() -> anyhow::Result<()> {
    let user = |name: &str, rights| User {
        name: name.to_owned(),
        password: Password::new("secret"),
        rights,
    };
    let everywhere = Grant {
        namespaces: Pattern::parse("*")?,
        right: Right::ReadWrite,
    };
    let access = AccessSettings {
        users: vec![
            user("ops", Rights::Admin),
            user("shop", Rights::Granted(vec![everywhere])),
        ],
        ..AccessSettings::default()
    };
    let settings = Settings {
        access,
        ..presenting("2.5.1")?
    };
    let server = Server::start_with(settings).await?;
    let create = "customNamespaceId=dev&namespaceName=Dev";
    for (who, status) in [("", 403), ("shop", 403), ("ops", 200)] {
        let credentials = match who {
            "" => String::new(),
            who => format!("&username={who}&password=secret"),
        };
        let form = format!("{create}{credentials}");
        assert_eq!(said(&server, "POST", V1, &form).await?.0, status, "{who}");
    }
    assert_eq!(server.call("GET", V1).await?.0, 200, "the list is for all");
    server.stop().await?;

    let mut settings = Settings::default();
    settings.access.read_only = true;
    let server = Server::start_with(settings).await?;
    assert_eq!(said(&server, "POST", V1, create).await?.0, 403);
    assert_eq!(listed(&server, V1).await?.len(), 1);
    server.stop().await
}
