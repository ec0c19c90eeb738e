//! `http/client` over the driver `http`.
#![allow(unreachable_pub, reason = "the generated code exports its resources' types again")]

use longshore_driver_http::limits::HEADERS_MAX;
use longshore_driver_http::{Answer, Class, Endpoint, Keep, Request};
use wasmtime::bail;
use wasmtime::component::Resource;

use super::no_connections_here;
use crate::host::bindings::http::longshore::http::client;
use crate::host::bindings::types;
use crate::host::connections::Secrets;
use crate::host::convert;
use crate::host::guest::Guest;
use crate::host::limits::{HTTP_KEPT_BYTES_MAX, HTTP_REQUESTS_OF_A_CALL_MAX};

/// What an `endpoint` resource is: a granted connection.
#[derive(Debug)]
pub struct HostEndpoint(Endpoint);

impl client::Host for Guest {}

impl client::HostEndpoint for Guest {
    async fn open(
        &mut self,
        connection: String,
    ) -> wasmtime::Result<Result<Resource<HostEndpoint>, types::Fault>> {
        let Some(context) = &self.context else {
            return Ok(Err(no_connections_here()));
        };
        match context.connections.http(&connection, context).await {
            Ok((endpoint, secrets)) => {
                self.secrets.extend(&secrets);
                Ok(Ok(self.table.push(HostEndpoint(endpoint))?))
            }
            Err(fault) => Ok(Err(convert::to_guest_fault(fault))),
        }
    }

    async fn send(
        &mut self,
        endpoint: Resource<HostEndpoint>,
        requests: Vec<client::Request>,
        keep: client::Keep,
    ) -> wasmtime::Result<Vec<Result<client::Response, client::Failure>>> {
        bound(requests.len(), keep.body_bytes)?;
        if keep.headers.len() > HEADERS_MAX {
            bail!(
                "send would keep {} headers; one call may keep {HEADERS_MAX}",
                keep.headers.len()
            );
        }
        let HostEndpoint(endpoint) = self.table.get(&endpoint)?;
        let keep = Keep { headers: keep.headers, body_bytes: keep.body_bytes as usize };
        let answers = endpoint.send(requests.into_iter().map(request).collect(), &keep).await;
        Ok(answers.into_iter().map(|it| answer(&self.secrets, it)).collect())
    }

    async fn drop(&mut self, endpoint: Resource<HostEndpoint>) -> wasmtime::Result<()> {
        self.table.delete(endpoint)?;
        Ok(())
    }
}

/// What one call may ask for: answers are the host's memory until the guest has them.
fn bound(requests: usize, body_bytes: u32) -> wasmtime::Result<()> {
    if requests > HTTP_REQUESTS_OF_A_CALL_MAX {
        bail!("send has {requests} requests; one call may have {HTTP_REQUESTS_OF_A_CALL_MAX}");
    }
    let kept = requests.saturating_mul(body_bytes as usize);
    if kept > HTTP_KEPT_BYTES_MAX {
        bail!("send would keep up to {kept} bytes; one call may keep {HTTP_KEPT_BYTES_MAX}");
    }
    Ok(())
}

fn request(request: client::Request) -> Request {
    let client::Request { method, path, headers, body, lane } = request;
    let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
    Request { method, path, headers, body: body.into(), lane }
}

/// What a server answered. The words of a refusal go further than to the guest: into
/// errors, traces and logs.
fn answer(secrets: &Secrets, answer: Answer) -> Result<client::Response, client::Failure> {
    let error = match answer {
        Ok(response) => {
            let header = |(name, value)| client::Header { name, value };
            return Ok(client::Response {
                status: response.status,
                headers: response.headers.into_iter().map(header).collect(),
                body: response.body,
                whole: response.whole,
            });
        }
        Err(error) => error,
    };
    let why = types::Detail { code: error.code(), message: secrets.hide(error.to_string()) };
    Err(match error.class() {
        Class::Retry => {
            let after_ms = error.after().and_then(|after| after.as_millis().try_into().ok());
            client::Failure::Retry(types::Retry { why, after_ms })
        }
        Class::Config => client::Failure::Config(why),
        Class::Reject => client::Failure::Reject(why),
        Class::Fatal => client::Failure::Fatal(why),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_driver_http::HttpError;

    use super::*;

    #[test]
    fn a_refusal_says_when_to_come_again_and_shows_no_secret() {
        let error = HttpError::Refused {
            method: "POST".to_owned(),
            path: "in/hunter22".to_owned(),
            status: 429,
            words: "slower".to_owned(),
            after: Some(Duration::from_secs(7)),
        };
        let failure = answer(&Secrets::of(&["hunter22"]), Err(error)).unwrap_err();
        let client::Failure::Retry(retry) = failure else { panic!("{failure:?}") };
        assert_eq!((retry.after_ms, retry.why.code.as_str()), (Some(7000), "http-429"));
        assert!(retry.why.message.contains("`in/********`: HTTP status 429: slower"));
    }

    #[test]
    fn what_one_call_may_have_in_memory_is_bounded() {
        assert!(bound(HTTP_REQUESTS_OF_A_CALL_MAX, 1024).is_ok());
        assert!(bound(HTTP_REQUESTS_OF_A_CALL_MAX + 1, 0).is_err());
        assert!(bound(2, u32::MAX).is_err());
    }
}
