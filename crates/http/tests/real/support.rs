//! Certificates made by OpenSSL, its server, and a plain HTTP server of a few lines.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A certificate authority of the tests, another one that signed nothing, and what the first has signed.
pub(crate) struct Certificates(testkit::LastingDirectory);

impl Certificates {
    /// Made once for the whole test binary: each key costs a process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(Self::make)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn make() -> Self {
        let this = Self(testkit::LastingDirectory::new().unwrap());
        for authority in ["ca", "other-ca"] {
            this.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={authority} \
                 -keyout {authority}.key -out {authority}.pem"
            ));
        }
        for (name, names, days) in [
            ("server", "DNS:localhost,IP:127.0.0.1", "2"),
            ("elsewhere", "DNS:elsewhere.example", "2"),
            ("client", "DNS:client.example", "2"),
            // Negative days: it has expired already.
            ("expired", "DNS:localhost,IP:127.0.0.1", "-1"),
        ] {
            this.openssl(&format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -addext subjectAltName={names} \
                 -keyout {name}.key -out {name}.csr"
            ));
            this.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -days {days} -out {name}.pem"
            ));
        }
        this.openssl("pkcs8 -topk8 -in client.key -out client-encrypted.key -passout pass:swordfish");
        let both = [
            std::fs::read(this.path("client.pem")).unwrap(),
            std::fs::read(this.path("client.key")).unwrap(),
        ];
        std::fs::write(this.path("client-both.pem"), both.concat()).unwrap();
        this
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.0.path())
            .output()
            .expect("these tests need the program openssl");
        assert!(output.status.success(), "openssl {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A child process that dies with its owner: when dropped, and by the kernel's hand if the test process is killed.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(program: &str, arguments: &[&str], directory: &Path) -> Self {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", program])
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need the program setpriv (util-linux)");
        Self(child)
    }

    /// The output, line by line, read by a thread that ends with the process.
    fn lines(&mut self) -> Receiver<String> {
        let output = self.0.stdout.take().unwrap();
        let (sender, receiver) = sync_channel(1_000);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `openssl s_server -www`: answers every request over TLS with a page about the connection.
pub(crate) struct OpensslServer {
    _process: Process,
    pub(crate) port: u16,
}

impl OpensslServer {
    pub(crate) fn start(certificate: &str, more: &[&str]) -> Self {
        let certificates = Certificates::shared();
        let (certificate, key) = (format!("{certificate}.pem"), format!("{certificate}.key"));
        let mut arguments =
            vec!["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", &certificate, "-key", &key];
        arguments.extend(more);
        let mut process = Process::start("openssl", &arguments, certificates.0.path());
        let lines = process.lines();
        loop {
            let line = lines.recv_timeout(PATIENCE).expect("openssl s_server says where it listens");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                let address: SocketAddr = address.trim().parse().unwrap();
                // The rest of its output must be read, or the server blocks on a full pipe.
                std::thread::spawn(move || lines.into_iter().for_each(drop));
                return Self { _process: process, port: address.port() };
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }
}

/// What came over one connection and what goes back, on a thread of its own for each connection.
pub(crate) struct PlainServer {
    pub(crate) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl PlainServer {
    /// Calls `answer` with each connection after its request's head was read.
    pub(crate) fn start(answer: impl Fn(&str, TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        let answer = Arc::new(answer);
        // Ends with the test process; it holds nothing but the port.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let head = read_head(&stream);
                    seen.lock().unwrap().push(head.clone());
                    answer(&head, stream);
                });
            }
        });
        Self { address, heads }
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn read_head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn respond(mut stream: &TcpStream, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}
