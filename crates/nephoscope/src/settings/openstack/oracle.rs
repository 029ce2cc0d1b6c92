//! The same configuration files through Ceilometer with keystoneauth and through this program, against a real Keystone:
//! the same endpoints, projects, users and headers, and errors where there are errors.

use std::path::PathBuf;
use std::process::Command;

use oslo_config::{Loader, Source};
use serde_json::{Value, json};
use testkit::Keystone;

use super::*;

/// Sections, with `{url}`, `{project}`, `{user}`, `{token}`, `{id}`, `{secret}` replaced.
const TABLE: [(&str, &str); 27] = [
    ("password with a version", "auth_url = {url}/v3\n{user_by_name}{project_by_name}"),
    ("password without a version", "auth_url = {url}\n{user_by_name}{project_by_name}"),
    (
        "default domain",
        "auth_url = {url}\nusername = admin\npassword = private-cloud\nproject_name = admin\ndefault_domain_id = default",
    ),
    (
        "default domain before a given name",
        "auth_url = {url}\nusername = admin\npassword = private-cloud\nproject_name = admin\ndefault_domain_id = default\nuser_domain_name = nowhere",
    ),
    (
        "old names",
        "auth_url = {url}\nuser-name = admin\nuser_domain_id = default\npassword = private-cloud\ntenant-id = {project}",
    ),
    ("hyphens", "auth-url = {url}\nuser-id = {user}\npassword = private-cloud\nproject-id = {project}"),
    (
        "plugin under its old name",
        "auth_plugin = v3password\nauth_url = {url}/v3\n{user_by_name}{project_by_name}",
    ),
    ("unscoped", "auth_url = {url}\n{user_by_name}"),
    ("system", "auth_url = {url}\n{user_by_name}system_scope = all"),
    ("v3password", "auth_type = v3password\nauth_url = {url}\n{user_by_name}{project_by_name}"),
    (
        "v3password has no default domain",
        "auth_type = v3password\nauth_url = {url}\nusername = admin\npassword = private-cloud\nproject_id = {project}\ndefault_domain_id = default",
    ),
    (
        "application credential",
        "auth_type = v3applicationcredential\nauth_url = {url}\napplication_credential_id = {id}\napplication_credential_secret = {secret}",
    ),
    (
        "application credential by name",
        "auth_type = v3applicationcredential\nauth_url = {url}/v3\napplication_credential_name = oracle\napplication_credential_secret = {secret}\nusername = admin\nuser_domain_name = Default",
    ),
    (
        "application credential with a project",
        "auth_type = v3applicationcredential\nauth_url = {url}\napplication_credential_id = {id}\napplication_credential_secret = {secret}\nproject_id = {project}",
    ),
    ("token", "auth_type = token\nauth_url = {url}\ntoken = {token}\nproject_id = {project}"),
    ("v3token", "auth_type = v3token\nauth_url = {url}/v3\ntoken = {token}\nproject_id = {project}"),
    ("internal", "auth_url = {url}\n{user_by_name}{project_by_name}interface = internalURL"),
    ("other region", "auth_url = {url}\n{user_by_name}{project_by_name}region_name = Second"),
    ("region of nobody", "auth_url = {url}\n{user_by_name}{project_by_name}region_name = Third"),
    (
        "own section for Gnocchi",
        "auth_url = {url}\n{user_by_name}{project_by_name}[gnocchi]\nauth_section = gnocchi\nauth_type = gnocchi-noauth\nuser_id = u\nproject_id = p\nroles = admin\nendpoint = http://here:8041/",
    ),
    (
        "section of another name",
        "auth_url = {url}\n{user_by_name}{project_by_name}[gnocchi]\nauth_section = elsewhere\n[elsewhere]\nauth_type = gnocchi-basic\nuser = admin\nendpoint = http://here:8041/",
    ),
    (
        "plugin in another section",
        "auth_section = plugged\nregion_name = Second\n[plugged]\nauth_type = password\nauth_url = {url}\n{user_by_name}{project_by_name}",
    ),
    ("none", "auth_type = none\nendpoint = http://here:8041/"),
    ("http_basic", "auth_type = http_basic\nusername = u\npassword = p\nendpoint = http://here:8041/"),
    ("admin_token", "auth_type = admin_token\ntoken = t\nendpoint = http://here:8041/"),
    (
        "wrong password",
        "auth_url = {url}\nusername = admin\nuser_domain_id = default\npassword = wrong\nproject_id = {project}",
    ),
    ("no user", "auth_url = {url}\npassword = private-cloud\nproject_id = {project}"),
];

