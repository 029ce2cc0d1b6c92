//! Keystone and Glance from PyPI: real operations leave real notifications in the broker.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use testkit::{Glance, Keystone, NotificationFormat, Vhost, shared_rabbitmq};

/// Takes every notification out of `notifications.info`, oldest first: exchange and inner document.
fn notifications(vhost: &Vhost<'_>) -> Vec<(String, Value)> {
    let messages = vhost.take("notifications.info").unwrap();
    messages
        .into_iter()
        .map(|message| {
            let envelope: Value = serde_json::from_slice(&message.body).unwrap();
            assert_eq!(envelope["oslo.version"], "2.0");
            let inner = serde_json::from_str(envelope["oslo.message"].as_str().unwrap()).unwrap();
            (message.exchange, inner)
        })
        .collect()
}

#[test]
fn operations_on_keystone_and_glance_are_notified() {
    let vhost = shared_rabbitmq().vhost("cloud").unwrap();
    let keystone = Keystone::start(&vhost.transport_url()).unwrap();
    let glance = Glance::start(&keystone, &vhost.transport_url()).unwrap();
    let cloud = glance.cloud(&keystone).unwrap();

    let project = cloud.create_project("demo project").unwrap();
    let user = cloud.create_user("démo", "secret").unwrap();
    let role = cloud.create_role("watcher").unwrap();
    cloud.assign_role(&project, &user, &role).unwrap();
    assert!(cloud.authenticate("démo", "secret").unwrap());
    assert!(!cloud.authenticate("démo", "wrong").unwrap());
    cloud.update_user(&user, &json!({ "description": "changed" })).unwrap();
    cloud.update_project(&project, &json!({ "description": "changed" })).unwrap();
    let image = cloud.create_image("picture").unwrap();
    let sent = cloud.upload_image(&image, 300_000).unwrap();
    assert_eq!(cloud.download_image(&image).unwrap(), sent);
    cloud.update_image(&image, &json!({ "name": "other" })).unwrap();
    assert_eq!(cloud.show_image(&image).unwrap()["size"], 300_000);
    cloud.delete_image(&image).unwrap();
    cloud.revoke_role(&project, &user, &role).unwrap();
    let group = cloud.create_group("people").unwrap();
    cloud.delete_group(&group).unwrap();
    cloud.delete_role(&role).unwrap();
    cloud.delete_user(&user).unwrap();
    cloud.delete_project(&project).unwrap();

    // Glance tells of a download when the last byte is read, which may be after the client has gone on.
    let mut seen = Vec::new();
    testkit::until("all notifications", || {
        seen.extend(notifications(&vhost));
        let types: Vec<_> = seen.iter().filter_map(|(_, inner)| inner["event_type"].as_str()).collect();
        (types.contains(&"image.send") && types.contains(&"identity.project.deleted")).then_some(())
    })
    .unwrap();
    for expected in [
        ("keystone", "identity.project.created"),
        ("keystone", "identity.user.created"),
        ("keystone", "identity.role.created"),
        ("keystone", "identity.role_assignment.created"),
        ("keystone", "identity.authenticate"),
        ("keystone", "identity.user.updated"),
        ("keystone", "identity.project.updated"),
        ("keystone", "identity.group.created"),
        ("keystone", "identity.group.deleted"),
        ("glance", "image.create"),
        ("glance", "image.upload"),
        ("glance", "image.send"),
        ("glance", "image.update"),
        ("glance", "image.delete"),
    ] {
        assert!(
            seen.iter().any(|(exchange, inner)| (exchange.as_str(), inner["event_type"].as_str())
                == (expected.0, Some(expected.1))),
            "{expected:?} is not among {seen:#?}"
        );
    }
    let uploaded = seen.iter().find(|(_, inner)| inner["event_type"] == "image.upload").unwrap();
    assert_eq!(uploaded.1["payload"]["id"], image.as_str());
    assert_eq!(uploaded.1["payload"]["size"], 300_000);
}

#[test]
fn keystone_can_notify_in_the_basic_form() {
    let vhost = shared_rabbitmq().vhost("basic").unwrap();
    let keystone =
        Keystone::builder(&vhost.transport_url()).format(NotificationFormat::Basic).start().unwrap();
    let project = keystone.cloud().unwrap().create_project("short").unwrap();
    let seen = notifications(&vhost);
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert_eq!(seen[0].1["payload"]["resource_info"], project.as_str());
}
