//! The surface that clients were promised: which APIs, from which version to which.

use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};

use crate::support::{TestBroker, text};

/// Key, first version, last version that has to be served at the least.
const PROMISED: &[(i16, i16, i16)] = &[
    // From 0: older librdkafka takes a higher minimum for "no compression".
    (0, 0, 12),
    (1, 4, 12),
    (2, 1, 8),
    (3, 0, 12),
    (8, 2, 9),
    (9, 1, 9),
    (10, 0, 5),
    (11, 0, 9),
    (12, 0, 4),
    (13, 0, 5),
    (14, 0, 5),
    (15, 0, 5),
    (16, 0, 5),
    (17, 0, 1),
    (18, 0, 4),
    (19, 2, 7),
    (20, 1, 6),
    (21, 0, 2),
    // Transactions by both protocols.
    (22, 0, 5),
    (23, 2, 4),
    (24, 0, 5),
    (25, 0, 4),
    (26, 0, 5),
    // Kafka 4 has given version 0 up.
    (27, 1, 1),
    (28, 0, 5),
    (29, 1, 3),
    (30, 1, 3),
    (31, 1, 3),
    (32, 1, 4),
    (33, 0, 2),
    (35, 1, 4),
    (36, 0, 2),
    (37, 0, 3),
    (42, 0, 2),
    (43, 0, 2),
    (44, 0, 1),
    (45, 0, 0),
    (46, 0, 0),
    (47, 0, 0),
    (48, 0, 1),
    (49, 0, 1),
    (50, 0, 0),
    (51, 0, 0),
    (55, 0, 2),
    (60, 0, 1),
    (61, 0, 0),
    (65, 0, 0),
    (66, 0, 1),
    (68, 0, 1),
    (69, 0, 1),
    (75, 0, 0),
];

#[tokio::test]
async fn every_api_that_was_promised_is_advertised_with_its_versions() {
    let broker = TestBroker::start(&[]).await;
    let request = ApiVersionsRequest::default()
        .with_client_software_name(text("test"))
        .with_client_software_version(text("1"));
    let answer = broker.client().await.call(4, &request).await;
    for &(key, min, max) in PROMISED {
        let name = ApiKey::try_from(key).unwrap();
        let found = answer.api_keys.iter().find(|api| api.api_key == key);
        let found = found.unwrap_or_else(|| panic!("{name:?} is not advertised"));
        assert_eq!(found.min_version, min, "{name:?}");
        assert!(found.max_version >= max, "{name:?}: {} and not {max}", found.max_version);
    }
    // What the classes of Kafka's own clients ask before they use the protocols.
    let features: Vec<_> =
        answer.finalized_features.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(features, ["group.version", "transaction.version"]);
}
