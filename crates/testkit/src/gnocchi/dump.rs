//! Everything that a Gnocchi says, to be compared with what another one says.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::GnocchiApi;
use crate::Error;

/// Fields that are of the moment, or made by chance: only whether there is something can be compared.
const MOMENTS: [&str; 4] = ["started_at", "ended_at", "revision_start", "revision_end"];

impl GnocchiApi {
    /// Every resource by its type and original id, as `instance 6c1b…`: how it is `now`, its `history`, and its `metrics` by
    /// name, each with `policy`, `unit`, and `measures` by aggregation method. Measures that are not yet worked off are
    /// worked off for it. In place of the times of changes stands `set`.
    pub fn dump(&self) -> Result<BTreeMap<String, Value>, Error> {
        let mut found = BTreeMap::new();
        for resource in self.all("/v1/resource/generic?details=true")? {
            let text = |key: &str| resource[key].as_str().unwrap_or_default();
            let (kind, id, original) = (text("type"), text("id"), text("original_resource_id"));
            let mut metrics = BTreeMap::new();
            for (name, metric) in resource["metrics"].as_object().into_iter().flatten() {
                metrics.insert(name.clone(), self.dump_metric(metric.as_str().unwrap_or_default())?);
            }
            // Shorter than a page.
            let history = self.get(&format!("/v1/resource/{kind}/{id}/history?details=true"))?;
            let history: Vec<Value> = history.as_array().into_iter().flatten().map(timeless).collect();
            let key = format!("{kind} {original}");
            found.insert(key, json!({ "now": timeless(&resource), "history": history, "metrics": metrics }));
        }
        Ok(found)
    }

    fn dump_metric(self, metric: &str) -> Result<Value, Error> {
        let about = self.get(&format!("/v1/metric/{metric}"))?;
        let policy = &about["archive_policy"];
        let mut measures = BTreeMap::new();
        for method in policy["aggregation_methods"].as_array().into_iter().flatten() {
            let method = method.as_str().unwrap_or_default();
            let path = format!("/v1/metric/{metric}/measures?refresh=true&aggregation={method}");
            measures.insert(method.to_owned(), self.get(&path)?);
        }
        Ok(json!({ "policy": policy["name"], "unit": about["unit"], "measures": measures }))
    }

    /// All pages of a list.
    fn all(self, path: &str) -> Result<Vec<Value>, Error> {
        let mut all: Vec<Value> = Vec::new();
        let mut page = path.to_owned();
        loop {
            let answer = self.get(&page)?;
            let Some(items) = answer.as_array().filter(|items| !items.is_empty()) else { return Ok(all) };
            all.extend(items.iter().cloned());
            let last = all.last().and_then(|item| item["id"].as_str()).unwrap_or_default();
            page = format!("{path}&marker={last}");
        }
    }
}

fn timeless(resource: &Value) -> Value {
    let mut resource = resource.clone();
    resource["metrics"] = Value::Null;
    for moment in MOMENTS {
        if !resource[moment].is_null() {
            resource[moment] = json!("set");
        }
    }
    resource
}
