//! The statsd listener of a server.

use std::net::UdpSocket;

use serde_json::Value;

use crate::house::House;

const RESOURCE: &str = "9d1b1a2c-5b0b-4f6e-8d3c-0c2b8a1e7f10";

fn address(house: &mut House) -> String {
    let line = house.process().line("statsd listens").unwrap();
    let digits = line.split("127.0.0.1:").nth(1).unwrap_or_else(|| panic!("{line}"));
    let port: String = digits.chars().take_while(char::is_ascii_digit).collect();
    format!("127.0.0.1:{port}")
}

fn values(house: &House, metric: &str) -> Vec<f64> {
    let path = format!("/v1/resource/generic/{RESOURCE}/metric/{metric}/measures?aggregation=sum");
    let (status, measures) = house.request("GET", &path, &Value::Null);
    if status == 404 {
        return Vec::new();
    }
    assert_eq!(status, 200, "{measures}");
    let values = measures.as_array().unwrap().iter().map(|measure| measure[2].as_f64().unwrap());
    values.collect()
}

#[test]
fn what_came_is_flushed_at_the_end_and_hostile_datagrams_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let options =
        format!("[statsd]\nport = 0\nresource_id = {RESOURCE}\ncreator = statsd\nflush_delay = 3600\n");
    let mut house = House::start_in(&state, &options);
    let address = address(&mut house);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    // Few and small: the system drops what it has no room for.
    for round in 0..20 {
        let mut noise = vec![0; random.usize(0..200)];
        random.fill(&mut noise);
        socket.send_to(&noise, &address).unwrap();
        socket.send_to(b"||||\n:\n|c\na:1|c|@0\nx:1|h", &address).unwrap();
        let datagram = format!("requests:2|c\nqueue:{round}|g\nlatency:1.5|ms");
        socket.send_to(datagram.as_bytes(), &address).unwrap();
    }
    house.process().terminate().unwrap();
    drop(house);

    let options = options.replace("3600", "0.2");
    let mut house = House::start_in(&state, &options);
    assert_eq!(values(&house, "requests%7Cc"), [40.0]);
    assert_eq!(values(&house, "queue%7Cg"), [19.0]);
    assert_eq!(values(&house, "latency%7Cms"), [1.5]);
    let (_, resource) = house.request("GET", &format!("/v1/resource/generic/{RESOURCE}"), &Value::Null);
    assert_eq!(resource["creator"], "statsd");
    // Now and then, too.
    socket.send_to(b"later:7|g", self::address(&mut house)).unwrap();
    testkit::until("a flush", || (values(&house, "later%7Cg") == [7.0]).then_some(())).unwrap();
}
