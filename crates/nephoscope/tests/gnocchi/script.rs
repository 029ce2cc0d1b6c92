//! A day of notifications: the recorded ones of real services, and lives of further resources that are made after them.
//!
//! A *track* is what happens to one set of resources, in order; tracks have no resource in common. Each *cast* lives the
//! same day with ids of its own. In each *wave* every track of every cast tells one notification, so that nothing in a wave
//! depends on the order in which an agent tells Gnocchi of it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use testkit::repository;
use uuid::Uuid;

/// Between two waves, of which a day has about fifty. More than a period of the archive policies.
const WAVE_MINUTES: usize = 25;
/// Where the tracks of the corpus come from; what Cinder sends to its default exchange is Cinder's.
const EXCHANGES: [(&str, &str); 7] = [
    ("aodh", "aodh"),
    ("cinder", "cinder"),
    ("glance", "glance"),
    ("keystone", "keystone"),
    ("neutron", "neutron"),
    ("nova", "nova"),
    ("openstack", "cinder"),
];

/// One notification: where to, and what.
pub(crate) struct Told {
    pub(crate) exchange: String,
    /// The last part of the routing key.
    pub(crate) priority: String,
    pub(crate) body: String,
}

/// A notification of a track, before it is given to a cast.
#[derive(Clone)]
struct Line {
    exchange: String,
    priority: String,
    message: Map<String, Value>,
}

/// The notifications of each wave.
pub(crate) fn day(casts: usize) -> Vec<Vec<Told>> {
    let mut tracks = recorded();
    tracks.extend(generated(&tracks));
    let waves = tracks.iter().map(Vec::len).max().unwrap_or(0);
    let told = |wave: usize| {
        let lines =
            tracks.iter().enumerate().filter_map(move |(track, lines)| Some((track, lines.get(wave)?)));
        lines
            .flat_map(move |(track, line)| (0..casts).map(move |cast| line.told(wave, track, cast)))
            .collect()
    };
    (0..waves).map(told).collect()
}

impl Line {
    fn told(&self, wave: usize, track: usize, cast: usize) -> Told {
        let minutes = wave * WAVE_MINUTES;
        let time = format!(
            "2026-11-{:02} {:02}:{:02}:12.5{track:05}",
            22 + minutes / 1440,
            minutes / 60 % 24,
            minutes % 60
        );
        let mut message = self.message.clone();
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{wave} {track} {cast}").as_bytes());
        message.insert("message_id".into(), id.to_string().into());
        message.insert("_unique_id".into(), id.simple().to_string().into());
        message.insert("timestamp".into(), time.into());
        let text = of_cast(&Value::Object(message).to_string(), cast);
        Told {
            exchange: self.exchange.clone(),
            priority: self.priority.clone(),
            body: json!({ "oslo.version": "2.0", "oslo.message": text }).to_string(),
        }
    }
}

/// The text with every UUID in it replaced by the cast's own.
fn of_cast(text: &str, cast: usize) -> String {
    const LENGTH: usize = 36;
    let is_uuid = |text: &str| {
        let fits = |(place, byte): (usize, u8)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        };
        text.bytes().enumerate().all(fits)
    };
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(character) = rest.chars().next() {
        if let Some(uuid) = rest.get(..LENGTH).filter(|start| is_uuid(start)) {
            let own = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{cast} {uuid}").as_bytes());
            out.push_str(&own.to_string());
            rest = &rest[LENGTH..];
        } else {
            out.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    out
}

/// One track for each service, in the order of time.
fn recorded() -> Vec<Vec<Line>> {
    let corpus = std::fs::read_to_string(repository().join("tests/corpus/notifications.jsonl")).unwrap();
    let mut tracks: BTreeMap<&str, Vec<(String, Line)>> = BTreeMap::new();
    for line in corpus.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        let message: Value = match body["oslo.message"].as_str() {
            Some(text) => serde_json::from_str(text).unwrap(),
            None => body,
        };
        let recorded = record["exchange"].as_str().unwrap();
        let (_, exchange) = EXCHANGES.iter().find(|(known, _)| *known == recorded).unwrap();
        let (_, priority) = record["routing_key"].as_str().unwrap().rsplit_once('.').unwrap();
        let at = message["timestamp"].as_str().unwrap().to_owned();
        let line = Line {
            exchange: (*exchange).to_owned(),
            priority: priority.to_owned(),
            message: message.as_object().unwrap().clone(),
        };
        tracks.entry(exchange).or_default().push((at, line));
    }
    let in_order = |mut track: Vec<(String, Line)>| {
        track.sort_by(|one, other| one.0.cmp(&other.0));
        let mut lines: Vec<Line> = track.into_iter().map(|(_, line)| line).collect();
        let mut whole = uploads(&lines);
        whole.append(&mut lines);
        whole
    };
    tracks.into_values().map(in_order).collect()
}

