//! What is said of each route.

use crate::route::Endpoint;

const JSON: &str = "application/json";

/// A route's description.
#[derive(Debug, Default)]
pub(super) struct Operation {
    pub(super) summary: &'static str,
    /// Names among the components.
    pub(super) parameters: Vec<&'static str>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    /// Statuses of refusals beside those that any request may get.
    pub(super) refusals: Vec<u16>,
    /// Whether nobody is asked who they are.
    pub(super) is_open: bool,
}

#[derive(Debug)]
pub(super) struct Body {
    pub(super) media_type: &'static str,
    pub(super) schema: &'static str,
    pub(super) is_required: bool,
}

/// An answer to a request that was done.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Media types with their schemas.
    pub(super) content: Vec<(&'static str, &'static str)>,
}

/// An operation that answers JSON.
fn of(summary: &'static str, schema: &'static str) -> Operation {
    Operation { summary, ..Operation::default() }.answers(200, &[(JSON, schema)])
}

/// An operation that answers nothing.
fn without_answer(summary: &'static str, status: u16) -> Operation {
    Operation { summary, ..Operation::default() }.answers(status, &[])
}

impl Operation {
    fn answers(mut self, status: u16, content: &[(&'static str, &'static str)]) -> Self {
        self.answers.push(Answer { status, content: content.to_vec() });
        self
    }

    /// Something was made: 201 instead of 200.
    fn creates(mut self) -> Self {
        for answer in &mut self.answers {
            answer.status = 201;
        }
        self
    }

    fn takes(mut self, schema: &'static str) -> Self {
        self.body = Some(Body { media_type: JSON, schema, is_required: true });
        self.refuses(&[400, 415])
    }

    /// A body that may be left out.
    fn may_take(mut self, schema: &'static str) -> Self {
        self.body = Some(Body { media_type: JSON, schema, is_required: false });
        self.refuses(&[400, 415])
    }

    fn takes_other(mut self, media_type: &'static str, schema: &'static str) -> Self {
        self.body = Some(Body { media_type, schema, is_required: true });
        self.refuses(&[400])
    }

