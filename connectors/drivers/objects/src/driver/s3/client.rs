//! A connection's settings as a client.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, RuntimeComponents,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::tls;

use crate::Access;
use crate::classify::ObjectsError;
use crate::config::{Checksums, S3Config};
use crate::limits::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, CONNECT_TIMEOUT, REQUEST_TIMEOUT};

/// A client that tries again what passes by itself, a few times.
pub(super) fn client(settings: &S3Config, access: Access) -> Result<Client, ObjectsError> {
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    let (requests, responses) = match settings.checksums {
        Checksums::WhenSupported => {
            (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
        }
        Checksums::WhenRequired => {
            (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
        }
    };
    let endpoint = endpoint(settings)?;
    let mut config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(settings.region.clone()))
        .force_path_style(settings.path_style_access.unwrap_or(endpoint.is_some()))
        .request_checksum_calculation(requests)
        .response_checksum_validation(responses)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts)
        .interceptor(Lease(access));
    if let Some(endpoint) = endpoint {
        config = config.endpoint_url(endpoint);
    }
    config = match credentials(settings)? {
        Some(credentials) => config.credentials_provider(credentials),
        None => config.allow_no_auth(),
    };
    Ok(Client::from_conf(config.build()))
}

fn endpoint(settings: &S3Config) -> Result<Option<&str>, ObjectsError> {
    let Some(endpoint) = settings.endpoint.as_deref() else { return Ok(None) };
    let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['@', '?', '#', ' ']) => {
            Ok(Some(endpoint))
        }
        _ => Err(ObjectsError::Setting {
            setting: "endpoint",
            reason: "must be like https://host:port".to_owned(),
        }),
    }
}

fn credentials(settings: &S3Config) -> Result<Option<Credentials>, ObjectsError> {
    let token = settings.session_token.as_ref();
    match (&settings.access_key_id, &settings.secret_access_key) {
        (Some(id), Some(secret)) => Ok(Some(Credentials::new(
            id,
            secret.reveal(),
            token.map(|token| token.reveal().to_owned()),
            None,
            "connection",
        ))),
        (None, None) if token.is_none() => Ok(None),
        (Some(_), None) => Err(ObjectsError::Setting {
            setting: "secret.access.key",
            reason: "is missing beside `access.key.id`".to_owned(),
        }),
        (None, _) => Err(ObjectsError::Setting {
            setting: "access.key.id",
            reason: "is missing beside the secret that signs its requests".to_owned(),
        }),
    }
}

/// Asks before each attempt at a write whether the task may still write.
#[derive(Debug)]
struct Lease(Access);

/// It may not.
#[derive(Debug, thiserror::Error)]
#[error("the worker's lease on the task has ended")]
pub(super) struct LeaseEnded;

impl Intercept for Lease {
    fn name(&self) -> &'static str {
        "Lease"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reads = matches!(context.request().method(), "GET" | "HEAD");
        if reads || self.0.check().is_ok() { Ok(()) } else { Err(LeaseEnded.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(settings: &str) -> &'static str {
        let settings = serde_json::from_str(settings).unwrap();
        match client(&settings, Access::Read) {
            Err(ObjectsError::Setting { setting, .. }) => setting,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_that_cannot_go_together_are_told_by_their_names() {
        assert_eq!(wrong(r#"{"bucket":"b","access.key.id":"me"}"#), "secret.access.key");
        assert_eq!(wrong(r#"{"bucket":"b","secret.access.key":"s"}"#), "access.key.id");
        assert_eq!(wrong(r#"{"bucket":"b","session.token":"s"}"#), "access.key.id");
        for endpoint in ["", "host:9000", "ftp://host", "https://", "https://me:x@host"] {
            let settings = format!(r#"{{"bucket":"b","endpoint":"{endpoint}"}}"#);
            assert_eq!(wrong(&settings), "endpoint", "{endpoint}");
        }
    }
}
