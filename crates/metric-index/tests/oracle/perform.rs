//! The same operations on our index.

use std::str::FromStr as _;

use model::Timestamp;
use nephoscope_metric_index::{
    ArchivePolicy, ArchivePolicyRule, Attribute, AttributeValue, CURRENT, Definition, Error, FilledAttribute,
    Filter, Index, Kind, Metric, MetricQuery, MetricSource, MetricStatus, MetricsChange, NewMetric,
    NewResource, Page, Resource, ResourceChange, ResourceQuery, ResourceType, TypeChange, resource_id, time,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

type Answer = Result<Value, String>;

/// An operation's answer: `{"ok": …}` or `{"error": TEXT}`.
pub(crate) async fn perform(index: &Index, now: Timestamp, operation: &Value) -> Value {
    match dispatch(index, now, operation).await {
        Ok(answer) => json!({ "ok": answer }),
        Err(error) => json!({ "error": error }),
    }
}

async fn dispatch(index: &Index, now: Timestamp, question: &Value) -> Answer {
    let text = |key: &str| question[key].as_str().unwrap_or_else(|| panic!("{key} in {question}"));
    let done = |result: Result<(), Error>| result.map(|()| Value::Null).map_err(said);
    let by_op = Question(question);
    match text("op") {
        "create_policy" => done(index.create_archive_policy(&by_op.policy()).await),
        "update_policy" => {
            let definition = definitions(&question["definition"]);
            let back_window = question["back_window"].as_i64();
            let policy = index.update_archive_policy(text("name"), &definition, back_window).await;
            policy.map(|policy| policy_answer(&policy)).map_err(said)
        }
        "get_policy" => {
            let policy = index.archive_policy(text("name")).await.map_err(said)?;
            Ok(policy.as_ref().map_or(Value::Null, policy_answer))
        }
        "list_policies" => {
            let policies = index.archive_policies().await.map_err(said)?;
            Ok(policies.iter().map(policy_answer).collect())
        }
        "delete_policy" => done(index.delete_archive_policy(text("name")).await),
        "create_rule" => {
            let rule = ArchivePolicyRule {
                name: text("name").to_owned(),
                archive_policy_name: text("policy").to_owned(),
                metric_pattern: text("pattern").to_owned(),
            };
            done(index.create_archive_policy_rule(&rule).await)
        }
        "get_rule" => {
            let rule = index.archive_policy_rule(text("name")).await.map_err(said)?;
            Ok(rule.as_ref().map_or(Value::Null, rule_answer))
        }
        "list_rules" => {
            Ok(index.archive_policy_rules().await.map_err(said)?.iter().map(rule_answer).collect())
        }
        "rename_rule" => {
            let renamed = index.rename_archive_policy_rule(text("name"), text("new")).await;
            renamed.map(|rule| rule_answer(&rule)).map_err(said)
        }
        "delete_rule" => done(index.delete_archive_policy_rule(text("name")).await),
        "policy_for_metric" => {
            let policy = index.archive_policy_for_metric(question["name"].as_str()).await;
            policy.map(|policy| policy.name.into()).map_err(said)
        }
        "create_type" => {
            let attributes = attributes(&question["attributes"])?;
            index
                .create_resource_type(text("name"), &attributes)
                .await
                .map(|kind| type_answer(&kind))
                .map_err(said)
        }
        "get_type" => index.resource_type(text("name")).await.map(|kind| type_answer(&kind)).map_err(said),
        "list_types" => Ok(index.resource_types().await.map_err(said)?.iter().map(type_answer).collect()),
        "update_type" => {
            let delete =
                question["delete"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            let change = TypeChange {
                add: filled(&question["add"], now)?,
                delete: delete.collect(),
                update: filled(&question["update"], now)?,
            };
            index
                .update_resource_type(text("name"), &change)
                .await
                .map(|kind| type_answer(&kind))
                .map_err(said)
        }
        "delete_type" => done(index.delete_resource_type(text("name")).await),
        "create_resource" => {
            let made = index.create_resource(&by_op.new_resource(index).await).await;
            made.map(|resource| resource_answer(&resource)).map_err(said)
        }
        "update_resource" => {
            let change = by_op.change(index).await;
            let changed = index.update_resource(text("type"), by_op.id(), &change).await.map_err(said)?;
            Ok(json!({ "resource": resource_answer(&changed.resource), "revised": changed.revised }))
        }
        "get_resource" => {
            let found = index.resource(text("type"), by_op.id()).await.map_err(said)?;
            Ok(found.as_ref().map_or(Value::Null, resource_answer))
        }
        "delete_resource" => done(index.delete_resource(by_op.id()).await.map(drop)),
        "delete_resources" => {
            let filter = filter(&question["filter"])?.ok_or("attribute_filter must be set")?;
            let deleted = index.delete_resources(text("type"), &filter).await;
            deleted.map(|deleted| deleted.resources.into()).map_err(said)
        }
        "list_resources" => {
            let found = index.resources(&by_op.resource_query()?).await.map_err(said)?;
            Ok(found.iter().map(resource_answer).collect())
        }
        "page_resources" => page_resources(index, by_op.resource_query()?).await,
        "create_metric" => {
            let new = NewMetric {
                id: by_op.id(),
                creator: by_op.optional("creator"),
                archive_policy_name: text("policy").to_owned(),
                name: by_op.optional("name"),
                unit: by_op.optional("unit"),
                resource_id: question["resource"].as_str().map(id),
            };
            index.create_metric(&new).await.map(|metric| metric.id.to_string().into()).map_err(said)
        }
        "list_metrics" => {
            let query = by_op.metric_query()?;
            let found = index.metrics(&query).await.map_err(said)?;
            Ok(found.iter().map(|metric| metric_answer(metric, query.details)).collect())
        }
        "page_metrics" => page_metrics(index, by_op.metric_query()?).await,
        "delete_metric" => done(index.delete_metric(by_op.id()).await),
        "expunge_metric" => done(index.expunge_metric(by_op.id()).await),
        "truncate" => {
            let value = question["value"].as_bool().unwrap();
            done(index.set_needs_raw_data_truncation(by_op.id(), value).await)
        }
        "back_window_changed" => done(index.back_window_changed(text("policy")).await.map(drop)),
        "resource_id" => {
            let id = resource_id(text("text"), question["creator"].as_str());
            id.map(|id| id.to_string().into()).map_err(|error| error.to_string())
        }
        "timespan" => {
            time::timespan(&value(&question["value"])).map(Value::from).map_err(|error| error.to_string())
        }
        "timestamp" => time::timestamp(&value(&question["value"]), now)
            .map(|time| time.microseconds().into())
            .map_err(|error| error.to_string()),
        other => panic!("no operation {other}"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn said(error: Error) -> String {
    error.to_string()
}

fn id(text: &str) -> Uuid {
    Uuid::from_str(text).unwrap()
}

fn micros(value: &Value) -> Option<Timestamp> {
    value.as_i64().and_then(Timestamp::from_microseconds)
}

fn value(value: &Value) -> model::Value {
    model::json::parse(value.to_string()).unwrap()
}

fn filter(tree: &Value) -> Result<Option<Filter>, String> {
    if tree.is_null() { Ok(None) } else { Filter::from_json(&value(tree)).map(Some).map_err(said) }
}

/// An operation's arguments.
struct Question<'a>(&'a Value);

impl Question<'_> {
    fn id(&self) -> Uuid {
        id(self.0["id"].as_str().unwrap())
    }

    fn optional(&self, key: &str) -> Option<String> {
        self.0[key].as_str().map(str::to_owned)
    }

    fn policy(&self) -> ArchivePolicy {
        let methods = self.0["methods"].as_array().unwrap();
        ArchivePolicy {
            name: self.optional("name").unwrap(),
            back_window: self.0["back_window"].as_i64().unwrap(),
            definition: definitions(&self.0["definition"]),
            aggregation_methods: methods.iter().map(|method| method.as_str().unwrap().to_owned()).collect(),
        }
    }

    fn page(&self) -> Page {
        let sorts = self.0["sorts"].as_array().map_or(&[][..], Vec::as_slice);
        Page {
            limit: self.0["limit"].as_u64().map(|limit| limit.try_into().unwrap()),
            marker: self.optional("marker"),
            sorts: sorts.iter().map(|sort| sort.as_str().unwrap().to_owned()).collect(),
        }
    }

    fn resource_query(&self) -> Result<ResourceQuery, String> {
        Ok(ResourceQuery {
            resource_type: self.optional("type").unwrap(),
            filter: filter(&self.0["filter"])?,
            details: self.0["details"].as_bool().unwrap_or(false),
            history: self.0["history"].as_bool().unwrap_or(false),
            page: self.page(),
        })
    }

    fn metric_query(&self) -> Result<MetricQuery, String> {
        let is_deleted = self.0["status"] == "delete";
        Ok(MetricQuery {
            details: self.0["details"].as_bool().unwrap_or(false),
            status: if is_deleted { MetricStatus::Delete } else { MetricStatus::Active },
            filter: filter(&self.0["filter"])?,
            policy_filter: filter(&self.0["policy_filter"])?,
            resource_policy_filter: filter(&self.0["resource_policy_filter"])?,
            page: self.page(),
        })
    }

    async fn new_resource(&self, index: &Index) -> NewResource {
        let resource_type = self.optional("type").unwrap();
        NewResource {
            id: self.id(),
            creator: self.optional("creator"),
            user_id: self.optional("user_id"),
            project_id: self.optional("project_id"),
            started_at: micros(&self.0["started_at"]),
            ended_at: micros(&self.0["ended_at"]),
            original_resource_id: self.optional("original"),
            attributes: values(index, &resource_type, &self.0["attributes"]).await,
            metrics: sources(&self.0["metrics"]),
            resource_type,
        }
    }

    async fn change(&self, index: &Index) -> ResourceChange {
        let change = &self.0["change"];
        let text = |key: &str| change.get(key).map(|value| value.as_str().map(str::to_owned));
        let metrics = sources(&self.0["metrics"]);
        ResourceChange {
            started_at: change.get("started_at").and_then(micros),
            ended_at: change.get("ended_at").map(micros),
            user_id: text("user_id"),
            project_id: text("project_id"),
            attributes: values(index, self.0["type"].as_str().unwrap(), &self.0["attributes"]).await,
            metrics: match (&self.0["metrics"], self.0["append"].as_bool().unwrap()) {
                (Value::Null, _) => MetricsChange::Keep,
                (_, true) => MetricsChange::Append(metrics),
                (_, false) => MetricsChange::Replace(metrics),
            },
        }
    }
}

fn definitions(list: &Value) -> Vec<Definition> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| Definition {
            granularity_nanoseconds: item[0].as_i64().unwrap(),
            points: item[1].as_i64(),
            timespan_nanoseconds: item[2].as_i64(),
        })
        .collect()
}

fn sources(list: &Value) -> Vec<(String, MetricSource)> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice).iter();
    items
        .map(|item| {
            let source = match item[1].as_str() {
                Some(existing) => MetricSource::Existing(id(existing)),
                None => MetricSource::New {
                    id: id(item[1]["id"].as_str().unwrap()),
                    archive_policy_name: item[1]["policy"].as_str().unwrap().to_owned(),
                    unit: item[1]["unit"].as_str().map(str::to_owned),
                },
            };
            (item[0].as_str().unwrap().to_owned(), source)
        })
        .collect()
}

