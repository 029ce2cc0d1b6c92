//! The text that Python makes of a resource in Ceilometer, by which its agents share resources.
//!
//! Most discoveries give objects of openstacksdk, whose text has every attribute that the service says and the class knows,
//! in the order of the answer. Those of Neutron give dictionaries with every attribute that the class knows, in the order
//! of the class. Both end with where the object lies, by the agent's own credentials.
//!
//! Behaviour: openstacksdk 4.22 (`resource.py`: `_consume_attrs`, `__repr__`, `to_dict`, `_update_location`).

mod classes;

use std::fmt::Write as _;

use model::pytext::{to_repr, to_str};
use model::{Map, Text, Value};
use openstack::{Error, Service};

pub(super) use self::classes::{
    BACKUP, FIREWALL_GROUP, FIREWALL_POLICY, FLOATING_IP, IMAGE, LOAD_BALANCER, POOLS, SERVICE, SHARE,
    SNAPSHOT, VOLUME, VPN_CONNECTION, VPN_SERVICE, ZONE,
};
use super::attributes::{boolean, integer, list, map};

/// A class of openstacksdk.
#[derive(Debug)]
pub(super) struct SdkClass {
    /// Its name with its module; unset where Ceilometer turns its objects into dictionaries.
    name: Option<&'static str>,
    /// What becomes of attributes that it does not know.
    unknown: Unknown,
    /// Its attributes in its own order, as [`Attribute::read`] reads them.
    attributes: &'static str,
}

/// What becomes of attributes that a class does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Dropped,
    Kept,
    /// They are entries of the attribute `properties`.
    Properties,
}

/// An attribute of a class.
#[derive(Debug, Clone, Copy)]
struct Attribute {
    /// Its name in Python.
    name: &'static str,
    /// Its name in answers; unset where it comes with no answer.
    key: Option<&'static str>,
    /// The type that a dictionary has it in.
    convert: Option<fn(Value) -> Value>,
    /// The attribute whose value it has where the answer lacks it.
    alias: Option<&'static str>,
    /// Without a value it is an empty list.
    is_list: bool,
}

impl Attribute {
    /// `name`, `name=key`, `-name` without a key; then the type of a dictionary's value (`/int`, `/bool`, `/list`, `/map`,
    /// `/tags` for a list that is empty where the answer lacks it), then `|alias`.
    fn read(word: &'static str) -> Self {
        let (word, alias) = word.split_once('|').map_or((word, None), |(word, alias)| (word, Some(alias)));
        let (word, kind) = word.split_once('/').unwrap_or((word, ""));
        let convert: Option<fn(Value) -> Value> = match kind {
            "int" => Some(integer),
            "bool" => Some(boolean),
            "list" | "tags" => Some(list),
            "map" => Some(map),
            _ => None,
        };
        let (name, key) = match (word.strip_prefix('-'), word.split_once('=')) {
            (Some(name), _) => (name, None),
            (None, Some((name, key))) => (name, Some(key)),
            (None, None) => (word, Some(word)),
        };
        Self { name, key, convert, alias, is_list: kind == "tags" }
    }
}

/// Makes the texts of a class's objects.
#[derive(Debug)]
pub(super) struct PythonTexts {
    class: &'static SdkClass,
    attributes: Vec<Attribute>,
    /// Keys of answers with the attributes that they belong to: of several attributes with one key, the last.
    keys: Vec<(&'static str, &'static str)>,
    place: Place,
}

/// Where openstacksdk says that objects lie.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The name of Keystone's host; empty without a Keystone.
    pub(super) cloud: String,
    /// `[service_credentials] region_name`
    pub(super) region: Option<String>,
    /// The project of the credentials.
    pub(super) project: Option<String>,
}

impl Place {
    /// By the credentials with which the service is asked.
    ///
    /// # Errors
    /// Why there is no token.
    pub(super) async fn of(service: &Service) -> Result<Self, Error> {
        Ok(Self {
            cloud: service.session.keystone_host().unwrap_or_default(),
            region: service.filter.region_name.clone(),
            project: service.session.project_id().await?,
        })
    }
}

