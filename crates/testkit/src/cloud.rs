//! Real operations on a private Keystone and Glance.

use serde_json::{Value, json};

use crate::service::Service;
use crate::{Error, Glance, Keystone};

/// An administrator's session (`scripts/services/cloud.py`). Every operation ends before its call returns, and
/// services notify before they answer, so that its notifications are in the broker by then.
#[derive(Debug)]
pub struct Cloud {
    service: Service,
}

impl Cloud {
    /// Opens a session. [`Keystone::cloud`] and [`Glance::cloud`] read better.
    pub(crate) fn open(keystone: &Keystone, glance: Option<&Glance>) -> Result<Self, Error> {
        let mut arguments = vec![format!("--keystone={}", keystone.url())];
        arguments.extend(glance.map(|glance| format!("--glance={}", glance.url())));
        let (service, _) = Service::start("cloud", "cloud.py", &arguments)?;
        Ok(Self { service })
    }

    /// Creates a project; returns its id.
    pub fn create_project(&self, name: &str) -> Result<String, Error> {
        self.id("create_project", &json!({ "name": name }))
    }

    /// Changes properties of a project, for example `{"description": "…"}`.
    pub fn update_project(&self, id: &str, properties: &Value) -> Result<(), Error> {
        self.update("update_project", id, properties)
    }

    /// Deletes a project.
    pub fn delete_project(&self, id: &str) -> Result<(), Error> {
        self.call("delete_project", &json!({ "id": id })).map(drop)
    }

    /// Creates a user; returns its id.
    pub fn create_user(&self, name: &str, password: &str) -> Result<String, Error> {
        self.id("create_user", &json!({ "name": name, "password": password }))
    }

    /// Changes properties of a user.
    pub fn update_user(&self, id: &str, properties: &Value) -> Result<(), Error> {
        self.update("update_user", id, properties)
    }

    /// Deletes a user.
    pub fn delete_user(&self, id: &str) -> Result<(), Error> {
        self.call("delete_user", &json!({ "id": id })).map(drop)
    }

    /// Creates a group; returns its id.
    pub fn create_group(&self, name: &str) -> Result<String, Error> {
        self.id("create_group", &json!({ "name": name }))
    }

    /// Deletes a group.
    pub fn delete_group(&self, id: &str) -> Result<(), Error> {
        self.call("delete_group", &json!({ "id": id })).map(drop)
    }

    /// Creates a role; returns its id.
    pub fn create_role(&self, name: &str) -> Result<String, Error> {
        self.id("create_role", &json!({ "name": name }))
    }

    /// Deletes a role.
    pub fn delete_role(&self, id: &str) -> Result<(), Error> {
        self.call("delete_role", &json!({ "id": id })).map(drop)
    }

    /// Gives a user a role in a project.
    pub fn assign_role(&self, project: &str, user: &str, role: &str) -> Result<(), Error> {
        self.call("assign_role", &json!({ "project": project, "user": user, "role": role })).map(drop)
    }

    /// Takes a role in a project from a user.
    pub fn revoke_role(&self, project: &str, user: &str, role: &str) -> Result<(), Error> {
        self.call("revoke_role", &json!({ "project": project, "user": user, "role": role })).map(drop)
    }

    /// Enters a service into the catalogue, with the same URL for all interfaces; returns its id.
    pub fn register_service(&self, name: &str, kind: &str, url: &str) -> Result<String, Error> {
        self.id("register_service", &json!({ "name": name, "type": kind, "url": url }))
    }

    /// Asks for a token with a name and a password; returns whether Keystone gave one.
    pub fn authenticate(&self, name: &str, password: &str) -> Result<bool, Error> {
        let answer = self.call("authenticate", &json!({ "name": name, "password": password }))?;
        answer.as_bool().ok_or_else(|| Error::answer("cloud: authenticate", answer))
    }

    /// Registers a raw image without data; returns its id.
    pub fn create_image(&self, name: &str) -> Result<String, Error> {
        self.id("create_image", &json!({ "name": name }))
    }

    /// Uploads that many bytes to an image; returns their SHA-256 in hexadecimal.
    pub fn upload_image(&self, id: &str, size_bytes: u64) -> Result<String, Error> {
        self.id("upload_image", &json!({ "id": id, "size_bytes": size_bytes }))
    }

    /// Downloads an image; returns the SHA-256 of its data in hexadecimal.
    pub fn download_image(&self, id: &str) -> Result<String, Error> {
        self.id("download_image", &json!({ "id": id }))
    }

    /// Replaces or adds properties of an image, for example `{"name": "…"}`.
    pub fn update_image(&self, id: &str, properties: &Value) -> Result<(), Error> {
        self.update("update_image", id, properties)
    }

    /// An image as Glance shows it.
    pub fn show_image(&self, id: &str) -> Result<Value, Error> {
        self.call("show_image", &json!({ "id": id }))
    }

    /// Deletes an image and its data.
    pub fn delete_image(&self, id: &str) -> Result<(), Error> {
        self.call("delete_image", &json!({ "id": id })).map(drop)
    }

    fn update(&self, verb: &str, id: &str, properties: &Value) -> Result<(), Error> {
        let mut arguments = properties.clone();
        arguments["id"] = Value::from(id);
        self.call(verb, &arguments).map(drop)
    }

    fn id(&self, verb: &str, arguments: &Value) -> Result<String, Error> {
        let answer = self.call(verb, arguments)?;
        answer.as_str().map(str::to_owned).ok_or_else(|| Error::answer(format!("cloud: {verb}"), answer))
    }

    fn call(&self, verb: &str, arguments: &Value) -> Result<Value, Error> {
        let mut answer = self.service.command(&format!("{verb} {arguments}"))?;
        Ok(answer["result"].take())
    }
}
