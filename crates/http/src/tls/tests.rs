use super::*;

#[test]
fn versions_are_read_as_people_write_them() {
    for text in ["1.2", "TLSv1.2", "tls1_2", "TLSv1_2", " tls 1.2 ", "TLS1.2"] {
        assert_eq!(TlsVersion::parse(text).unwrap(), TlsVersion::V1_2, "{text}");
    }
    assert_eq!(TlsVersion::parse("TLSv1.3").unwrap(), TlsVersion::V1_3);
    for text in ["1.1", "TLSv1", "SSLv3", "", "1.20", "tls"] {
        let error = TlsVersion::parse(text).unwrap_err().to_string();
        assert!(error.contains(&format!("{text:?}")) && error.contains("write 1.2 or 1.3"), "{error}");
    }
}

#[test]
fn a_machine_without_authorities_can_still_make_a_client() {
    client_tls(&TlsOptions::default()).unwrap();
    install_provider();
    assert!(CryptoProvider::get_default().is_some());
}
