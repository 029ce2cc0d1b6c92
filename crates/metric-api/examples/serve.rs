//! The API alone, as Gnocchi's own test suite wants it: an empty directory, names for users, pages of seven.
//!
//! `cargo run -p nephoscope-metric-api --example serve -- DIRECTORY PORT [INDEX_URL]`

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use metric::Metrics;
use nephoscope_metric_api::{Api, Settings};
use observability::clock::Clock;
use observability::http_server::{HttpServer, Plain, ServerLimits};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: serve DIRECTORY PORT [INDEX_URL]";
    let directory = PathBuf::from(arguments.next().ok_or(usage)?);
    let port = arguments.next().ok_or(usage)?.parse()?;
    std::fs::create_dir_all(&directory)?;
    let index = format!("sqlite:///{}", directory.join("index.sqlite").display());
    let index = arguments.next().unwrap_or(index);
    let (metrics, _) =
        Metrics::open(&directory.join("measures"), &index, metric::Settings::default(), Clock::machine())
            .await?;
    let settings = Settings {
        max_limit: 7,
        proxy_headers: true,
        allowed_origins: vec!["http://foobar.com".to_owned()],
        prefix: "/gnocchi".to_owned(),
        ..Settings::default()
    };
    let server = HttpServer::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let stop = CancellationToken::new();
    server.serve(Api::new(metrics, settings).router(), Plain, ServerLimits::default(), stop).await;
    Ok(())
}