impl PythonTexts {
    /// Texts as an agent makes them that says `place`.
    pub(super) fn new(class: &'static SdkClass, place: Place) -> Self {
        let attributes: Vec<Attribute> =
            class.attributes.split_ascii_whitespace().map(Attribute::read).collect();
        let mut keys: Vec<(&str, &str)> = Vec::with_capacity(attributes.len());
        for attribute in &attributes {
            let Some(key) = attribute.key else { continue };
            match keys.iter_mut().find(|(known, _)| *known == key) {
                Some((_, last)) => *last = attribute.name,
                None => keys.push((key, attribute.name)),
            }
        }
        Self { class, attributes, keys, place }
    }

    /// The text of an object of an answer.
    pub(super) fn text(&self, object: &Map) -> String {
        let (mut body, unknown) = self.taken(object);
        if self.class.unknown == Unknown::Properties && !unknown.is_empty() {
            let mut properties = match body.get("properties") {
                Some(Value::Map(properties)) => properties.clone(),
                Some(other) => [("properties", other.clone())].into_iter().collect(),
                None => Map::new(),
            };
            for (name, value) in unknown.iter() {
                properties.insert(name, value.clone());
            }
            body.insert("properties", properties);
        }
        match self.class.name {
            Some(name) => self.object(name, &body),
            None => self.dictionary(&body, &unknown),
        }
    }

    /// What the class knows, by the keys of answers, and what it does not.
    fn taken(&self, object: &Map) -> (Map, Map) {
        let (mut body, mut unknown) = (Vec::new(), Vec::new());
        for (key, value) in object.iter() {
            // `self` is no name for an attribute in Python.
            if key == "self" {
                continue;
            }
            if !self.keys.iter().any(|names| names.0 == key || names.1 == key) {
                unknown.push((Text::from(key), value.clone()));
                continue;
            }
            let is_meant = |name: &str| name.eq_ignore_ascii_case(key);
            for (own, _) in self.keys.iter().filter(|(own, name)| is_meant(own) || is_meant(name)) {
                match body.iter_mut().find(|(known, _): &&mut (Text, Value)| &**known == *own) {
                    Some((_, known)) => *known = value.clone(),
                    None => body.push((Text::new_static(own), value.clone())),
                }
            }
        }
        (Map::from_pairs(body), Map::from_pairs(unknown))
    }

    /// `repr` of an object.
    fn object(&self, name: &str, body: &Map) -> String {
        let mut text = format!("{name}(");
        for (key, value) in body.iter() {
            let _ = write!(text, "{key}={}, ", to_str(value));
        }
        let _ = write!(text, "location={})", self.location(body));
        text
    }

    /// `repr` of the dictionary that is made of an object.
    fn dictionary(&self, body: &Map, unknown: &Map) -> String {
        let mut text = String::from("{");
        let mut entry = |name: &str, value: &str| {
            let separator = if text.len() > 1 { ", " } else { "" };
            let _ = write!(text, "{separator}{}: {value}", to_repr(&Value::from(name)));
        };
        if self.class.unknown == Unknown::Kept {
            unknown.iter().for_each(|(name, value)| entry(name, &to_repr(value)));
        }
        for attribute in &self.attributes {
            let is_repeated = self.class.unknown == Unknown::Kept && unknown.get(attribute.name).is_some();
            match attribute.name {
                _ if is_repeated => {}
                "location" => entry("location", &self.location(body)),
                name => entry(name, &to_repr(&self.value(attribute, body))),
            }
        }
        text.push('}');
        text
    }

    /// An attribute's value in Python.
    fn value(&self, attribute: &Attribute, body: &Map) -> Value {
        match (attribute.key.and_then(|key| body.get(key)), attribute.convert) {
            (Some(Value::Null), _) => Value::Null,
            (Some(value), Some(convert)) => convert(value.clone()),
            (Some(value), None) => value.clone(),
            (None, _) if attribute.is_list => Value::List(Vec::new()),
            (None, _) => {
                let alias = self.attributes.iter().find(|other| Some(other.name) == attribute.alias);
                alias.map(|alias| self.value(alias, body)).unwrap_or_default()
            }
        }
    }

