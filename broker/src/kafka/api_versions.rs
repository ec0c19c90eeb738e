//! ApiVersions (18): what is served.

use kafka_protocol::{
    error::ResponseError,
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
    protocol::StrBytes,
};

use super::{
    Reply, errors,
    response::{EncodeError, RequestId, Response},
    versions::{FEATURES, SERVED},
};

pub(super) async fn handle(request: ApiVersionsRequest, version: i16) -> ApiVersionsResponse {
    // KIP-511: from v3 on the client names its software, and must do so well.
    let named = |name: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.ends_with(|c: char| c.is_ascii_alphanumeric())
            && name.chars().all(inner)
    };
    let well_named =
        named(&request.client_software_name) && named(&request.client_software_version);
    if version >= 3 && !well_named {
        return ApiVersionsResponse::default()
            .with_error_code(ResponseError::InvalidRequest.code());
    }
    let keys = SERVED.iter().map(|served| {
        ApiVersion::default()
            .with_api_key(served.key as i16)
            .with_min_version(served.min)
            .with_max_version(served.max)
    });
    let response =
        ApiVersionsResponse::default().with_error_code(errors::NONE).with_api_keys(keys.collect());
    if version < 3 {
        return response;
    }
    let supported = FEATURES.iter().map(|(name, max)| {
        SupportedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_max_version(*max)
    });
    let finalized = FEATURES.iter().map(|(name, level)| {
        FinalizedFeatureKey::default()
            .with_name(StrBytes::from_static_str(name))
            .with_min_version_level(*level)
            .with_max_version_level(*level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features_epoch(0)
        .with_finalized_features(finalized.collect())
}

/// The answer to a version that is not served: a v0 body with the versions of
/// ApiVersions itself, so that the client can ask again.
pub(super) fn refuse_version(correlation_id: i32) -> Result<Reply, EncodeError> {
    let own = SERVED.iter().filter(|served| matches!(served.key, ApiKey::ApiVersions));
    let keys = own.map(|served| {
        ApiVersion::default()
            .with_api_key(served.key as i16)
            .with_min_version(served.min)
            .with_max_version(served.max)
    });
    let message = ApiVersionsResponse::default()
        .with_error_code(ResponseError::UnsupportedVersion.code())
        .with_api_keys(keys.collect());
    Response::encode(RequestId { api_version: 0, correlation_id }, &message).map(Reply::Now)
}
