//! The SDK's errors as the drivers'.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::classify::{AwsError, Refusal};
use crate::client::LeaseEnded;

/// What a request that failed is to the driver: `verb` (as `sending to`) and `place` tell
/// what was tried.
pub fn failed<E>(verb: &'static str, place: &str, error: &SdkError<E, HttpResponse>) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let place = place.to_owned();
    if sources(error).any(|source| source.is::<LeaseEnded>()) {
        return AwsError::Fenced { place };
    }
    let refusal = match error {
        SdkError::ServiceError(answer) => Refusal::Answered {
            status: answer.raw().status().as_u16(),
            code: answer.err().code().map(str::to_owned),
            message: answer.err().message().map(str::to_owned),
        },
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let status = answer.raw().status().as_u16();
            Refusal::Answered { status, code: None, message: None }
        }
        SdkError::ConstructionFailure(_) => Refusal::Unsent { reason: words(error) },
        _ => Refusal::Unanswered { reason: words(error) },
    };
    AwsError::Failed { verb, place, refusal }
}

fn sources<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        error.source()
    })
}

/// The words of an error and of what caused it.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = sources(error).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}
