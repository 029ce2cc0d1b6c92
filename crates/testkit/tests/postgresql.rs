//! The PostgreSQL fixture against the real server.

use testkit::PostgreSql;

#[test]
fn two_servers_side_by_side_keep_their_data_over_restart_and_kill() {
    let (one, other) = (PostgreSql::start().unwrap(), PostgreSql::start().unwrap());
    assert_ne!(one.port(), other.port());
    one.psql("CREATE TABLE t (a int, b text);\nINSERT INTO t VALUES (1, 'x')").unwrap();
    other.psql("SELECT * FROM t").unwrap_err();
    one.restart().unwrap();
    assert_eq!(one.psql("SELECT * FROM t").unwrap(), ["1|x"]);
    one.kill().unwrap();
    one.psql("SELECT 1").unwrap_err();
    one.start_again().unwrap();
    assert_eq!(one.psql("SELECT a FROM t").unwrap(), ["1"]);
    assert!(one.url().starts_with("postgresql://"));
    let (dir, port) = (one.dir().clone(), one.port());
    drop(one);
    assert!(!dir.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(other.psql("SELECT 2").unwrap(), ["2"]);
}