/// Values of a type's attributes, as the API's validation would make them.
async fn values(index: &Index, resource_type: &str, given: &Value) -> Vec<(String, AttributeValue)> {
    let kind = index.resource_type(resource_type).await.ok();
    let given = given.as_object().unwrap().iter();
    given
        .map(|(name, value)| {
            let attribute =
                kind.as_ref().and_then(|kind| kind.attributes.iter().find(|known| known.name == *name));
            let is_uuid = attribute.is_some_and(|attribute| attribute.kind == Kind::Uuid);
            (name.clone(), attribute_value(value, is_uuid))
        })
        .collect()
}

fn attribute_value(value: &Value, is_uuid: bool) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null,
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(number) => AttributeValue::Number(number.as_f64().unwrap()),
        Value::String(text) if is_uuid => AttributeValue::Uuid(id(text)),
        Value::String(text) => AttributeValue::Text(text.clone()),
        other => AttributeValue::Time(micros(&other["time"]).unwrap()),
    }
}

/// `[[name, {"type": …, "required": …, …}], …]`
fn attributes(list: &Value) -> Result<Vec<Attribute>, String> {
    list.as_array().unwrap().iter().map(attribute).collect()
}

fn attribute(item: &Value) -> Result<Attribute, String> {
    let kind: Kind = serde_json::from_value(item[1].clone()).map_err(|error| error.to_string())?;
    Attribute::new(item[0].as_str().unwrap(), kind, item[1]["required"].as_bool().unwrap()).map_err(said)
}

