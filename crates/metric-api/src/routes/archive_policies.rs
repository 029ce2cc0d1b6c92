//! `/v1/archive_policy`.

use axum::http::StatusCode;
use metric::{Rule, Target, view};
use model::Value;

use super::Done;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Api, schema};

pub(super) async fn list(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::ListArchivePolicy, &Target::default())?;
    let policies = api.metrics.index().archive_policies().await?;
    Ok(Reply::json(Value::List(policies.iter().map(view::archive_policy).collect())))
}

pub(super) async fn create(api: &Api, request: &Request) -> Done {
    request.caller()?.enforce(Rule::CreateArchivePolicy, &Target::default())?;
    let policy = schema::archive_policy(&request.json(api)?, api.metrics.default_methods())?;
    api.metrics.create_archive_policy(&policy).await?;
    let shown = view::archive_policy(&metric::stored_policy(&policy));
    Ok(Reply::json(shown).created(request.address("archive_policy", policy.name())))
}

pub(super) async fn show(api: &Api, request: &Request) -> Done {
    let name = request.capture(0);
    request.caller()?.enforce(Rule::GetArchivePolicy, &Target::of_pairs(&[("name", name)]))?;
    let policy = api.metrics.archive_policy(name).await?;
    Ok(Reply::json(view::archive_policy(&policy)))
}

pub(super) async fn update(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let name = request.capture(0);
    api.metrics.archive_policy(name).await?;
    caller.enforce(Rule::UpdateArchivePolicy, &Target::of_pairs(&[("name", name)]))?;
    let change = schema::archive_policy_change(&request.json(api)?)?;
    let policy = api.metrics.update_archive_policy(name, change.definition, change.back_window).await?;
    Ok(Reply::json(view::archive_policy(&policy)))
}

pub(super) async fn delete(api: &Api, request: &Request) -> Done {
    let caller = request.caller()?;
    let name = request.capture(0);
    caller.enforce(Rule::DeleteArchivePolicy, &Target::default())?;
    api.metrics.archive_policy(name).await?;
    api.metrics.delete_archive_policy(name).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
