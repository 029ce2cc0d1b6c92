//! Scraped: by a real Prometheus while pollsters run, in a tight loop beside a slow one, over TLS, on several addresses.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::MeterKind;
use nephoscope_http::{ClientOptions, ServerTlsOptions, TlsOptions};
use nephoscope_polling::{ExporterMode, ListenAddress, Listeners, Output, ShownOnly};
use publishers::exporter::server::Tls;
use testkit::Prometheus;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::certificates::Certificates;
use crate::house::{House, gauge, made};
use crate::world::{Running, Script, World};

/// What is served until it is dropped.
pub(crate) struct Scraped {
    pub(crate) addresses: Vec<SocketAddr>,
    client: reqwest::Client,
    _servers: JoinSet<()>,
}

impl Scraped {
    pub(crate) fn start(house: &House, addresses: &[&str], tls: Option<&Tls>) -> Self {
        let addresses: Vec<_> = addresses.iter().map(|text| ListenAddress::parse(text).unwrap()).collect();
        let listeners = Listeners::bind(&addresses).unwrap();
        let servers = listeners.servers(&house.exporter, tls, &house.clock).unwrap();
        let addresses = servers.iter().map(|(server, _)| server.address()).collect();
        let mut tasks = JoinSet::new();
        for (server, pages) in servers {
            tasks.spawn(server.serve(pages, CancellationToken::new()));
        }
        let client = client(TlsOptions::default());
        Self { addresses, client, _servers: tasks }
    }

    pub(crate) fn url(&self, place: usize, path: &str) -> String {
        format!("http://{}{path}", self.addresses[place])
    }

    /// Status, media type and text.
    pub(crate) async fn get(&self, place: usize, path: &str, accept: &str) -> (u16, String, String) {
        let response = self.client.get(self.url(place, path)).header("accept", accept).send().await.unwrap();
        let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind.unwrap_or_default(), response.text().await.unwrap())
    }
}

fn client(tls: TlsOptions) -> reqwest::Client {
    nephoscope_http::client(&ClientOptions { tls, ..ClientOptions::default() }).unwrap()
}

/// A world whose pollsters are shown, with the house that shows them.
fn shown(mode: ExporterMode, world: World) -> (World, House) {
    let house = House::new(mode);
    let mut world = world;
    world.exporter = Some(Arc::clone(&house.exporter));
    world.output = Some(Arc::new(ShownOnly) as Arc<dyn Output>);
    (world, house)
}

async fn cycle(running: &Running) {
    for task in &running.tasks {
        Box::pin(task.run(&running.progress, &running.stop)).await;
    }
}

fn series(text: &str) -> usize {
    text.lines().filter(|line| !line.starts_with('#')).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_path_shows_the_samples_and_names_select_them() {
    let house = House::new(ExporterMode::Compatible);
    house.run("p", &[gauge("a.b", "r", 1), gauge("c", "r", 2)]);
    let scraped = Scraped::start(&house, &["127.0.0.1:0", "[::1]:0", "localhost:0"], None);
    assert!(scraped.addresses[1].is_ipv6());
    for place in 0..3 {
        for path in ["/", "/metrics", "/any/path?x=y"] {
            let (status, kind, text) = scraped.get(place, path, "*/*").await;
            assert_eq!((status, series(&text)), (200, 2), "{path}");
            assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        }
    }
    let (_, _, text) = scraped.get(0, "/metrics?name[]=ceilometer_a_b&name[]=none", "*/*").await;
    assert!(text.contains("ceilometer_a_b{") && series(&text) == 1, "{text}");
    assert_eq!(scraped.get(0, "/favicon.ico", "*/*").await, (200, String::new(), String::new()));
    let scrapes = house.own("scrapes_total");
    assert_eq!(scrapes, 10);
    // Compressed for those who take it.
    let mut stream = TcpStream::connect(scraped.addresses[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("content-encoding: gzip") && !answer.contains("# TYPE"), "{answer}");
}

/// A slow pollster replaces what it gave before at once; at no time are there fewer series, or some of one run and some of
/// another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scrape_never_sees_a_hole_while_a_slow_pollster_runs() {
    const RESOURCES: usize = 60;
    let ids: Vec<String> = (0..RESOURCES).map(|number| format!("r{number}")).collect();
    let slow = Script {
        discovery: Some("d"),
        pause: Duration::from_millis(3),
        counts_runs: true,
        ..Script::default()
    };
    let world = World::new().pollster("slow", slow).discovery("d", Ok(ids));
    let (mut world, house) = shown(ExporterMode::Compatible, world);
    world.options.batch_size = 7;
    let running = world.tasks("sources: [{name: s, interval: 1, meters: ['*']}]");
    cycle(&running).await;
    let scraped = Scraped::start(&house, &["127.0.0.1:0"], None);
    let stop = CancellationToken::new();
    let polling = tokio::spawn({
        let stop = stop.clone();
        async move {
            while !stop.is_cancelled() {
                cycle(&running).await;
            }
        }
    });
    let (mut runs, mut scrapes) = (BTreeSet::new(), 0);
    let began = Instant::now();
    while runs.len() < 5 || scrapes <= 20 {
        assert!(began.elapsed() < Duration::from_mins(3), "{scrapes} {runs:?}");
        let (_, _, text) = scraped.get(0, "/metrics", "*/*").await;
        assert_eq!(series(&text), RESOURCES, "{text}");
        let values: BTreeSet<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap().1)
            .collect();
        assert_eq!(values.len(), 1, "{values:?}");
        runs.extend(values.into_iter().map(str::to_owned));
        scrapes += 1;
    }
    stop.cancel();
    polling.await.unwrap();
}

