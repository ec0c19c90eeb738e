//! The client's errors as the driver's.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::client::LeaseEnded;
use crate::classify::{ObjectsError, Refusal};

/// What a request that failed is to the driver: `verb` (as `reading`) and `path`
/// tell what was tried.
pub(super) fn failed<E>(verb: &'static str, path: &str, error: SdkError<E>) -> ObjectsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let path = path.to_owned();
    if sources(&error).any(|source| source.is::<LeaseEnded>()) {
        return ObjectsError::Fenced { path };
    }
    let refusal = match &error {
        SdkError::ServiceError(answer) => Refusal::Answered {
            status: answer.raw().status().as_u16(),
            code: answer.err().code().map(str::to_owned),
            message: answer.err().message().map(str::to_owned),
        },
        SdkError::ResponseError(answer) if !answer.raw().status().is_success() => {
            let status = answer.raw().status().as_u16();
            Refusal::Answered { status, code: None, message: None }
        }
        SdkError::ConstructionFailure(_) => Refusal::Unsent { reason: words(&error) },
        _ => Refusal::Unanswered { reason: words(&error) },
    };
    match refusal {
        Refusal::Answered { code: Some(code), .. } if code == "NoSuchKey" => {
            ObjectsError::NotFound { path }
        }
        refusal => ObjectsError::S3 { verb, path, refusal },
    }
}

/// The status that the server answered with, if it did.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

/// Whether a put was refused because of what is there.
pub(super) fn is_there<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(412) || error.code() == Some("PreconditionFailed")
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
pub(super) fn words(error: &(dyn Error + 'static)) -> String {
    let mut words: Vec<String> = sources(error).map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}