fn filled(list: &Value, now: Timestamp) -> Result<Vec<FilledAttribute>, String> {
    let fill = |attribute: &Attribute, options: &Value| match options.get("fill") {
        None | Some(Value::Null) => Ok(None),
        Some(fill) => attribute
            .kind
            .accept(&value(fill), now)
            .map(Some)
            .map_err(|reason| Error::InvalidFill { name: attribute.name.clone(), reason }.to_string()),
    };
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| {
            let attribute = attribute(item)?;
            let fill = fill(&attribute, &item[1]["options"])?;
            Ok(FilledAttribute { attribute, fill })
        })
        .collect()
}

async fn page_resources(index: &Index, mut query: ResourceQuery) -> Answer {
    let mut ids = Vec::new();
    for _ in 0..100 {
        let found = index.resources(&query).await.map_err(said)?;
        let Some(last) = found.last() else { return Ok(ids.into()) };
        ids.extend(found.iter().map(|found| json!([found.id.to_string(), found.revision == CURRENT])));
        let marker =
            if query.history { format!("{}@{}", last.id, last.revision) } else { last.id.to_string() };
        query.page.marker = Some(marker);
    }
    Ok("endless".into())
}

async fn page_metrics(index: &Index, mut query: MetricQuery) -> Answer {
    let mut ids: Vec<Value> = Vec::new();
    for _ in 0..100 {
        let found = index.metrics(&query).await.map_err(said)?;
        let Some(last) = found.last() else { return Ok(ids.into()) };
        ids.extend(found.iter().map(|found| found.id.to_string().into()));
        query.page.marker = Some(last.id.to_string());
    }
    Ok("endless".into())
}

