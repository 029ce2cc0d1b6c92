//! `/v1/archive_policy_rule`.

use axum::http::StatusCode;
use metric::{Rule, Target, view};
use metric_index::Error;
use model::Value;

use super::Done;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, schema};

async fn find(api: &Api, request: &Request) -> Result<metric_index::ArchivePolicyRule, Failure> {
    let name = request.capture(0);
    let rule = api.metrics.index().archive_policy_rule(name).await?;
    rule.ok_or_else(|| Error::NoSuchArchivePolicyRule(name.to_owned()).into())
}

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::ListArchivePolicyRule, &Target::default())?;
    let rules = api.metrics.index().archive_policy_rules().await?;
    Ok(Reply::json(Value::List(rules.iter().map(view::archive_policy_rule).collect())))
}

pub(super) async fn create(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::CreateArchivePolicyRule, &Target::default())?;
    let rule = schema::archive_policy_rule(&request.json(api)?)?;
    api.metrics.index().create_archive_policy_rule(&rule).await.map_err(|error| match error {
        Error::NoSuchArchivePolicy(name) => {
            let facts = [("detail", name.into())];
            Failure::because(StatusCode::BAD_REQUEST, "Archive policy does not exist", facts)
        }
        error => error.into(),
    })?;
    Ok(Reply::json(view::archive_policy_rule(&rule))
        .created(request.address("archive_policy_rule", &rule.name)))
}

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::GetArchivePolicyRule, &Target::default())?;
    Ok(Reply::json(view::archive_policy_rule(&find(api, request).await?)))
}

pub(super) async fn rename(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let rule = find(api, request).await?;
    caller.enforce(Rule::UpdateArchivePolicyRule, &Target::default())?;
    let name = schema::rename(&request.json(api)?)?;
    let renamed = api.metrics.index().rename_archive_policy_rule(&rule.name, &name).await?;
    Ok(Reply::json(view::archive_policy_rule(&renamed)))
}

pub(super) async fn delete(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let rule = find(api, request).await?;
    caller.enforce(Rule::DeleteArchivePolicyRule, &Target::default())?;
    api.metrics.index().delete_archive_policy_rule(&rule.name).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
