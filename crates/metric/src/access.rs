//! Who asks, and what they may.
//!
//! The rules are Gnocchi's, unless policy files say otherwise.

mod rules;
mod target;

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use metric_index::{Filter, Resource};
use model::{Map, Value};
use oslo_policy::{Credentials, Policy};

pub use self::rules::{Rule, policy_defaults};
pub use self::target::Target;
use crate::{Kind, Refusal};

/// What a caller sees of listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: users are only names (authentication `basic` and `remoteuser`).
    Everything,
    /// What belongs to their project (Keystone).
    Project,
}

/// The policy in force. Cheap to clone; clones share it, and see when it is replaced.
#[derive(Debug, Clone)]
pub struct Policies(Arc<RwLock<Arc<Policy>>>);

impl Policies {
    /// A policy.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// The policy as it is now.
    pub fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Another policy, for requests that come from now on.
    pub fn replace(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self(Arc::new(RwLock::new(Arc::clone(&DEFAULT))))
    }
}

/// Gnocchi's own rules. A test holds that they can be read; without rules, nobody would be let in.
static DEFAULT: LazyLock<Arc<Policy>> =
    LazyLock::new(|| Arc::new(Policy::of_defaults(&policy_defaults()).unwrap_or_default()));

/// Somebody who asks.
#[derive(Debug, Clone)]
pub struct Caller {
    /// What is noted as creator: `USER`, or `USER:PROJECT`.
    pub creator: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// What is seen of listings.
    pub scope: Scope,
    credentials: Credentials,
    policy: Arc<Policy>,
    is_trusted: bool,
}

/// Whether it is the same one, whatever the policy is.
impl PartialEq for Caller {
    fn eq(&self, other: &Self) -> bool {
        self.creator == other.creator
            && self.project_id == other.project_id
            && self.scope == other.scope
            && self.credentials == other.credentials
            && self.is_trusted == other.is_trusted
    }
}

impl Caller {
    /// A user that is only a name; `admin` administrates.
    pub fn named(user: impl Into<String>) -> Self {
        let user = user.into();
        let roles = if user == "admin" { vec!["admin".into()] } else { Vec::new() };
        let mut known = Map::new();
        known.insert("user", user.as_str());
        known.insert("roles", Value::List(roles));
        known.insert("system", "all");
        Self::new(Some(user), None, Scope::Everything, known)
    }

    /// A user of a project.
    pub fn of_project(user: &str, project: &str, roles: Vec<String>) -> Self {
        Self::of_keystone(user, project, "", roles)
    }

    /// A user as Keystone knows them; what a token is not for is empty. As in Gnocchi a token of the whole system is like
    /// one of nothing.
    pub fn of_keystone(user: &str, project: &str, domain: &str, roles: Vec<String>) -> Self {
        let creator = format!("{user}:{project}");
        let mut known = Map::new();
        known.insert("user", creator.as_str());
        for (name, value) in [("user_id", user), ("project_id", project), ("domain_id", domain)] {
            // What is not there is nobody's, and not everybody's who has none either.
            if !value.is_empty() {
                known.insert(name, value);
            }
        }
        known.insert("roles", Value::List(roles.into_iter().map(Value::from).collect()));
        let project = (!project.is_empty()).then(|| project.to_owned());
        Self::new(Some(creator), project, Scope::Project, known)
    }

    /// The user: a name, or Keystone's id.
    pub fn user_id(&self) -> Option<&str> {
        let creator = self.creator.as_deref()?;
        match self.scope {
            Scope::Everything => Some(creator),
            Scope::Project => creator.split(':').next(),
        }
    }

    fn new(creator: Option<String>, project_id: Option<String>, scope: Scope, known: Map) -> Self {
        let (credentials, policy) = (Credentials::new(known), Arc::clone(&DEFAULT));
        Self { creator, project_id, scope, credentials, policy, is_trusted: false }
    }

    /// The same one under another policy.
    #[must_use]
    pub fn under(mut self, policy: Arc<Policy>) -> Self {
        self.policy = policy;
        self
    }

    /// The same one, for whom everything has been decided already.
    #[must_use]
    pub fn trusted(&self) -> Self {
        Self { is_trusted: true, ..self.clone() }
    }