fn policy_answer(policy: &ArchivePolicy) -> Value {
    let items = policy.definition.iter();
    let definition: Vec<Value> = items
        .map(|item| json!([item.granularity_nanoseconds, item.points, item.timespan_nanoseconds]))
        .collect();
    json!({
        "name": policy.name, "back_window": policy.back_window, "definition": definition,
        "methods": policy.aggregation_methods,
    })
}

fn rule_answer(rule: &ArchivePolicyRule) -> Value {
    json!([rule.name, rule.archive_policy_name, rule.metric_pattern])
}

fn type_answer(kind: &ResourceType) -> Value {
    let attributes: Vec<Value> = kind
        .attributes
        .iter()
        .map(|attribute| {
            let mut described = serde_json::to_value(attribute).unwrap();
            let name = described.as_object_mut().and_then(|fields| fields.remove("name"));
            json!([name, described])
        })
        .collect();
    json!({ "name": kind.name, "state": kind.state, "attributes": attributes })
}

fn attribute_answer(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Null => Value::Null,
        AttributeValue::Text(text) => text.as_str().into(),
        AttributeValue::Uuid(id) => id.to_string().into(),
        AttributeValue::Number(number) => json!(number),
        AttributeValue::Bool(value) => (*value).into(),
        AttributeValue::Time(time) => json!({ "time": time.microseconds() }),
    }
}

fn resource_answer(resource: &Resource) -> Value {
    let attributes: Map<String, Value> =
        resource.attributes.iter().map(|(name, value)| (name.clone(), attribute_answer(value))).collect();
    let metrics: Vec<Value> =
        resource.metrics.iter().map(|metric| json!([metric.name, metric.id.to_string()])).collect();
    json!({
        "id": resource.id.to_string(),
        "type": resource.resource_type,
        "creator": resource.creator,
        "started_at": resource.started_at.microseconds(),
        "revision_start": resource.revision_start.microseconds(),
        "ended_at": resource.ended_at.map(Timestamp::microseconds),
        "user_id": resource.user_id,
        "project_id": resource.project_id,
        "original_resource_id": resource.original_resource_id,
        "revision": resource.revision,
        "revision_end": resource.revision_end.map(Timestamp::microseconds),
        "attributes": attributes,
        "metrics": metrics,
    })
}

fn metric_answer(metric: &Metric, details: bool) -> Value {
    let mut answer = json!({
        "id": metric.id.to_string(),
        "creator": metric.creator,
        "name": metric.name,
        "unit": metric.unit,
        "resource_id": metric.resource_id.map(|id| id.to_string()),
        "archive_policy": metric.archive_policy.name,
        "status": if metric.status == MetricStatus::Active { "active" } else { "delete" },
        "truncate": metric.needs_raw_data_truncation,
    });
    if details {
        answer["resource"] = metric.resource.as_ref().map(|resource| resource.id.to_string()).into();
    }
    answer
}
