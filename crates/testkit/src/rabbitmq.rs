//! A private RabbitMQ: the broker as a whole. What belongs to one virtual host is in [`Vhost`].

mod control;
mod recovery;
mod shared;
mod vhost;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Error;
use crate::service::Service;

pub use shared::shared_rabbitmq;
pub use vhost::{Binding, Connection, Exchange, Message, Queue, Vhost};

/// The account that every fresh broker has, with its password.
pub const USER: &str = "guest";
const CONTROL_PANEL: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// A RabbitMQ server of our own. Dropped, it is gone: process, ports, directory.
#[derive(Debug)]
pub struct RabbitMq {
    service: Service,
    report: Report,
}

/// What the launcher says of a started broker.
#[derive(Debug, Deserialize)]
struct Report {
    dir: PathBuf,
    port: u16,
    tls_port: Option<u16>,
    control: PathBuf,
    node: String,
    log: PathBuf,
    environment: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "certificates")]
    certificates: Option<Certificates>,
}

/// Files of the broker's TLS listener, all PEM. Keys are EC, PKCS#8, without a password.
#[derive(Debug, Clone, Deserialize)]
pub struct Certificates {
    /// The authority that signed the server's and the client's certificate.
    pub ca: PathBuf,
    /// An authority that signed neither: trusting only it must fail.
    pub stranger_ca: PathBuf,
    /// The server's certificate, for `localhost`, 127.0.0.1 and ::1.
    pub server_certificate: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// A client certificate whose common name is [`USER`], good for EXTERNAL authentication.
    pub client_certificate: PathBuf,
    /// The client's key.
    pub client_key: PathBuf,
}

pub(crate) fn certificates<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Certificates>, D::Error> {
    // Without TLS the launcher reports an empty table.
    let table = BTreeMap::<String, PathBuf>::deserialize(deserializer)?;
    let take = |name: &str| table.get(name).cloned().unwrap_or_default();
    Ok((!table.is_empty()).then(|| Certificates {
        ca: take("ca"),
        stranger_ca: take("stranger_ca"),
        server_certificate: take("server_certificate"),
        server_key: take("server_key"),
        client_certificate: take("client_certificate"),
        client_key: take("client_key"),
    }))
}

/// How a broker shall be started.
#[must_use]
#[derive(Debug, Clone, Default)]
pub struct Builder {
    arguments: Vec<String>,
}

impl Builder {
    /// Adds a TLS listener with its own authority, and EXTERNAL authentication.
    pub fn tls(mut self) -> Self {
        self.arguments.push("--tls".to_owned());
        self
    }

    /// Makes the TLS listener refuse clients without a certificate.
    pub fn require_client_certificate(mut self) -> Self {
        self.arguments.push("--require-client".to_owned());
        self
    }

    /// Enables one of the plugins that come with the broker.
    pub fn plugin(mut self, name: &str) -> Self {
        self.arguments.push(format!("--plugin={name}"));
        self
    }

    /// Adds a line to `rabbitmq.conf`.
    pub fn setting(mut self, line: &str) -> Self {
        self.arguments.push(format!("--setting={line}"));
        self
    }

    /// Starts the broker and waits until it serves.
    pub fn start(self) -> Result<RabbitMq, Error> {
        let (service, report) = Service::start_reporting("rabbitmq", "rabbitmq.py", &self.arguments)?;
        Ok(RabbitMq { service, report })
    }
}

impl RabbitMq {
    /// Starts a plain broker and waits until it serves.
    pub fn start() -> Result<Self, Error> {
        Self::builder().start()
    }