    /// `repr` of where the object lies: in its own project and zone, as far as the class knows of any.
    fn location(&self, body: &Map) -> String {
        let own = |name: &str| {
            let attribute = self.attributes.iter().find(|attribute| attribute.name == name)?;
            Some(self.value(attribute, body))
        };
        let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
        let project = own("project_id").filter(Value::is_truthy);
        let project = project.unwrap_or_else(|| text(self.place.project.as_deref()));
        format!(
            "Munch({{'cloud': {}, 'region_name': {}, 'zone': {}, 'project': Munch({{'id': {}, 'name': None, \
             'domain_id': None, 'domain_name': None}})}})",
            to_repr(&Value::from(self.place.cloud.as_str())),
            to_repr(&text(self.place.region.as_deref())),
            to_repr(&own("availability_zone").unwrap_or_default()),
            to_repr(&project)
        )
    }
}

/// The text of a project, which Ceilometer has as a data class of its own.
pub(super) fn of_project(project: &Map) -> String {
    let get = |key: &str| project.get(key).cloned().unwrap_or_default();
    let description = Some(get("description")).filter(Value::is_truthy).unwrap_or_else(|| "".into());
    format!(
        "Project(id={}, name={}, domain_id={}, is_enabled={}, description={}, parent_id={}, is_domain={})",
        to_repr(&get("id")),
        to_repr(&get("name")),
        to_repr(&get("domain_id")),
        to_repr(&boolean(get("enabled"))),
        to_repr(&description),
        to_repr(&get("parent_id")),
        to_repr(&boolean(get("is_domain")))
    )
}

#[cfg(test)]
mod tests {
    use model::json;

    use super::*;

    fn text(class: &'static SdkClass, object: &str) -> String {
        let Value::Map(object) = json::parse(object).unwrap() else { unreachable!() };
        let place = Place { cloud: "keystone".into(), region: None, project: Some("own".into()) };
        PythonTexts::new(class, place).text(&object)
    }

    /// From openstacksdk 4.22.
    #[test]
    fn texts_are_pythons() {
        assert_eq!(
            text(
                &VOLUME,
                r#"{"id": "v", "size": 1, "name": "n", "migration_status": null, "colour": "red",
                "os-vol-tenant-attr:tenant_id": "p", "metadata": {"it's": []}, "bootable": "false"}"#
            ),
            "openstack.block_storage.v3.volume.Volume(id=v, size=1, name=n, os-vol-mig-status-attr:migstat=None, \
             os-vol-tenant-attr:tenant_id=p, metadata={\"it's\": []}, bootable=false, location=Munch({'cloud': 'keystone', \
             'region_name': None, 'zone': None, 'project': Munch({'id': 'p', 'name': None, 'domain_id': None, \
             'domain_name': None})}))"
        );
        let image = text(&IMAGE, r#"{"id": "i", "tags": ["a"], "os_foo": "bar", "self": "/v2/images/i"}"#);
        assert_eq!(
            image,
            "openstack.image.v2.image.Image(id=i, tags=['a'], properties={'os_foo': 'bar'}, location=Munch({'cloud': \
             'keystone', 'region_name': None, 'zone': None, 'project': Munch({'id': 'own', 'name': None, 'domain_id': \
             None, 'domain_name': None})}))"
        );
        let policy = text(
            &FIREWALL_POLICY,
            r#"{"tenant_id": "t", "id": "f", "firewall_rules": "r", "audited": true}"#,
        );
        assert_eq!(
            policy,
            "{'tenant_id': 't', 'audited': True, 'description': None, 'id': 'f', 'firewall_rules': ['r'], 'name': None, \
             'project_id': None, 'shared': None, 'location': Munch({'cloud': 'keystone', 'region_name': None, 'zone': \
             None, 'project': Munch({'id': 'own', 'name': None, 'domain_id': None, 'domain_name': None})})}"
        );
    }
}
