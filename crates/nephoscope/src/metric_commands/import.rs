//! `nephoscope metric import`: what a running Gnocchi has, into a store that no server has open.
//!
//! Archive policies, rules, resource types, resources with their history and metrics come first, then the aggregates,
//! metric by metric. Everything may be repeated; what is done with is noted in `import.progress` beside the store
//! ([`progress`]), so that a run that was ended goes on where it was.

mod progress;
mod source;

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail};
use archive::Method;
use metric::{ImportedMetric, ImportedSeries, Metrics, OpenError, series_checksum, shown_series};
use model::{Map, Value};
use observability::clock::Clock;

use self::progress::{Progress, SeriesKey};
use self::source::Source;
use super::replace::settle;
use super::{Places, hint, say_json};
use crate::cli::ImportArguments;
use crate::surroundings::Surroundings;
use crate::{Ending, say};

/// Metrics between two lines that say how far it is.
const TOLD_EVERY: usize = 100;
/// Metrics after which a part of the store leaves memory for chunks.
const MAINTAINED_EVERY: usize = 16;

/// What came, and what of it is in the store.
#[derive(Debug, Default)]
struct Counts {
    archive_policies: usize,
    rules: usize,
    resource_types: usize,
    resources: usize,
    revisions: usize,
    metrics: usize,
    series: usize,
    /// Series whose checksum is another one here.
    differing: usize,
}

/// Imports, and compares.
pub(super) async fn run(
    places: &Places,
    arguments: &ImportArguments,
    surroundings: &Surroundings,
    json: bool,
) -> Ending {
    let source = match Source::new(arguments, &surroundings.env) {
        Ok(source) => source,
        Err(error) => return Ending::Usage(error),
    };
    if let Err(ending) = settle(places) {
        return ending;
    }
    if let Err(error) = std::fs::create_dir_all(&places.directory) {
        return Ending::Failed(anyhow!("cannot make {}: {error}", places.directory.display()));
    }
    let opened =
        Metrics::open(&places.measures, &places.index, metric::Settings::default(), Clock::machine()).await;
    let metrics = match opened {
        Ok((metrics, _)) => metrics,
        Err(error @ OpenError::Store(_)) => {
            return Ending::Busy(anyhow!(error).context("a server may have the store open: stop it first"));
        }
        Err(error) => return Ending::Failed(error.into()),
    };
    let imported = import(&source, &metrics, places, !json).await;
    metrics.index().close().await;
    match imported {
        Ok(counts) => {
            if json {
                say_json(&value(&counts));
            } else {
                say(format_args!("{}", summary(&counts)));
            }
            match counts.differing {
                0 => Ending::Done,
                differing => Ending::Failed(anyhow!("{differing} series differ from Gnocchi's")),
            }
        }
        Err(error) => {
            Ending::Failed(error.context("what was imported so far stays; the same command goes on"))
        }
    }
}

async fn import(source: &Source, metrics: &Metrics, places: &Places, tells: bool) -> anyhow::Result<Counts> {
    let tell = |line: std::fmt::Arguments<'_>| {
        if tells {
            hint(line);
        }
    };
    let mut counts = Counts::default();
    // Listings have what their reader may see, and do not say that there is more.
    source.get("/v1/status?details=false").await.context(
        "only an administrator of Gnocchi sees everything, and this user may not see its status; choose another one",
    )?;
    for shown in source.list("/v1/archive_policy").await? {
        metrics.import_archive_policy(&shown).await?;
        counts.archive_policies += 1;
    }
    for shown in source.list("/v1/archive_policy_rule").await? {
        metrics.import_archive_policy_rule(&shown).await?;
        counts.rules += 1;
    }
    let mut types = Vec::new();
    for shown in source.list("/v1/resource_type").await? {
        metrics.import_resource_type(&shown).await?;
        counts.resource_types += 1;
        types.extend(shown.get("name").and_then(Value::as_str).map(str::to_owned));
    }
    tell(format_args!(
        "{} archive policies, {} rules, {} resource types",
        counts.archive_policies, counts.rules, counts.resource_types
    ));
    for name in &types {
        resources(source, metrics, name, &mut counts).await?;
        tell(format_args!(
            "{} resources with {} revisions; {name} is done",
            counts.resources, counts.revisions
        ));
    }
    let mut imported = Vec::new();
    let mut pages = source.pages("/v1/metric?sort=id:asc");
    while let Some(page) = pages.next(source).await? {
        for shown in &page {
            imported.push(metrics.import_metric(shown).await?);
        }
        tell(format_args!("{} metrics", imported.len()));
    }
    counts.metrics = imported.len();
    let mut progress = Progress::open(&places.directory, source.url())?;
    for (place, metric) in imported.iter().enumerate() {
        if !progress.is_done(metric.id) {
            let series = fetched(source, metric).await?;
            let checksums = checksums(&series);
            metrics.import_aggregates(metric, series).await?;
            progress.note(metric.id, checksums)?;
            if (place + 1) % MAINTAINED_EVERY == 0 {
                maintain(metrics).await?;
            }
        }
        if (place + 1) % TOLD_EVERY == 0 {
            tell(format_args!("aggregates of {} of {} metrics", place + 1, imported.len()));
        }
    }
    progress.sync()?;
    for _ in 0..Metrics::STEPS {
        maintain(metrics).await?;
    }
    compare(metrics, &progress, &mut counts, &tell).await?;
    Ok(counts)
}

