//! A connection's settings as the SDK's.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use longshore_driver_common::Access;

use crate::classify::AwsError;
use crate::config::AwsSettings;
use crate::limits::{ATTEMPT_TIMEOUT, ATTEMPTS_MAX, CONNECT_TIMEOUT, REQUEST_TIMEOUT};

/// Asks before each attempt at a write whether the task may still write. It is added to
/// every request that writes.
#[derive(Debug, Clone)]
pub struct Lease(Access);

impl Lease {
    /// What a task was granted, for writes to `place`; the error says that it may not.
    pub fn of(access: &Access, place: &str) -> Result<Self, AwsError> {
        match access.check() {
            Ok(()) => Ok(Self(access.clone())),
            Err(denied) => Err(AwsError::denied(denied, place)),
        }
    }
}

/// It may not.
#[derive(Debug, thiserror::Error)]
#[error("the worker's lease on the task has ended")]
pub(crate) struct LeaseEnded;

impl Intercept for Lease {
    fn name(&self) -> &'static str {
        "Lease"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.check().map_err(|_| LeaseEnded.into())
    }
}

/// What a service's client is made of; it tries again what passes by itself, a few times.
pub fn config(settings: &AwsSettings) -> Result<SdkConfig, AwsError> {
    let tls = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(REQUEST_TIMEOUT)
        .build();
    let token = settings.session_token.as_ref().map(|token| token.reveal().to_owned());
    let secret = settings.secret_access_key.reveal();
    let credentials = Credentials::new(&settings.access_key_id, secret, token, None, "connection");
    let region = host_part(&settings.region)?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(timeouts);
    if let Some(endpoint) = settings.endpoint.as_deref() {
        config = config.endpoint_url(base(endpoint)?);
    }
    Ok(config.build())
}

/// A region becomes part of a host's name.
fn host_part(region: &str) -> Result<&str, AwsError> {
    let is_one = !region.is_empty()
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let reason = || "must be like eu-central-1".to_owned();
    is_one
        .then_some(region)
        .ok_or_else(|| AwsError::Setting { setting: "region", reason: reason() })
}

fn base(endpoint: &str) -> Result<&str, AwsError> {
    let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['@', '?', '#', ' ']) => Ok(endpoint),
        _ => {
            let reason = "must be like https://host:port".to_owned();
            Err(AwsError::Setting { setting: "endpoint", reason })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_lead_nowhere_are_told_by_their_names() {
        let wrong = |more: &str| {
            let keys = r#""access.key.id":"me","secret.access.key":"hunter2""#;
            let settings = serde_json::from_str(&format!("{{{keys},{more}}}")).unwrap();
            config(&settings).map(|_| ()).unwrap_err()
        };
        for endpoint in ["", "host:9000", "ftp://host", "https://", "https://me:x@host"] {
            let error = wrong(&format!(r#""endpoint":"{endpoint}""#));
            assert!(matches!(error, AwsError::Setting { setting: "endpoint", .. }), "{error}");
        }
        for region in ["", "evil.example/", "a b"] {
            let error = wrong(&format!(r#""region":"{region}""#));
            assert!(matches!(error, AwsError::Setting { setting: "region", .. }), "{error}");
        }
    }

    #[test]
    fn a_task_without_the_right_or_the_lease_writes_nothing() {
        let error = Lease::of(&Access::Read, "q").unwrap_err();
        assert!(matches!(error, AwsError::ReadOnly { .. }), "{error}");
        let error = Lease::of(&Access::Write(std::sync::Arc::new(|| false)), "q").unwrap_err();
        assert!(matches!(error, AwsError::Fenced { .. }), "{error}");
    }
}