/// Both modes at once, each scraped again and again, while pollsters run as fast as they can and one resource comes and goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_scrapes_both_modes_without_an_error() {
    const RESOURCES: usize = 40;
    let (plain, modern) = (House::new(ExporterMode::Compatible), House::new(ExporterMode::Modern));
    let scraped = [&plain, &modern].map(|house| Scraped::start(house, &["127.0.0.1:0"], None));
    let urls = scraped.each_ref().map(|scraped| scraped.url(0, "/metrics"));
    let metadata = r#"{"display_name": "web \"é\\", "host": "h", "flavor": {"id": "F", "name": "tiny"}}"#;
    let round = |value: usize| {
        let value = i64::try_from(value).unwrap() * 1_000_000_000;
        let samples: Vec<_> = (0..RESOURCES)
            .flat_map(|number| {
                let resource = format!("r{number}");
                [
                    made("cpu", MeterKind::Cumulative, "ns", &resource, value, metadata),
                    made("memory.usage", MeterKind::Gauge, "MiB", &resource, 1, metadata),
                    made("odd", MeterKind::Delta, "", &resource, f64::NAN, "{}"),
                ]
            })
            .collect();
        for house in [&plain, &modern] {
            // Two sources give the same series, and their runs end at different times.
            house.run_of("all", "s", 1, &samples, true);
            house.run_of("all", "t", 2, &samples, true);
            house.run("flicker", &[gauge("flicker", if value % 2 == 0 { "a" } else { "b" }, 1)]);
        }
    };
    round(0);
    let prometheus = tokio::task::spawn_blocking(move || Prometheus::scraping(&urls).unwrap()).await.unwrap();
    let began = Instant::now();
    let mut rounds = 0;
    let scrapes = |job: &str| {
        let found = prometheus.query(&format!("count_over_time(up{{job=\"{job}\"}}[1h])")).unwrap();
        found.first().map_or(0, |found| found.values[0].1.parse::<u32>().unwrap())
    };
    while rounds <= 50 || scrapes("job0") < 4 || scrapes("job1") < 4 {
        rounds += 1;
        round(rounds);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(began.elapsed() < Duration::from_mins(3), "{rounds}\n{}", prometheus.log());
    }
    for (job, samples) in [("job0", 3 * RESOURCES + 1), ("job1", 4 * RESOURCES + 2)] {
        for (metric, value) in [("up", "1"), ("scrape_samples_scraped", &*samples.to_string())] {
            let found = prometheus.query(&format!("{metric}{{job=\"{job}\"}}[1h]")).unwrap();
            assert!(found[0].values.iter().all(|(_, seen)| seen == value), "{job} {found:?}");
        }
    }
    let log = prometheus.log();
    for word in ["duplicate", "out of order", "err="] {
        assert!(!log.contains(word), "{log}");
    }
    let targets = prometheus.get("/api/v1/targets").unwrap();
    for target in targets["activeTargets"].as_array().unwrap() {
        assert_eq!((&target["health"], &target["lastError"]), (&"up".into(), &"".into()), "{target}");
    }
    // The queries of the guide.
    let queried = |query: &str| prometheus.query(query).unwrap();
    let compatible = queried("rate(ceilometer_cpu{resource_name=~\"web.*\"}[1m]) / 1e9");
    let modern = queried(
        "rate(ceilometer_cpu_seconds_total[1m]) * on (instance, resource) group_left (resource_name, flavor_name) \
         ceilometer_resource_info",
    );
    assert_eq!((compatible.len(), modern.len()), (RESOURCES, RESOURCES));
    let named = |labels: &[(String, String)], name: &str| {
        labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    assert_eq!(named(&modern[0].labels, "resource_name").as_deref(), Some("web \"é\\"));
    assert_eq!(named(&modern[0].labels, "flavor_name").as_deref(), Some("tiny"));
    assert!(modern[0].values[0].1.parse::<f64>().unwrap() > 0.0);
    assert_eq!(queried("ceilometer_memory_usage_bytes == 1048576").len(), RESOURCES);
    let known = prometheus.get("/api/v1/metadata").unwrap();
    for (names, kind) in [
        (&["ceilometer_cpu"][..], "gauge"),
        // Prometheus 2.42 files OpenMetrics' counters and infos under the family's name.
        (&["ceilometer_cpu_seconds", "ceilometer_cpu_seconds_total"], "counter"),
        (&["ceilometer_resource", "ceilometer_resource_info"], "info"),
        (&["ceilometer_memory_usage_bytes"], "gauge"),
    ] {
        let found: String = names.iter().map(|name| known[*name].to_string()).collect();
        assert!(found.contains(&format!("\"type\":\"{kind}\"")), "{names:?}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_with_a_certificate_that_changes() {
    let certificates = Certificates::shared();
    let tls = |name: &str| {
        let [certfile, keyfile] = ["pem", "key"].map(|kind| certificates.path(&format!("{name}.{kind}")));
        Tls::new(&ServerTlsOptions {
            certfile,
            keyfile: Some(keyfile),
            client_cafile: None,
            min_version: None,
        })
    };
    let house = House::new(ExporterMode::Compatible);
    house.run("p", &[gauge("a", "r", 1)]);
    let own = tls("server").unwrap();
    let scraped = Scraped::start(&house, &["127.0.0.1:0", "127.0.0.1:0"], Some(&own));
    let trusting =
        || client(TlsOptions { cafile: Some(certificates.path("ca.pem")), ..TlsOptions::default() });
    for address in &scraped.addresses {
        let text =
            trusting().get(format!("https://{address}/metrics")).send().await.unwrap().text().await.unwrap();
        assert_eq!(series(&text), 1);
        assert!(trusting().get(format!("http://{address}/metrics")).send().await.is_err());
    }
    // Another one, for another name: whoever checks sees it.
    own.replace(&tls("elsewhere").unwrap());
    let url = format!("https://{}/metrics", scraped.addresses[1]);
    assert!(trusting().get(&url).send().await.is_err());
    own.replace(&tls("server").unwrap());
    assert!(trusting().get(&url).send().await.is_ok());
    assert!(tls("nobody").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_do_not_read_hold_nobody_up() {
    let house = House::new(ExporterMode::Compatible);
    let many =
        |value: i64| (0..20_000).map(|number| gauge("m", &format!("r{number}"), value)).collect::<Vec<_>>();
    house.run("p", &many(1));
    let scraped = Scraped::start(&house, &["127.0.0.1:0"], None);
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(scraped.addresses[0]).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        idle.push(stream);
    }
    let until = Instant::now() + Duration::from_mins(1);
    while house.own("scrapes_total") < 20 {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.run("p", &many(2));
    let (_, _, text) = scraped.get(0, "/metrics", "*/*").await;
    assert_eq!(text.matches("} 2.0\n").count(), 20_000);
    // Each has what there was when it asked.
    let mut first = String::new();
    let stream = &mut idle[0];
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    while !first.ends_with("0\r\n\r\n") {
        let mut part = [0; 8192];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0);
        first.push_str(std::str::from_utf8(&part[..length]).unwrap());
    }
    assert_eq!(first.matches("resource=\"r").count(), 20_000);
    assert!(!first.contains("} 2.0"));
}