    fn with(mut self, parameters: &[&'static str]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    fn refuses(mut self, statuses: &[u16]) -> Self {
        self.refusals.extend(statuses);
        self
    }

    fn open(mut self) -> Self {
        self.is_open = true;
        self
    }
}

const PAGE: [&str; 3] = ["limit", "marker", "sort"];
const MEASURES: [&str; 6] = ["start", "stop", "aggregation", "granularity", "resample", "refresh"];
const AGGREGATION: [&str; 9] = [
    "start",
    "stop",
    "aggregation",
    "reaggregation",
    "granularity",
    "resample",
    "refresh",
    "fill",
    "needed_overlap",
];
const METRICS: [&str; 8] = [
    "of_id",
    "of_name",
    "of_unit",
    "of_archive_policy_name",
    "of_creator",
    "of_user_id",
    "of_project_id",
    "status",
];

/// What is said of a route.
pub(super) fn operation(endpoint: Endpoint) -> Operation {
    match endpoint {
        Endpoint::Versions => of("The versions of the API", "Versions").open(),
        Endpoint::Index => of("The families of routes", "Index").open(),
        Endpoint::Health => Operation { summary: "Whether the server answers", ..Operation::default() }
            .answers(200, &[(JSON, "Health"), ("text/plain", "Text")])
            .open(),
        Endpoint::OpenApi => of("This document", "Document").open(),
        Endpoint::Capabilities => of("The aggregation methods", "Capabilities").open(),
        Endpoint::Status => {
            of("How much there is, and waits", "Status").with(&["details"]).refuses(&[400, 403])
        }
        _ => policies(endpoint).or_else(|| resources(endpoint)).unwrap_or_else(|| metrics(endpoint)),
    }
}

fn policies(endpoint: Endpoint) -> Option<Operation> {
    Some(match endpoint {
        Endpoint::ListArchivePolicies => of("Lists archive policies", "ArchivePolicies"),
        Endpoint::CreateArchivePolicy => of("Makes an archive policy", "ArchivePolicy")
            .creates()
            .takes("NewArchivePolicy")
            .refuses(&[403, 409]),
        Endpoint::ShowArchivePolicy => of("Shows an archive policy", "ArchivePolicy").refuses(&[404]),
        Endpoint::UpdateArchivePolicy => {
            of("Changes how long an archive policy keeps aggregates", "ArchivePolicy")
                .takes("ArchivePolicyChange")
                .refuses(&[403, 404])
        }
        Endpoint::DeleteArchivePolicy => {
            without_answer("Deletes an archive policy that is not in use", 204).refuses(&[400, 403, 404])
        }
        Endpoint::ListRules => of("Lists the rules that give metrics their archive policies", "Rules"),
        Endpoint::CreateRule => of("Makes a rule", "Rule").creates().takes("NewRule").refuses(&[403, 409]),
        Endpoint::ShowRule => of("Shows a rule", "Rule").refuses(&[404]),
        Endpoint::RenameRule => of("Renames a rule", "Rule").takes("RuleChange").refuses(&[403, 404]),
        Endpoint::DeleteRule => without_answer("Deletes a rule", 204).refuses(&[403, 404]),
        Endpoint::ListResourceTypes => of("Lists resource types", "ResourceTypes"),
        Endpoint::CreateResourceType => of("Makes a resource type", "ResourceType")
            .creates()
            .takes("NewResourceType")
            .refuses(&[403, 409]),
        Endpoint::ShowResourceType => of("Shows a resource type", "ResourceType").refuses(&[404]),
        Endpoint::UpdateResourceType => of("Adds and removes attributes by a JSON patch", "ResourceType")
            .takes_other("application/json-patch+json", "ResourceTypeChange")
            .refuses(&[403, 404, 415]),
        Endpoint::DeleteResourceType => {
            without_answer("Deletes a resource type that is not in use", 204).refuses(&[400, 403, 404])
        }
        _ => return None,
    })
}

fn resources(endpoint: Endpoint) -> Option<Operation> {
    let one =
        |summary| of(summary, "Resource").with(&["if_match", "if_none_match"]).refuses(&[403, 404, 412]);
    Some(match endpoint {
        Endpoint::ResourceIndex => of("The addresses of resources by type", "ResourceIndex").open(),
        Endpoint::ListResources => of("Lists resources", "Resources")
            .with(&PAGE)
            .with(&["details", "history", "attrs"])
            .refuses(&[400, 403, 404]),
        Endpoint::CreateResource => of("Makes a resource, with metrics", "Resource")
            .creates()
            .takes("NewResource")
            .refuses(&[403, 404, 409]),
        Endpoint::DeleteResources => of("Deletes the resources that a search finds", "Deleted")
            .with(&["filter"])
            .may_take("Search")
            .refuses(&[403, 404]),
        Endpoint::ShowResource => one("Shows a resource").answers(304, &[]),
        Endpoint::UpdateResource => one("Changes a resource; `metrics` replaces all that it has")
            .takes("ResourceChange")
            .refuses(&[409]),
        Endpoint::DeleteResource => without_answer("Deletes a resource with its metrics", 204)
            .with(&["if_match", "if_none_match"])
            .refuses(&[403, 404, 412]),
        Endpoint::ShowHistory => of("Lists the revisions of a resource", "Resources")
            .with(&PAGE)
            .with(&["details", "attrs"])
            .refuses(&[400, 403, 404]),
        Endpoint::ListResourceMetrics => of("Lists a resource's metrics", "Metrics").refuses(&[403, 404]),
        Endpoint::AppendResourceMetrics => {
            of("Gives a resource more metrics", "Metrics").takes("GivenMetrics").refuses(&[403, 404, 409])
        }
        Endpoint::ShowNamedMetric => of("Shows a resource's metric", "Metric").refuses(&[403, 404]),
        Endpoint::DeleteNamedMetric => {
            without_answer("Deletes a resource's metric", 204).refuses(&[403, 404])
        }
        Endpoint::ShowNamedMeasures => of("Reads aggregates of a resource's metric", "Measures")
            .with(&MEASURES)
            .refuses(&[400, 403, 404]),
        Endpoint::AddNamedMeasures => without_answer("Takes measures of a resource's metric", 202)
            .takes("NewMeasures")
            .refuses(&[403, 404]),
        Endpoint::SearchResources => of("Lists the resources that a search finds", "Resources")
            .with(&PAGE)
            .with(&["details", "history", "attrs", "filter"])
            .may_take("Search")
            .refuses(&[403, 404]),
        _ => return None,
    })
}

fn metrics(endpoint: Endpoint) -> Operation {
    match endpoint {
        Endpoint::ListMetrics => {
            of("Lists metrics", "Metrics").with(&PAGE).with(&METRICS).refuses(&[400, 403])
        }
        Endpoint::CreateMetric => {
            of("Makes a metric", "CreatedMetric").creates().takes("NewMetric").refuses(&[403, 404, 409])
        }
        Endpoint::ShowMetric => of("Shows a metric", "Metric").refuses(&[403, 404]),
        Endpoint::DeleteMetric => without_answer("Deletes a metric", 204).refuses(&[403, 404]),
        Endpoint::ShowMeasures => {
            of("Reads aggregates of a metric", "Measures").with(&MEASURES).refuses(&[400, 403, 404])
        }
        Endpoint::AddMeasures => {
            without_answer("Takes measures of a metric", 202).takes("NewMeasures").refuses(&[403, 404])
        }
        Endpoint::SearchValues => of("Finds the aggregates of which something is true", "Found")
            .with(&["metric_id", "start", "stop", "aggregation", "granularities"])
            .takes("Predicate")
            .refuses(&[403, 404]),
        Endpoint::AddBatch => {
            without_answer("Takes measures of metrics, all or none", 202).takes("Batch").refuses(&[403])
        }
        Endpoint::AddResourceBatch => without_answer(
            "Takes measures of resources' metrics, all or none, and makes the metrics if told to",
            202,
        )
        .with(&["create_metrics"])
        .takes("ResourceBatch")
        .refuses(&[403, 404, 409]),
        Endpoint::AggregateMetrics => of("Aggregates metrics (older form)", "Measures")
            .with(&["metric"])
            .with(&AGGREGATION)
            .refuses(&[400, 403, 404]),
        Endpoint::AggregateGivenMetrics => of("Aggregates metrics (older form)", "Measures")
            .with(&AGGREGATION)
            .takes("Ids")
            .refuses(&[403, 404]),
        Endpoint::AggregateResources => {
            of("Aggregates metrics of the resources that a search finds (older form)", "GroupedMeasures")
                .with(&AGGREGATION)
                .with(&["groupby", "filter"])
                .may_take("Search")
                .refuses(&[403, 404])
        }
        Endpoint::Aggregates => of("Computes with metrics", "Aggregates")
            .with(&[
                "start",
                "stop",
                "granularity",
                "fill",
                "needed_overlap",
                "groupby",
                "details",
                "use_history",
            ])
            .takes("NewAggregates")
            .refuses(&[403, 404]),
        Endpoint::PrometheusWrite => without_answer("Prometheus' remote write, version 1", 202)
            .takes_other("application/x-protobuf", "Bytes")
            .refuses(&[403, 409]),
        Endpoint::InfluxPing => without_answer("InfluxDB's question whether it answers", 204).open(),
        Endpoint::InfluxQuery => without_answer("InfluxDB's queries, of which one is known", 204)
            .with(&["q"])
            .refuses(&[400, 403, 409, 501]),
        Endpoint::InfluxWrite => without_answer("InfluxDB's line protocol", 204)
            .with(&["db", "tag_header"])
            .takes_other("text/plain", "Text")
            .refuses(&[403, 404, 409]),
        // `operation` has the others.
        _ => Operation::default(),
    }
}