async fn maintain(metrics: &Metrics) -> anyhow::Result<()> {
    metrics.maintain().await.map_err(|refusal| anyhow!(refusal).context("cannot write the store"))
}

/// The resources of one type, each with its history.
async fn resources(
    source: &Source,
    metrics: &Metrics,
    name: &str,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let path = format!(
        "/v1/resource/{}?history=true&details=true&sort=id:asc&sort=revision_start:asc",
        openstack::path_segment(name)
    );
    let mut pages = source.pages(&path);
    let mut revisions: Vec<Value> = Vec::new();
    loop {
        let page = pages.next(source).await?;
        let is_last = page.is_none();
        // The generic type lists resources of every type.
        let of_type = |shown: &Value| shown.get("type").and_then(Value::as_str) == Some(name);
        for shown in page.unwrap_or_default().into_iter().filter(of_type) {
            if revisions.last().is_some_and(|last| last.get("id") != shown.get("id")) {
                resource(metrics, &mut revisions, counts).await?;
            }
            revisions.push(shown);
        }
        if is_last {
            return resource(metrics, &mut revisions, counts).await;
        }
    }
}

async fn resource(metrics: &Metrics, revisions: &mut Vec<Value>, counts: &mut Counts) -> anyhow::Result<()> {
    if revisions.is_empty() {
        return Ok(());
    }
    metrics.import_resource(revisions).await?;
    counts.resources += 1;
    counts.revisions += revisions.len();
    revisions.clear();
    Ok(())
}

/// All series that Gnocchi has of a metric.
async fn fetched(source: &Source, metric: &ImportedMetric) -> anyhow::Result<Vec<ImportedSeries>> {
    const SECOND: i64 = 1_000_000_000;
    let mut granularities = metric.policy.definition().iter().map(archive::Definition::granularity);
    if let Some(fine) = granularities.find(|granularity| granularity % SECOND != 0) {
        // Its API cuts the times of aggregates to whole seconds.
        bail!(
            "metric {}: the archive policy {} has a granularity of {} s, whose times Gnocchi does not tell",
            metric.id,
            metric.policy.name(),
            metric::view::seconds_text(fine)
        );
    }
    let mut all = Vec::new();
    for method in metric.policy.methods().iter() {
        let path = format!(
            "/v1/metric/{}/measures?aggregation={}",
            metric.id,
            method.to_string().replace('%', "%25")
        );
        let shown = source.get(&path).await.with_context(|| format!("metric {}, {method}", metric.id))?;
        all.extend(shown_series(method, &shown)?);
    }
    Ok(all)
}

fn checksums(series: &[ImportedSeries]) -> BTreeMap<SeriesKey, u32> {
    let key = |method: &Method, granularity: i64| SeriesKey { method: method.to_string(), granularity };
    series
        .iter()
        .map(|(method, granularity, series)| (key(method, *granularity), series_checksum(series)))
        .collect()
}

/// Compares every series of the store with what Gnocchi had.
async fn compare(
    metrics: &Metrics,
    progress: &Progress,
    counts: &mut Counts,
    tell: &impl Fn(std::fmt::Arguments<'_>),
) -> anyhow::Result<()> {
    for (id, series) in progress.done()? {
        for (key, checksum) in series {
            let method = key.method.parse::<Method>().map_err(|_| anyhow!("{} is no method", key.method))?;
            counts.series += 1;
            let own =
                metrics.checksum(id, method, key.granularity).await.map_err(|refusal| anyhow!(refusal))?;
            if own != checksum {
                counts.differing += 1;
                let seconds = metric::view::seconds_text(key.granularity);
                tell(format_args!("metric {id}, {method} of {seconds} s differs"));
            }
        }
    }
    Ok(())
}

fn summary(counts: &Counts) -> String {
    format!(
        "{} archive policies, {} rules, {} resource types, {} resources with {} revisions, {} metrics; {} of {} series \
         are equal",
        counts.archive_policies,
        counts.rules,
        counts.resource_types,
        counts.resources,
        counts.revisions,
        counts.metrics,
        counts.series - counts.differing,
        counts.series
    )
}

fn value(counts: &Counts) -> Value {
    let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let entries = [
        ("archive_policies", number(counts.archive_policies)),
        ("archive_policy_rules", number(counts.rules)),
        ("resource_types", number(counts.resource_types)),
        ("resources", number(counts.resources)),
        ("revisions", number(counts.revisions)),
        ("metrics", number(counts.metrics)),
        ("series", number(counts.series)),
        ("differing_series", number(counts.differing)),
    ];
    entries.into_iter().collect::<Map>().into()
}