/// What keystoneauth documents, and Ceilometer does not prepare for.
const ONLY_HERE: &str = "plugin in another section";

#[test]
fn the_same_sections_give_the_same_sessions() {
    let keystone = Keystone::start("fake://").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let values = runtime.block_on(prepare(&keystone));
    let mut files: Vec<PathBuf> = Vec::new();
    for (name, section) in TABLE {
        let mut text = section.to_owned();
        for (place, value) in &values {
            text = text.replace(place, value);
        }
        let has_own =
            ["auth_type", "auth_plugin", "auth_section"].iter().any(|option| text.starts_with(option));
        let first = if has_own { "" } else { "auth_type = password\n" };
        let path = folder.path().join(name.replace(' ', "-"));
        std::fs::write(&path, format!("[service_credentials]\n{first}{text}\n")).unwrap();
        files.push(path);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openstack_oracle.py");
    let output = Command::new(testkit::venv_python().unwrap())
        .arg(script)
        .args(&files)
        .env_remove("OS_REGION_NAME")
        .env_remove("OS_INTERFACE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers = String::from_utf8(output.stdout).unwrap();
    let mut compared = 0;
    for ((name, _), (path, theirs)) in TABLE.iter().zip(files.iter().zip(answers.lines())) {
        let theirs: Value = serde_json::from_str(theirs).unwrap();
        let mut loader = Loader::new("ceilometer");
        loader.default_sources = false;
        loader.sources = vec![Source::File(path.clone())];
        let config = loader.load().unwrap().config;
        let sessions = Sessions::new(&config, &BTreeMap::new());
        for (group, of, service_type, service_name) in [
            ("service_credentials", CredentialsOf::Service, "identity", None),
            ("gnocchi", CredentialsOf::Gnocchi, "metric", Some("gnocchi")),
            ("zaqar", CredentialsOf::Zaqar, "messaging", None),
        ] {
            let Some(theirs) = theirs.get(group) else { continue };
            let ours = runtime.block_on(examine(&sessions, of, service_type, service_name));
            same(name, group, &ours, theirs);
            compared += 1;
        }
    }
    assert!(compared > TABLE.len(), "{compared}");
}

/// What the table refers to: a token, an application credential, and services in two regions.
async fn prepare(keystone: &Keystone) -> Vec<(&'static str, String)> {
    let url = keystone.url().trim_end_matches("/v3").to_owned();
    let auth = openstack::AuthOptions::Password(openstack::PasswordOptions {
        auth_url: url.clone(),
        username: Some(keystone.user().to_owned()),
        user_domain_id: Some("default".to_owned()),
        password: keystone.password().to_owned().into(),
        scope: openstack::ScopeOptions {
            project_name: Some("admin".to_owned()),
            project_domain_id: Some("default".to_owned()),
            ..openstack::ScopeOptions::default()
        },
        ..openstack::PasswordOptions::default()
    });
    let session = Session::new(SessionOptions::new(auth)).unwrap();
    let identity = Service::new(session.clone(), ServiceFilter::new("identity"));
    let post = async |path: &str, kind: &str, body: Value| -> Value {
        let request = identity.request(openstack::Method::POST, path).json(&json!({ kind: body }));
        request.send().await.unwrap().success().unwrap().json::<Value>().unwrap()[kind].take()
    };
    post("/regions", "region", json!({ "id": "Second" })).await;
    for (name, kind) in [("gnocchi", "metric"), ("other", "metric"), ("zaqar", "messaging")] {
        let service = post("/services", "service", json!({ "name": name, "type": kind })).await;
        for (region, interface) in
            [(keystone.region(), "public"), (keystone.region(), "internal"), ("Second", "public")]
        {
            let endpoint = json!({
                "service_id": service["id"], "interface": interface, "region_id": region,
                "url": format!("http://{name}:1/{region}/{interface}/"),
            });
            post("/endpoints", "endpoint", endpoint).await;
        }
    }
    let user = session.user_id().await.unwrap().unwrap();
    let project = session.project_id().await.unwrap().unwrap();
    let path = format!("/users/{user}/application_credentials");
    let credential = post(&path, "application_credential", json!({ "name": "oracle" })).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = session.auth_headers().await.unwrap();
    vec![
        ("{url}", url),
        (
            "{user_by_name}",
            "username = admin\nuser_domain_name = Default\npassword = private-cloud\n".to_owned(),
        ),
        ("{project_by_name}", "project_name = admin\nproject_domain_name = Default\n".to_owned()),
        ("{user}", user),
        ("{project}", project),
        ("{token}", headers["x-auth-token"].to_str().unwrap().to_owned()),
        ("{id}", text(&credential["id"])),
        ("{secret}", text(&credential["secret"])),
    ]
}

async fn examine(
    sessions: &Sessions,
    of: CredentialsOf,
    service_type: &str,
    service_name: Option<&str>,
) -> Result<Value, String> {
    let service = sessions.service(of, service_type, service_name).map_err(|error| error.to_string())?;
    let session = &service.session;
    let headers = session.auth_headers().await.map_err(|error| error.to_string())?;
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().into())).collect();
    let endpoint = match service.endpoint().await {
        Ok(url) => Some(url),
        Err(openstack::Error::NoEndpoint { .. }) => None,
        Err(error) => return Err(error.to_string()),
    };
    Ok(json!({
        "endpoint": endpoint.map(String::from),
        "project_id": session.project_id().await.unwrap(),
        "user_id": session.user_id().await.unwrap(),
        "headers": headers,
    }))
}

