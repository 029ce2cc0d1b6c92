//! At an etcd, by its gateway.

use testkit::Etcd;

use crate::harness::{GROUP, Member, behaves, share, stands_an_outage};
use crate::python::members_in_both_languages_share;

#[tokio::test]
async fn members_share_at_an_etcd() {
    let etcd = Etcd::start().unwrap();
    behaves(&format!("etcd3+http://{}?membership_timeout=1.5", etcd.address())).await;
}

#[tokio::test]
async fn members_share_over_tls() {
    let etcd = Etcd::start_tls().unwrap();
    let files = etcd.certificates().unwrap();
    let url = format!(
        "etcd3+https://{}?ca_cert={}&cert_cert={}&cert_key={}",
        etcd.address(),
        files.ca.display(),
        files.client_certificate.display(),
        files.client_key.display()
    );
    share(&[&Member::new(&url, "a"), &Member::new(&url, "b")]).await;
    let stranger = Member::new(
        &format!("etcd3+https://{}?ca_cert={}", etcd.address(), files.stranger_ca.display()),
        "c",
    );
    assert!(stranger.membership.look().await.is_none());
    assert!(stranger.failures("connection") > 0, "{}", stranger.health());
}

/// Accounts are asked for, and etcd forgets whom it let in when it is started again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_have_accounts() {
    let etcd = Etcd::start_with_accounts().unwrap();
    let url = |account: &str| format!("etcd3+http://{account}{}?membership_timeout=10", etcd.address());
    let (a, b) =
        (Member::new(&url("agents:a:pass@word@"), "a"), Member::new(&url("agents:a:pass@word@"), "b"));
    share(&[&a, &b]).await;
    etcd.kill().unwrap();
    etcd.start_again().unwrap();
    share(&[&a, &b]).await;
    assert!(a.has("nephoscope_coordination_up 1"), "{}", a.health());
    for (account, reason) in [("agents:guess@", "authentication failed"), ("", "user name is empty")] {
        let stranger = Member::new(&url(account), "c");
        assert!(stranger.membership.look().await.is_none());
        assert!(stranger.failures("answer") > 0, "{}", stranger.health());
        assert!(
            stranger.health().contains(reason) && !stranger.health().contains("guess"),
            "{}",
            stranger.health()
        );
    }
    // One that asks nobody takes members with accounts, too.
    let open = Etcd::start().unwrap();
    let url = format!("etcd3+http://agents:x@{}?membership_timeout=10", open.address());
    share(&[&Member::new(&url, "a"), &Member::new(&url, "b")]).await;
}

/// It comes back with its contents, after having been stopped and after having been killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_etcd_changes_nothing() {
    let etcd = Etcd::start().unwrap();
    let url = format!("etcd3+http://{}?membership_timeout=3", etcd.address());
    stands_an_outage(&url, || etcd.kill().unwrap(), || etcd.start_again().unwrap()).await;
}

/// Ghosts without a lease, names that are none, and values that say nothing.
#[tokio::test]
async fn nonsense_in_etcd_is_left_out() {
    let etcd = Etcd::start().unwrap();
    let url = format!("etcd3+http://{}?membership_timeout=2", etcd.address());
    for (member, value) in [
        (&b""[..], &b"\xc1"[..]),
        (b"immortal", b"\x81\xa6weight\x01"),
        (b"\xff\xfe", b""),
        (b"other/", b""),
        (b"other/member", b"\x81\xa6weight\xce\xff\xff\xff\xff"),
        (b"a", b"nonsense, under the name of one of ours"),
    ] {
        etcd.put(&[b"tooz/groups/", GROUP.as_bytes(), b"/", member].concat(), value).unwrap();
    }
    let (a, b) = (Member::new(&url, "a"), Member::new(&url, "b"));
    share(&[&a, &b]).await;
    assert!(a.has("nephoscope_coordination_members{group=\"central-global\"} 2"));
}

#[tokio::test]
async fn members_in_both_languages_share_at_an_etcd() {
    let etcd = Etcd::start().unwrap();
    members_in_both_languages_share(&format!("etcd3+http://{}", etcd.address())).await;
}
