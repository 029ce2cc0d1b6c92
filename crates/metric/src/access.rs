//! Who asks, and what they may.
//!
//! The rules are Gnocchi's defaults. A rule grants what it grants to administrators, to the services' role, to whoever
//! created the thing, or to the project that it belongs to.

use metric_index::{Filter, Metric, Resource};

use crate::{Kind, Refusal};

/// What a caller sees of listings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything: users are only names (authentication `basic` and `remoteuser`).
    Everything,
    /// What belongs to their project (Keystone).
    Project,
}

/// Somebody who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What is noted as creator: `USER`, or `USER:PROJECT`.
    pub creator: Option<String>,
    /// The user alone.
    pub user_id: Option<String>,
    /// The project.
    pub project_id: Option<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// What is seen of listings.
    pub scope: Scope,
}

impl Caller {
    /// A user that is only a name; `admin` administrates.
    pub fn named(user: impl Into<String>) -> Self {
        let user = user.into();
        let roles = if user == "admin" { vec!["admin".to_owned()] } else { Vec::new() };
        Self {
            creator: Some(user.clone()),
            user_id: Some(user),
            project_id: None,
            roles,
            scope: Scope::Everything,
        }
    }

    /// A user of a project.
    pub fn of_project(user: &str, project: &str, roles: Vec<String>) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            creator: Some(format!("{user}:{project}")),
            user_id: some(user),
            project_id: some(project),
            roles,
            scope: Scope::Project,
        }
    }

    fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own.eq_ignore_ascii_case(role))
    }

    /// Whether a rule lets them.
    pub fn may(&self, rule: Rule, target: &Target<'_>) -> bool {
        let grants = rule.grants();
        let own = |project: Option<&str>| project.is_some() && project == self.project_id.as_deref();
        grants.anyone
            || (grants.admin && self.has_role("admin"))
            || (grants.service && self.has_role("service"))
            || (grants.creator
                && ((target.creator.is_some() && target.creator == self.creator.as_deref())
                    || own(target.created_by_project)))
            || (grants.resource_owner && own(target.project))
            || (grants.metric_owner && own(target.resource_project))
    }

    /// Refuses what a rule does not grant.
    pub fn enforce(&self, rule: Rule, target: &Target<'_>) -> Result<(), Refusal> {
        if self.may(rule, target) { Ok(()) } else { Err(Refusal::forbidden()) }
    }

    /// Decides about reading one resource. Somebody who could see a resource of their own, but not this one, is told that
    /// there is none.
    pub fn enforce_reading(&self, rule: Rule, resource: &Resource) -> Result<(), Refusal> {
        if self.scope == Scope::Everything || self.may(rule, &Target::default()) {
            return Ok(());
        }
        let mine = self.project_id.as_deref();
        let owner = Target { project: mine, ..Target::default() };
        let creator = Target { created_by_project: mine, ..Target::default() };
        let (may_own, may_create) = (self.may(rule, &owner), self.may(rule, &creator));
        let target = Target::of_resource(resource);
        if may_own && resource.project_id.as_deref() == mine
            || may_create && target.created_by_project == mine
        {
            return Ok(());
        }
        if may_own || may_create {
            return Err(metric_index::Error::NoSuchResource(resource.id).into());
        }
        Err(Refusal::forbidden())
    }

    /// The resources that a rule lets them list; all without a filter.
    pub fn resource_filter(&self, rule: Rule) -> Result<Option<Filter>, Refusal> {
        if self.scope == Scope::Everything || self.may(rule, &Target::default()) {
            return Ok(None);
        }
        let mut parts = Vec::new();
        let Some(mine) = self.project_id.as_deref() else {
            return Err(Refusal::new(Kind::Forbidden, "Insufficient privileges"));
        };
        if self.may(rule, &Target { project: Some(mine), ..Target::default() }) {
            parts.push(Filter::equal("project_id", mine));
        }
        if self.may(rule, &Target { created_by_project: Some(mine), ..Target::default() }) {
            parts.push(Filter::equal("created_by_project_id", mine));
        }
        if parts.is_empty() {
            return Err(Refusal::new(Kind::Forbidden, "Insufficient privileges"));
        }
        Ok(Some(Filter::Or(parts)))
    }

    /// The metrics that they may list: those that fit the first filter, or whose resource fits the second one; all without
    /// filters.
    pub fn metric_filters(&self) -> Result<Option<(Filter, Filter)>, Refusal> {
        if self.scope == Scope::Everything || self.may(Rule::ListMetric, &Target::default()) {
            return Ok(None);
        }
        let Some(mine) = self.project_id.as_deref() else {
            return Err(Refusal::new(Kind::Forbidden, "Insufficient privileges"));
        };
        let created = Filter::equal("created_by_project_id", mine);
        let owned = Filter::Or(vec![Filter::equal("project_id", mine), created.clone()]);
        Ok(Some((created, owned)))
    }
}

