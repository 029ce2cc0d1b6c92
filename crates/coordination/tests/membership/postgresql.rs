//! At a PostgreSQL.

use std::sync::OnceLock;

use testkit::PostgreSql;

use crate::harness::{Member, behaves, share, stands_an_outage, stands_nonsense};

/// An account with a schema of its own, on a server that the tests share: its start takes longer than most of them.
struct Account {
    server: &'static PostgreSql,
    name: &'static str,
}

impl Account {
    fn new(name: &'static str) -> Self {
        let account = Self::without_schema(name);
        account.psql(&format!("CREATE SCHEMA {name} AUTHORIZATION {name}"));
        account
    }

    /// It can make no tables.
    fn without_schema(name: &'static str) -> Self {
        static SERVER: OnceLock<PostgreSql> = OnceLock::new();
        let server = SERVER.get_or_init(|| PostgreSql::start_tls().unwrap());
        let account = Self { server, name };
        account.psql(&format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'"));
        account
    }

    fn url(&self, parameters: &str) -> String {
        let Self { server, name } = self;
        format!("postgresql://{name}:secret@127.0.0.1:{}?dbname=nephoscope&{parameters}", server.port())
    }

    /// As the administrator.
    fn psql(&self, statement: &str) -> Vec<String> {
        self.server.psql(statement).unwrap()
    }
}

#[tokio::test]
async fn members_share_at_a_postgresql() {
    let account = Account::new("agents");
    behaves(&account.url("membership_timeout=1.5")).await;
}

#[tokio::test]
async fn members_share_over_tls_or_are_told_why_not() {
    let account = Account::new("encrypted");
    let files = account.server.certificates().unwrap();
    let ca = files.ca.display();
    let verified = Member::new(&account.url(&format!("sslmode=verify-full&sslrootcert={ca}")), "a");
    let preferred = Member::new(&account.url(""), "b");
    let required = Member::new(&account.url("sslmode=require"), "c");
    let plain = Member::new(&account.url("sslmode=disable"), "d");
    share(&[&verified, &preferred, &required, &plain]).await;
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND application_name = 'nephoscope coordination' AND usename = 'encrypted'";
    // A session that was given up is there for a moment more.
    testkit::until("three encrypted sessions", || (account.psql(encrypted) == ["3"]).then_some(())).unwrap();

    let stranger = files.stranger_ca.display();
    let stranger = Member::new(&account.url(&format!("sslmode=verify-full&sslrootcert={stranger}")), "e");
    assert!(stranger.membership.look().await.is_none());
    assert!(stranger.failures("connection") > 0, "{}", stranger.health());

    let wrong = Member::new(&account.url("").replace("secret", "guess"), "f");
    assert!(wrong.membership.look().await.is_none());
    assert!(wrong.failures("answer") > 0, "{}", wrong.health());
    assert!(wrong.health().contains("28P01") && !wrong.health().contains("guess"), "{}", wrong.health());
}

/// It comes back with its contents, after a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_postgresql_changes_nothing() {
    let postgresql = PostgreSql::start().unwrap();
    let url = format!("{}?membership_timeout=3", postgresql.url());
    stands_an_outage(&url, || postgresql.kill().unwrap(), || postgresql.start_again().unwrap()).await;
}

/// Rows that no member wrote, and a table of another form.
#[tokio::test]
async fn nonsense_in_postgresql_is_left_out_or_waited_for() {
    let account = Account::new("nonsense");
    let url = account.url("membership_timeout=1.5");
    // The first member makes the table.
    let first = Member::new(&url, "first");
    share(&[&first]).await;
    for row in [
        "'immortal', 1, 'infinity'",
        "'from-the-future', 1, now() + interval '1 day'",
        "'old', 1, '-infinity'",
        "repeat('x', 100000), 1, now() + interval '1 second'",
        "'', 7, now() + interval '1 second'",
        "'b', -5, 'epoch'",
    ] {
        account.psql(&format!("INSERT INTO nonsense.nephoscope_members_1 VALUES ('central-global', {row})"));
    }
    share(&[&first]).await;
    first.leave().await;

    stands_nonsense(
        &url,
        "answer",
        async || {
            account.psql("ALTER TABLE nonsense.nephoscope_members_1 RENAME TO aside");
            account.psql("CREATE TABLE nonsense.nephoscope_members_1 (member json)");
            account.psql("GRANT ALL ON nonsense.nephoscope_members_1 TO nonsense");
        },
        async || drop(account.psql("DROP TABLE nonsense.nephoscope_members_1")),
    )
    .await;
}

/// An account that may not make tables can use one that is there.
#[tokio::test]
async fn an_account_without_rights_needs_a_table_that_is_there() {
    let (account, owner) = (Account::without_schema("modest"), Account::new("owner"));
    account.psql("GRANT USAGE ON SCHEMA owner TO modest");
    account.psql("ALTER ROLE modest SET search_path = owner");
    let agent = Member::new(&account.url(""), "a");
    assert!(agent.membership.look().await.is_none());
    assert!(agent.health().contains("permission denied for schema owner"), "{}", agent.health());
    // The owner's own agent makes it.
    let owners = Member::new(&owner.url(""), "b");
    share(&[&owners]).await;
    account.psql("GRANT SELECT, INSERT, UPDATE, DELETE ON owner.nephoscope_members_1 TO modest");
    share(&[&agent, &owners]).await;
}