    /// Starts from options.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The AMQP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.report.port
    }

    /// The AMQP over TLS port on 127.0.0.1, if [`Builder::tls`] was asked for.
    pub fn tls_port(&self) -> Option<u16> {
        self.report.tls_port
    }

    /// The files of the TLS listener, if [`Builder::tls`] was asked for.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.report.certificates.as_ref()
    }

    /// `amqp://` URL of the default virtual host.
    pub fn amqp_url(&self) -> String {
        format!("amqp://{USER}:{USER}@127.0.0.1:{}/%2f", self.port())
    }

    /// oslo.messaging's transport URL of the default virtual host.
    pub fn transport_url(&self) -> String {
        format!("rabbit://{USER}:{USER}@127.0.0.1:{}/", self.port())
    }

    /// A fresh virtual host whose name begins with `hint`, open to [`USER`]: each test takes its own, so that
    /// one broker serves many tests at once.
    pub fn vhost(&self, hint: &str) -> Result<Vhost<'_>, Error> {
        Vhost::create(self, hint)
    }

    /// The broker's directory.
    pub fn dir(&self) -> &Path {
        &self.report.dir
    }

    /// The Erlang node's name.
    pub fn node(&self) -> &str {
        &self.report.node
    }

    /// Everything that the broker has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.report.log).unwrap_or_default()
    }

    /// Evaluates Erlang expressions (ended by a full stop) inside the broker's virtual machine.
    pub fn eval(&self, expressions: &str) -> Result<String, Error> {
        control::evaluate(&self.report.control, expressions)
    }

    /// Runs the real `rabbitmqctl` against this broker and returns what it prints.
    pub fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String, Error> {
        let what = format!("rabbitmqctl {}", arguments.join(" "));
        let output = Command::new(CONTROL_PANEL)
            .args(arguments)
            .env_clear()
            .envs(&self.report.environment)
            .output()
            .map_err(|error| Error::io(what.as_str(), error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(Error::refused(what, format!("{text}{}", String::from_utf8_lossy(&output.stderr))))
        }
    }

    /// Stops the broker application (`rabbitmqctl stop_app`): connections are closed, the port refuses.
    pub fn stop_app(&self) -> Result<(), Error> {
        self.eval("rabbit:stop().").map(drop)
    }

    /// Starts the broker application again.
    pub fn start_app(&self) -> Result<(), Error> {
        self.eval("rabbit:start().").map(drop)
    }

    /// Stops the whole server in order; data and ports are kept.
    pub fn stop(&self) -> Result<(), Error> {
        self.service.command("stop").map(drop)
    }

    /// Starts the server after [`Self::stop`] or [`Self::kill`], on the same ports and data.
    ///
    /// A broker that was killed has been seen to come back without a durable queue or binding. No client can help that,
    /// so it is no subject of ours: see [`Self::make_whole`].
    pub fn start_again(&self) -> Result<(), Error> {
        self.service.command("start")?;
        self.make_whole()
    }

    /// Makes bindings again that are kept and by which nothing is routed; an error if a durable queue is not there.
    #[expect(clippy::print_stderr, reason = "who reads a test's output should know")]
    pub fn make_whole(&self) -> Result<(), Error> {
        match recovery::recover(&self.report.control)? {
            recovery::Recovery::Whole => Ok(()),
            recovery::Recovery::Mended(what) => {
                eprintln!(
                    "the broker came back without {what}, which was made again; its log:\n{}",
                    self.log_end()
                );
                Ok(())
            }
            recovery::Recovery::Lost(what) => Err(Error::refused(
                "the broker came back without what it had kept",
                format!("{what}; its log:\n{}", self.log_end()),
            )),
        }
    }

    /// The end of the broker's log, long enough for a start.
    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(120)..].join("\n")
    }

    /// Stops the whole server in order and starts it on the same ports and data.
    pub fn restart(&self) -> Result<(), Error> {
        self.service.command("restart").map(drop)
    }

    /// Kills the server with -9; [`Self::start_again`] brings it back on the same ports and data.
    pub fn kill(&self) -> Result<(), Error> {
        self.service.command("kill").map(drop)
    }

    /// Raises the memory alarm: the broker blocks every connection that publishes (`connection.blocked`).
    pub fn raise_memory_alarm(&self) -> Result<(), Error> {
        // Connections are told behind our back; a message that came before would not be held up.
        self.eval(
            "vm_memory_monitor:set_vm_memory_high_watermark(1.0e-6), \
             Wait = fun Wait(0) -> not_raised; \
                        Wait(Left) -> case rabbit_alarm:get_alarms() of \
                          [] -> timer:sleep(20), Wait(Left - 1); \
                          _ -> raised end end, \
             raised = Wait(1000).",
        )
        .map(drop)
    }

    /// Clears the memory alarm.
    pub fn clear_memory_alarm(&self) -> Result<(), Error> {
        self.eval("vm_memory_monitor:set_vm_memory_high_watermark(0.4).").map(drop)
    }

    /// Creates an account, or gives an existing one another password.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), Error> {
        let (user, password) = (control::binary(user), control::binary(password));
        self.eval(&format!(
            "case rabbit_auth_backend_internal:exists({user}) of \
               true -> rabbit_auth_backend_internal:change_password({user}, {password}, <<\"test\">>); \
               false -> ok = rabbit_auth_backend_internal:add_user({user}, {password}, <<\"test\">>) end."
        ))
        .map(drop)
    }

    /// Gives an account every right in a virtual host.
    pub fn permit(&self, user: &str, vhost: &str) -> Result<(), Error> {
        let (user, vhost) = (control::binary(user), control::binary(vhost));
        let all = control::binary(".*");
        self.eval(&format!(
            "rabbit_auth_backend_internal:set_permissions({user}, {vhost}, {all}, {all}, {all}, <<\"test\">>)."
        ))
        .map(drop)
    }

    /// Removes an account.
    pub fn delete_user(&self, user: &str) -> Result<(), Error> {
        let user = control::binary(user);
        self.eval(&format!("rabbit_auth_backend_internal:delete_user({user}, <<\"test\">>).")).map(drop)
    }
}
