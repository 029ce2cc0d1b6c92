//! `[oslo_messaging_kafka]`

use crate::option::{boolean, float, integer, text};

const WHY: &str = "the kafka transport is not supported";

options! { "oslo_messaging_kafka";
    /// Bytes fetched at once at most.
    KAFKA_MAX_FETCH_BYTES: Int = integer("kafka_max_fetch_bytes", 1_048_576).no_effect(WHY);
    /// Seconds that a consumer waits.
    KAFKA_CONSUMER_TIMEOUT: Float = float("kafka_consumer_timeout", 1.0).no_effect(WHY);
    /// Consumer group.
    CONSUMER_GROUP: Str = text("consumer_group", "oslo_messaging_consumer").no_effect(WHY);
    /// Seconds that a producer gathers messages.
    PRODUCER_BATCH_TIMEOUT: Float = float("producer_batch_timeout", 0.0).no_effect(WHY);
    /// Bytes that a producer gathers.
    PRODUCER_BATCH_SIZE: Int = integer("producer_batch_size", 16_384).no_effect(WHY);
    /// Compression.
    COMPRESSION_CODEC: Str = text("compression_codec", "none").choices(&["none", "gzip", "snappy", "lz4", "zstd"]).no_effect(WHY);
    /// Whether offsets are committed by themselves.
    ENABLE_AUTO_COMMIT: Bool = boolean("enable_auto_commit", false).no_effect(WHY);
    /// Records polled at once at most.
    MAX_POLL_RECORDS: Int = integer("max_poll_records", 500).no_effect(WHY);
    /// Security protocol.
    SECURITY_PROTOCOL: Str = text("security_protocol", "PLAINTEXT")
        .choices(&["PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL"]).no_effect(WHY);
    /// SASL mechanism.
    SASL_MECHANISM: Str = text("sasl_mechanism", "PLAIN").no_effect(WHY);
    /// Certificate authorities, PEM.
    SSL_CAFILE: Str = text("ssl_cafile", "").no_effect(WHY);
    /// Client certificate, PEM.
    SSL_CLIENT_CERT_FILE: Str = text("ssl_client_cert_file", "").no_effect(WHY);
    /// Private key of the client certificate, PEM.
    SSL_CLIENT_KEY_FILE: Str = text("ssl_client_key_file", "").no_effect(WHY);
    /// Password of that private key.
    SSL_CLIENT_KEY_PASSWORD: Str = text("ssl_client_key_password", "").secret().no_effect(WHY);
}