    /// Whether a rule lets them.
    pub fn may(&self, rule: Rule, target: &Target<'_>) -> bool {
        self.is_trusted || self.policy.allows(rule.name(), target, &self.credentials)
    }

    /// Refuses what a rule does not grant.
    pub fn enforce(&self, rule: Rule, target: &Target<'_>) -> Result<(), Refusal> {
        if self.may(rule, target) { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Whether a rule lets them with something that only has these attributes.
    fn may_with(&self, rule: Rule, pairs: &[(&str, &str)]) -> bool {
        self.may(rule, &Target::of_pairs(pairs))
    }

    /// Decides about reading one resource. Somebody who could see a resource of their own, but not this one, is told that
    /// there is none.
    pub fn enforce_reading(&self, rule: Rule, resource: &Resource) -> Result<(), Refusal> {
        if self.scope == Scope::Everything || self.may(rule, &Target::of_resource(resource)) {
            return Ok(());
        }
        let could = self.project_id.as_deref().is_some_and(|mine| {
            self.may_with(rule, &[("project_id", mine)])
                || self.may_with(rule, &[("created_by_project_id", mine)])
        });
        if could {
            return Err(metric_index::Error::NoSuchResource(resource.id).into());
        }
        Err(Refusal::forbidden())
    }

    /// The resources of a type that a rule lets them list; all without a filter.
    pub fn resource_filter(&self, rule: Rule, resource_type: &str) -> Result<Option<Filter>, Refusal> {
        let of_type = ("resource_type", resource_type);
        if self.scope == Scope::Everything || self.may_with(rule, &[of_type]) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        if let Some(mine) = self.project_id.as_deref() {
            for attribute in ["project_id", "created_by_project_id"] {
                if self.may_with(rule, &[of_type, (attribute, mine)]) {
                    parts.push(Filter::equal(attribute, mine));
                }
            }
        }
        if parts.is_empty() {
            return Err(Refusal::new(Kind::Forbidden, "Insufficient privileges"));
        }
        Ok(Some(Filter::Or(parts)))
    }

    /// The metrics that they may list: those that fit the first filter, or whose resource fits the second one; all where
    /// there is neither.
    pub fn metric_filters(&self) -> Result<(Option<Filter>, Option<Filter>), Refusal> {
        if self.scope == Scope::Everything || self.may(Rule::ListMetric, &Target::default()) {
            return Ok((None, None));
        }
        let (mut own, mut owned) = (None, Vec::new());
        if let Some(mine) = self.project_id.as_deref() {
            if self.may_with(Rule::ListMetric, &[("created_by_project_id", mine)]) {
                own = Some(Filter::equal("created_by_project_id", mine));
            }
            for (target, attribute) in [
                ("resource.project_id", "project_id"),
                ("resource.created_by_project_id", "created_by_project_id"),
            ] {
                if self.may_with(Rule::ListMetric, &[(target, mine)]) {
                    owned.push(Filter::equal(attribute, mine));
                }
            }
        }
        let owned = (!owned.is_empty()).then_some(Filter::Or(owned));
        if own.is_none() && owned.is_none() {
            return Err(Refusal::new(Kind::Forbidden, "Insufficient privileges"));
        }
        Ok((own, owned))
    }
}

/// Both filters, as far as there are two.
pub(crate) fn both(first: Option<Filter>, second: Option<Filter>) -> Option<Filter> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Filter::And(vec![first, second])),
        (first, second) => first.or(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(creator: &str, project: &str) -> Resource {
        let id = uuid::Uuid::nil();
        let epoch = model::Timestamp::EPOCH;
        Resource {
            id,
            resource_type: "generic".to_owned(),
            creator: Some(creator.to_owned()),
            started_at: epoch,
            revision_start: epoch,
            ended_at: None,
            user_id: None,
            project_id: Some(project.to_owned()),
            original_resource_id: String::new(),
            attributes: Vec::new(),
            revision: -1,
            revision_end: None,
            metrics: Vec::new(),
        }
    }

    fn user(project: &str, roles: &[&str]) -> Caller {
        Caller::of_project("u", project, roles.iter().map(|role| (*role).to_owned()).collect())
    }

    /// As observed of a real Gnocchi with Keystone's headers.
    #[test]
    fn resources_of_projects() {
        let resource = resource("ceil:svc", "p1");
        let target = Target::of_resource(&resource);
        for (caller, reads, updates, deletes) in [
            (user("p1", &["member"]), Ok(()), false, false),
            (user("p2", &["member"]), Err(Kind::Unknown), false, false),
            (user("svc", &[]), Ok(()), true, true),
            (user("p2", &["service"]), Err(Kind::Unknown), true, false),
            (user("p2", &["Admin"]), Ok(()), true, true),
        ] {
            let read = caller.enforce_reading(Rule::GetResource, &resource).map_err(|refusal| refusal.kind);
            assert_eq!(read, reads, "{caller:?}");
            assert_eq!(caller.may(Rule::UpdateResource, &target), updates, "{caller:?}");
            assert_eq!(caller.may(Rule::DeleteResource, &target), deletes, "{caller:?}");
        }
    }

    #[test]
    fn named_users_own_what_they_created() {
        let resource = resource("jd", "p1");
        let target = Target::of_resource(&resource);
        assert!(Caller::named("jd").may(Rule::UpdateResource, &target));
        assert!(!Caller::named("pasta").may(Rule::UpdateResource, &target));
        assert!(Caller::named("admin").may(Rule::GetStatus, &Target::default()));
        assert!(Caller::named("pasta").resource_filter(Rule::ListResource, "generic").unwrap().is_none());
    }

    #[test]
    fn listings_are_filtered() {
        let of = |roles: &[&str], rule| user("p1", roles).resource_filter(rule, "generic").unwrap();
        assert_eq!(of(&["admin"], Rule::ListResource), None);
        assert_eq!(of(&["service"], Rule::SearchResource), None);
        let created = Filter::equal("created_by_project_id", "p1");
        let both = Filter::Or(vec![Filter::equal("project_id", "p1"), created.clone()]);
        assert_eq!(of(&["service"], Rule::ListResource), Some(both));
        assert_eq!(of(&[], Rule::DeleteResources), Some(Filter::Or(vec![created])));
        assert_eq!(
            user("", &[]).resource_filter(Rule::ListResource, "generic").unwrap_err().kind,
            Kind::Forbidden
        );
    }

    #[test]
    fn metrics_are_listed_if_they_can_be_read() {
        let (own, owned) = user("p1", &["member"]).metric_filters().unwrap();
        assert_eq!(own, Some(Filter::equal("created_by_project_id", "p1")));
        assert_eq!(owned, Some(Filter::Or(vec![Filter::equal("project_id", "p1")])));
        assert_eq!(user("p1", &["admin"]).metric_filters().unwrap(), (None, None));
        assert_eq!(user("", &["member"]).metric_filters().unwrap_err().kind, Kind::Forbidden);
    }

    /// The story: a user without a project owned what belongs to no project, because both are None to Python.
    #[test]
    fn what_belongs_to_nobody_is_not_everybodys() {
        let of_nobody = Resource { project_id: None, creator: None, ..resource("a:b", "p1") };
        let target = Target::of_resource(&of_nobody);
        for caller in
            [user("", &["member"]), Caller::of_keystone("u", "", "d", Vec::new()), Caller::named("None")]
        {
            assert!(!caller.may(Rule::GetResource, &target), "{caller:?}");
        }
    }

    #[test]
    fn rules_ask_about_any_attribute() {
        let attributes = vec![("flavor".to_owned(), metric_index::AttributeValue::Text("m1".to_owned()))];
        let resource = Resource { attributes, ..resource("jd:p2", "p1") };
        let of = |rule: &'static str| {
            let defaults = [oslo_policy::RuleDefault::new("get resource", rule)];
            let policy = Arc::new(Policy::of_defaults(&defaults).unwrap());
            user("p3", &[]).under(policy).may(Rule::GetResource, &Target::of_resource(&resource))
        };
        assert!(of("'m1':%(flavor)s and 'generic':%(type)s and 'jd':%(created_by_user_id)s"));
        assert!(of("-1:%(revision)s or '00000000-0000-0000-0000-000000000000':%(id)s"));
        assert!(!of("None:%(ended_at)s"));
    }
}