/// Both filters, as far as there are two.
pub(crate) fn both(first: Option<Filter>, second: Option<Filter>) -> Option<Filter> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Filter::And(vec![first, second])),
        (first, second) => first.or(second),
    }
}

/// What a rule is asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Target<'a> {
    /// Who created it.
    pub creator: Option<&'a str>,
    /// The project part of the creator.
    pub created_by_project: Option<&'a str>,
    /// The project of the resource that it is.
    pub project: Option<&'a str>,
    /// The project of the resource that it belongs to.
    pub resource_project: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A resource.
    pub fn of_resource(resource: &'a Resource) -> Self {
        let creator = resource.creator.as_deref();
        Self {
            creator,
            created_by_project: project_of(creator),
            project: resource.project_id.as_deref(),
            resource_project: None,
        }
    }

    /// A metric.
    pub fn of_metric(metric: &'a Metric) -> Self {
        let creator = metric.creator.as_deref();
        let resource_project = metric.resource.as_ref().and_then(|resource| resource.project_id.as_deref());
        Self { creator, created_by_project: project_of(creator), project: None, resource_project }
    }
}

/// The part of a creator behind the first colon.
fn project_of(creator: Option<&str>) -> Option<&str> {
    Some(creator?.split_once(':')?.1)
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of Gnocchi's rules")]
pub enum Rule {
    GetStatus,
    CreateResource,
    GetResource,
    ListResource,
    SearchResource,
    UpdateResource,
    DeleteResource,
    DeleteResources,
    CreateResourceType,
    UpdateResourceType,
    DeleteResourceType,
    /// Whatever else there is about resource types, archive policies and their rules.
    Look,
    CreateArchivePolicy,
    UpdateArchivePolicy,
    DeleteArchivePolicy,
    ChangeArchivePolicyRule,
    CreateMetric,
    GetMetric,
    DeleteMetric,
    ListMetric,
    SearchMetric,
    PostMeasures,
    GetMeasures,
}

/// Whom a rule grants what it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Grants {
    anyone: bool,
    admin: bool,
    service: bool,
    creator: bool,
    resource_owner: bool,
    metric_owner: bool,
}

impl Rule {
    fn grants(self) -> Grants {
        let nobody = Grants::default();
        let admin = Grants { admin: true, ..nobody };
        let service = Grants { service: true, ..admin };
        let creator = Grants { creator: true, ..admin };
        match self {
            Self::CreateResource | Self::CreateMetric | Self::Look => Grants { anyone: true, ..nobody },
            Self::GetStatus
            | Self::DeleteResourceType
            | Self::UpdateArchivePolicy
            | Self::DeleteArchivePolicy
            | Self::ChangeArchivePolicyRule => admin,
            Self::CreateResourceType | Self::UpdateResourceType | Self::CreateArchivePolicy => service,
            Self::GetResource | Self::ListResource => Grants { resource_owner: true, ..creator },
            Self::SearchResource => Grants { service: true, resource_owner: true, ..creator },
            Self::UpdateResource | Self::PostMeasures => Grants { service: true, ..creator },
            Self::DeleteResource | Self::DeleteResources | Self::DeleteMetric => creator,
            Self::GetMetric | Self::GetMeasures => Grants { service: true, metric_owner: true, ..creator },
            Self::ListMetric | Self::SearchMetric => Grants { metric_owner: true, ..creator },
        }
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
        assert!(Caller::named("pasta").resource_filter(Rule::ListResource).unwrap().is_none());
    }

    #[test]
    fn listings_are_filtered() {
        let of = |roles: &[&str], rule| user("p1", roles).resource_filter(rule).unwrap();
        assert_eq!(of(&["admin"], Rule::ListResource), None);
        assert_eq!(of(&["service"], Rule::SearchResource), None);
        let created = Filter::equal("created_by_project_id", "p1");
        let both = Filter::Or(vec![Filter::equal("project_id", "p1"), created.clone()]);
        assert_eq!(of(&["service"], Rule::ListResource), Some(both));
        assert_eq!(of(&[], Rule::DeleteResources), Some(Filter::Or(vec![created])));
        assert_eq!(user("", &[]).resource_filter(Rule::ListResource).unwrap_err().kind, Kind::Forbidden);
    }
}