fn same(name: &str, group: &str, ours: &Result<Value, String>, theirs: &Value) {
    let Ok(ours) = ours else {
        assert!(theirs.get("error").is_some(), "{name}, {group}: we fail with {ours:?}, they have {theirs}");
        return;
    };
    if name == ONLY_HERE {
        let error = theirs["error"].as_str().unwrap();
        assert!(error.starts_with("NoSuchOptError"), "{name}, {group}: {error}");
        return;
    }
    assert!(theirs.get("error").is_none(), "{name}, {group}: we have {ours}, they fail with {theirs}");
    for part in ["project_id", "user_id"] {
        assert_eq!(ours[part], theirs[part], "{name}, {group}, {part}");
    }
    let endpoint =
        |answer: &Value| answer["endpoint"].as_str().map(|url| url.trim_end_matches('/').to_owned());
    assert_eq!(endpoint(ours), endpoint(theirs), "{name}, {group}");
    let (ours, theirs) = (&ours["headers"], &theirs["headers"]);
    let names = |headers: &Value| headers.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs), "{name}, {group}");
    for (header, value) in ours.as_object().unwrap() {
        // Keystone's tokens differ each time.
        let is_fernet = value.as_str().is_some_and(|value| value.starts_with("gAAAA"));
        if is_fernet {
            assert!(theirs[header].as_str().unwrap().starts_with("gAAAA"), "{name}, {group}");
        } else {
            assert_eq!(value, &theirs[header], "{name}, {group}, {header}");
        }
    }
}