/// The uploads of images that are only seen to be deleted. The notification of a deletion both ends a resource and, by its
/// sample, makes one that is not there: what comes of that depends on the order.
fn uploads(lines: &[Line]) -> Vec<Line> {
    let of_type =
        |wanted: &'static str| lines.iter().filter(move |line| line.message["event_type"] == wanted);
    let Some(model) = of_type("image.upload").next() else { return Vec::new() };
    of_type("image.delete")
        .map(|deleted| Model(model).line("image.upload", &json!({"id": deleted.message["payload"]["id"]})))
        .collect()
}

/// Makes lines after a recorded one.
struct Model<'t>(&'t Line);

impl Model<'_> {
    /// Another event type, with the payload of the recorded one but for what `changes` says.
    fn line(&self, event_type: &str, changes: &Value) -> Line {
        let mut line = self.0.clone();
        line.message.insert("event_type".into(), event_type.into());
        let payload = line.message["payload"].as_object_mut().unwrap();
        payload.extend(changes.as_object().unwrap().clone());
        line
    }

    /// The same with a payload of its own.
    fn with_payload(&self, exchange: &str, event_type: &str, payload: Value) -> Line {
        let mut line = self.0.clone();
        exchange.clone_into(&mut line.exchange);
        line.message.insert("event_type".into(), event_type.into());
        line.message.insert("payload".into(), payload);
        line
    }
}

const OWNER: &str = "1b31f9889bff4974b6bda4b3ea0a047f";
const USER: &str = "08d06e3a7ac04c87a209e0c1a167cd39";

