//! What is done for each route, a file a family.

mod aggregates;
mod aggregation;
mod archive_policies;
mod batches;
mod influxdb;
mod measures;
mod metrics;
mod prometheus;
mod resource_metrics;
mod resource_types;
mod resources;
mod root;
mod rules;
mod search;
mod writers;

use crate::failure::Failure;
use crate::reply::Reply;
use crate::request::Request;
use crate::route::Endpoint;
use crate::{Api, openapi};

/// Reads a line of InfluxDB's protocol; says whether it is one.
pub(crate) fn parse_line(line: &str) -> bool {
    influxdb::is_line(line)
}

type Done = Result<Reply, Failure>;

/// Does what a route is for.
pub(crate) async fn call(api: &Api, request: &Request, endpoint: Endpoint) -> Done {
    match endpoint {
        Endpoint::Versions => Ok(root::versions(request)),
        Endpoint::Index => Ok(root::index(request)),
        Endpoint::Health => Ok(root::health(request)),
        Endpoint::OpenApi => Ok(Reply::json(openapi::document(&request.base))),
        Endpoint::Capabilities => Ok(root::capabilities()),
        Endpoint::Status => root::status(api, request).await,
        Endpoint::ListArchivePolicies => archive_policies::list(api, request).await,
        Endpoint::CreateArchivePolicy => archive_policies::create(api, request).await,
        Endpoint::ShowArchivePolicy => archive_policies::show(api, request).await,
        Endpoint::UpdateArchivePolicy => archive_policies::update(api, request).await,
        Endpoint::DeleteArchivePolicy => archive_policies::delete(api, request).await,
        Endpoint::ListRules => rules::list(api, request).await,
        Endpoint::CreateRule => rules::create(api, request).await,
        Endpoint::ShowRule => rules::show(api, request).await,
        Endpoint::RenameRule => rules::rename(api, request).await,
        Endpoint::DeleteRule => rules::delete(api, request).await,
        Endpoint::ListResourceTypes => resource_types::list(api, request).await,
        Endpoint::CreateResourceType => resource_types::create(api, request).await,
        Endpoint::ShowResourceType => resource_types::show(api, request).await,
        Endpoint::UpdateResourceType => resource_types::update(api, request).await,
        Endpoint::DeleteResourceType => resource_types::delete(api, request).await,
        Endpoint::ListMetrics => metrics::list(api, request).await,
        Endpoint::CreateMetric => metrics::create(api, request).await,
        Endpoint::ShowMetric => metrics::show(api, request).await,
        Endpoint::DeleteMetric => metrics::delete(api, request).await,
        Endpoint::ShowMeasures => measures::show(api, request).await,
        Endpoint::AddMeasures => measures::add(api, request).await,
        Endpoint::ResourceIndex => resources::index(api, request).await,
        Endpoint::ListResources => resources::list(api, request).await,
        Endpoint::CreateResource => resources::create(api, request).await,
        Endpoint::DeleteResources => resources::delete_many(api, request).await,
        Endpoint::ShowResource => resources::show(api, request).await,
        Endpoint::UpdateResource => resources::update(api, request).await,
        Endpoint::DeleteResource => resources::delete(api, request).await,
        Endpoint::ShowHistory => resources::history(api, request).await,
        Endpoint::ListResourceMetrics => resource_metrics::list(api, request).await,
        Endpoint::AppendResourceMetrics => resource_metrics::append(api, request).await,
        Endpoint::ShowNamedMetric => resource_metrics::show(api, request).await,
        Endpoint::DeleteNamedMetric => resource_metrics::delete(api, request).await,
        Endpoint::ShowNamedMeasures => resource_metrics::show_measures(api, request).await,
        Endpoint::AddNamedMeasures => resource_metrics::add_measures(api, request).await,
        Endpoint::SearchResources => search::resources(api, request).await,
        Endpoint::SearchValues => search::values(api, request).await,
        Endpoint::AddBatch => batches::metrics(api, request).await,
        Endpoint::AddResourceBatch => batches::resources(api, request).await,
        Endpoint::AggregateMetrics => aggregation::metrics(api, request).await,
        Endpoint::AggregateGivenMetrics => aggregation::given_metrics(api, request).await,
        Endpoint::AggregateResources => aggregation::resources(api, request).await,
        Endpoint::Aggregates => aggregates::aggregates(api, request).await,
        Endpoint::PrometheusWrite => prometheus::write(api, request).await,
        Endpoint::InfluxPing => Ok(influxdb::ping()),
        Endpoint::InfluxQuery => influxdb::query(api, request).await,
        Endpoint::InfluxWrite => influxdb::write(api, request).await,
    }
}