/// Lives that the corpus shows in parts only: servers that are created, resized and deleted, volumes with snapshots, …
fn generated(tracks: &[Vec<Line>]) -> Vec<Vec<Line>> {
    let find = |event_type: &str| {
        let found = tracks.iter().flatten().find(|line| line.message["event_type"] == event_type);
        Model(found.unwrap_or_else(|| panic!("no {event_type} in the corpus")))
    };
    let server = |id: &str, name: &str| {
        let model = find("compute.instance.create.end");
        let small = json!({"instance_id": id, "display_name": name, "hostname": name});
        let mut large = small.clone();
        large["instance_type"] = "lab.large".into();
        large["instance_flavor_id"] = "0c4a5d1e-7d4e-4f0a-8a53-93c1d3b5a001".into();
        large["memory_mb"] = 512.into();
        large["vcpus"] = 4.into();
        large["root_gb"] = 10.into();
        let ended = |mut payload: Value| {
            payload["state"] = "deleted".into();
            payload["deleted_at"] = "2026-11-22T20:00:00.000000".into();
            payload
        };
        vec![
            model.line("compute.instance.create.start", &small),
            model.line("compute.instance.create.end", &small),
            model.line("compute.instance.exists", &audited(&small)),
            model.line("compute.instance.power_off.end", &small),
            model.line("compute.instance.resize.prep.end", &small),
            model.line("compute.instance.finish_resize.end", &large),
            model.line("compute.instance.resize.confirm.end", &large),
            model.line("compute.instance.exists", &audited(&large)),
            model.line("compute.instance.exists", &audited(&large)),
            model.line("compute.instance.delete.start", &large),
            model.line("compute.instance.delete.end", &ended(large)),
        ]
    };
    let volume = |id: &str, snapshot: &str| {
        let (model, of_snapshot) = (find("volume.update.end"), find("snapshot.create.end"));
        let own = json!({"volume_id": id, "display_name": "data", "metadata": []});
        let with = |changes: &Value| {
            let mut own = own.clone();
            own.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            own
        };
        let taken = json!({"volume_id": id, "snapshot_id": snapshot, "volume_size": 3});
        let other = json!({"size": 3, "display_name": "renamed é", "tenant_id": "8e7f7097c5ba4d6cb227dd1cc4cf1e66", "user_id": "38b7760b979a417d95140237d32ea839"});
        vec![
            model.line("volume.create.start", &with(&json!({"status": "creating"}))),
            model.line("volume.create.end", &own),
            model.line("volume.exists", &audited(&own)),
            model.line("volume.attach.end", &with(&json!({"status": "in-use"}))),
            model.line("volume.detach.end", &own),
            model.line("volume.resize.end", &with(&json!({"size": 3}))),
            model.line("volume.update.end", &with(&json!({"size": 3, "display_name": "renamed é"}))),
            of_snapshot.line("snapshot.create.start", &taken),
            of_snapshot.line("snapshot.create.end", &taken),
            of_snapshot.line("snapshot.exists", &audited(&taken)),
            of_snapshot.line("snapshot.delete.end", &taken),
            model.line("volume.transfer.accept.end", &with(&other)),
            model.line("volume.exists", &audited(&with(&other))),
            model.line("volume.delete.start", &with(&other)),
            model.line("volume.delete.end", &with(&other)),
        ]
    };
    let image = |id: &str| {
        let model = find("image.upload");
        let own = json!({"id": id, "name": "cirros"});
        let renamed = json!({"id": id, "name": "cirros ü"});
        let sent = json!({"bytes_sent": 3_000_000, "image_id": id, "owner_id": OWNER, "receiver_tenant_id": OWNER,
                          "receiver_user_id": USER, "destination_ip": "127.0.0.1"});
        vec![
            model.line("image.create", &json!({"id": id, "name": "cirros", "size": null})),
            model.line("image.upload", &own),
            model.line("image.update", &renamed),
            model.with_payload("glance", "image.send", sent.clone()),
            model.with_payload("glance", "image.send", sent),
            model.line(
                "image.delete",
                &json!({"id": id, "name": "cirros ü", "status": "deleted", "deleted": true}),
            ),
        ]
    };
    let address = |id: &str| {
        let model = find("floatingip.exists");
        let own = |status: &str| {
            let mut address = model.0.message["payload"]["floatingip"].clone();
            address["id"] = id.into();
            address["status"] = status.into();
            json!({"floatingip": address})
        };
        vec![
            model.line("floatingip.create.end", &own("DOWN")),
            model.line("floatingip.update.end", &own("ACTIVE")),
            model.line("floatingip.exists", &own("ACTIVE")),
            model.line(
                "floatingip.delete.end",
                &json!({"floatingip_id": id, "floatingip": own("DOWN")["floatingip"]}),
            ),
        ]
    };
    let model = find("volume.update.end");
    let backup = |event_type: &str, size: u32| {
        let payload = json!({"tenant_id": OWNER, "user_id": USER, "availability_zone": "nova", "display_name": "b",
            "backup_id": "5f6c1e52-1111-4222-8333-94c1d3b5a003", "volume_id": "5f6c1e52-1111-4222-8333-94c1d3b5a004",
            "size": size, "status": "available", "created_at": "2026-11-22T10:03:58+00:00", "host": "h", "object_count": 1,
            "service_metadata": "b", "service": "cinder.backup.drivers.file", "fail_reason": null, "container": "b"});
        model.with_payload("cinder", event_type, payload)
    };
    let capacity = |event_type: &str, name: &str, free: u32| {
        let payload = json!({"name_to_id": name, "total": 100, "free": free, "allocated": 5, "provisioned": 6,
                             "virtual_free": free, "type": "pool", "reported_at": "2026-11-22T10:03:58"});
        model.with_payload("cinder", event_type, payload)
    };
    let bandwidth = |bytes: u32| {
        let payload = json!({"tenant_id": OWNER, "label_id": "5f6c1e52-1111-4222-8333-94c1d3b5a005", "bytes": bytes,
            "pkts": 3, "time": 300, "first_update": 1_763_800_000, "last_update": 1_763_800_300, "host": "labhost"});
        model.with_payload("neutron", "l3.meter", payload)
    };
    // Of two measures with the same time Gnocchi keeps either.
    let node = |percent: f64, time: &str| {
        let metrics = [
            "cpu.frequency",
            "cpu.user.time",
            "cpu.kernel.time",
            "cpu.idle.time",
            "cpu.iowait.time",
            "cpu.kernel.percent",
            "cpu.idle.percent",
            "cpu.user.percent",
            "cpu.iowait.percent",
            "cpu.percent",
        ];
        let metric =
            |name: &&str| json!({"name": name, "value": percent, "timestamp": time, "source": "libvirt"});
        let metrics: Vec<Value> = metrics.iter().map(metric).collect();
        let payload =
            json!({"host": "labhost", "nodename": "node", "host_ip": "127.0.0.1", "metrics": metrics});
        model.with_payload("nova", "compute.metrics.update", payload)
    };
    let share = |event_type: &str, size: u32| {
        let payload = json!({"share_id": "5f6c1e52-1111-4222-8333-94c1d3b5a006", "size": size, "name": "share", "host": "h@b#p",
            "status": "available", "availability_zone": "nova", "proto": "NFS", "user_id": USER, "project_id": OWNER});
        model.with_payload("cinder", event_type, payload)
    };
    let swift = |bytes: u32| {
        let payload = json!({"typeURI": "http://schemas.dmtf.org/cloud/audit/1.0/event", "outcome": "success",
            "target": {"id": OWNER, "action": "get", "metadata": {"path": "/", "version": "v1"}},
            "initiator": {"id": USER, "project_id": OWNER},
            "measurements": [{"metric": {"metricId": "m", "name": "storage.objects.incoming.bytes", "unit": "B"}, "result": bytes}]});
        model.with_payload("swift", "objectstore.http.request", payload)
    };
    let unknown = |exchange: &str, event_type: &str| {
        model.with_payload(
            exchange,
            event_type,
            json!({"id": "5f6c1e52-1111-4222-8333-94c1d3b5a007", "tenant_id": OWNER}),
        )
    };
    vec![
        server("5f6c1e52-1111-4222-8333-94c1d3b5a101", "web"),
        server("5f6c1e52-1111-4222-8333-94c1d3b5a102", "db é"),
        volume("5f6c1e52-1111-4222-8333-94c1d3b5a201", "5f6c1e52-1111-4222-8333-94c1d3b5a202"),
        image("5f6c1e52-1111-4222-8333-94c1d3b5a301"),
        address("5f6c1e52-1111-4222-8333-94c1d3b5a401"),
        vec![
            backup("backup.create.start", 1),
            backup("backup.create.end", 1),
            backup("backup.delete.end", 1),
        ],
        vec![
            capacity("capacity.backend.lab", "labhost@lab", 90),
            capacity("capacity.backend.lab", "labhost@lab", 80),
        ],
        vec![
            capacity("capacity.pool.lab", "labhost@lab#fake", 90),
            capacity("capacity.pool.lab", "labhost@lab#fake", 80),
        ],
        vec![bandwidth(0), bandwidth(1_000), bandwidth(2_000)],
        vec![node(0.25, "2026-11-22T10:03:58"), node(0.5, "2026-11-22T10:08:58")],
        vec![share("share.create.end", 1), share("share.extend.end", 2), share("share.delete.end", 2)],
        vec![swift(10), swift(20)],
        vec![
            unknown("dns", "dns.zone.delete"),
            unknown("neutron", "octavia.loadbalancer.delete.end"),
            unknown("nova", "no.such.event"),
        ],
    ]
}

/// The payload as it is audited at the end of a period.
fn audited(payload: &Value) -> Value {
    let mut payload = payload.clone();
    payload["audit_period_beginning"] = "2026-11-22 09:00:00".into();
    payload["audit_period_ending"] = "2026-11-22 10:00:00".into();
    payload
}
