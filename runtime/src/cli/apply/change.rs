//! The changes carried out. Each is what it is only once it is whole, and what a
//! pipeline is going to have is noted before it is made: a call that was cut off
//! leaves nothing that the next does not know of. What somebody else changed since it
//! was compared is left as it is, and told.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::super::CliError;
use super::super::output::print;
use super::super::rest::{Condition, Rest};
use super::fleet::FleetClient;
use crate::kafka::admin::NewTopic;
use crate::pipeline::compare::{Change, Comparison, Kind, Wanted};
use crate::worker::resources::PipelineParts;

/// Makes all changes, in their order.
pub(super) async fn carry_out(
    client: &FleetClient,
    wanted: &Wanted,
    comparison: &Comparison,
) -> Result<(), CliError> {
    let mut noted: BTreeMap<&str, Condition> = BTreeMap::new();
    for change in &comparison.changes {
        match (change.kind, &change.after) {
            (Kind::Topic, Some(after)) => topic(client, wanted, change, after).await?,
            (Kind::Topic, None) => {}
            (Kind::Connection, after) => connection(&client.rest, change, after.as_ref()).await?,
            (Kind::Connector, after) => connector(&client.rest, change, after.as_ref()).await?,
            (Kind::Pipeline, after) => {
                let path = pipeline(&change.name);
                let mut condition = as_compared(&client.rest, change, &path).await?;
                let both = union(change.before.as_ref(), after.as_ref());
                if Some(&both) != change.before.as_ref() {
                    condition = client.rest.settle_put(&path, &both, condition).await?;
                }
                noted.insert(&change.name, condition);
                continue;
            }
        }
        print(&done(change))?;
    }
    for change in comparison.changes.iter().filter(|change| change.kind == Kind::Pipeline) {
        let both = union(change.before.as_ref(), change.after.as_ref());
        let condition = noted.remove(change.name.as_str()).unwrap_or(Condition::None);
        match &change.after {
            Some(after) if *after != both => {
                client.rest.settle_put(&pipeline(&change.name), after, condition).await?;
            }
            Some(_) => {}
            None => client.rest.settle_delete(&pipeline(&change.name), condition).await?,
        }
        print(&done(change))?;
    }
    Ok(())
}

fn pipeline(name: &str) -> String {
    format!("/pipelines/{}", Rest::segment(name))
}

/// All that a pipeline had and is going to have.
fn union(before: Option<&Json>, after: Option<&Json>) -> Json {
    let mut all = PipelineParts::default();
    for parts in [before, after].into_iter().flatten() {
        let parts: PipelineParts = serde_json::from_value(parts.clone()).unwrap_or_default();
        all.topics.extend(parts.topics);
        all.connections.extend(parts.connections);
        all.connectors.extend(parts.connectors);
    }
    serde_json::to_value(all).unwrap_or_default()
}

/// What must hold before a connection or pipeline is changed: it has the version that
/// was compared.
async fn as_compared(rest: &Rest, change: &Change, path: &str) -> Result<Condition, CliError> {
    let Some(before) = &change.before else { return Ok(Condition::Absent) };
    let (now, tag): (Json, _) = rest.get_tagged(path).await?;
    match tag.filter(|_| now["definition"] == *before) {
        Some(tag) => Ok(Condition::Tag(tag)),
        None => Err(changed_meanwhile(change)),
    }
}

fn changed_meanwhile(change: &Change) -> CliError {
    CliError::failed(format!(
        "somebody else changed the {} `{}` since it was compared, and it was left so: look with \
         `longshore diff`, and apply again",
        change.kind, change.name
    ))
}

async fn connection(rest: &Rest, change: &Change, after: Option<&Json>) -> Result<(), CliError> {
    let path = format!("/connections/{}", Rest::segment(&change.name));
    let condition = as_compared(rest, change, &path).await?;
    match after {
        Some(after) => rest.settle_put(&path, after, condition).await.map(drop),
        None => rest.settle_delete(&path, condition).await,
    }
}

/// Kafka Connect's connectors have no versions: one is looked at once more before it is
/// changed, and made only if there is none.
async fn connector(rest: &Rest, change: &Change, after: Option<&Json>) -> Result<(), CliError> {
    let path = format!("/connectors/{}", Rest::segment(&change.name));
    if let Some(before) = &change.before {
        let now: Json = rest.get(&format!("{path}/config")).await?;
        if now != *before {
            return Err(changed_meanwhile(change));
        }
    }
    match (after, &change.before) {
        (Some(after), Some(_)) => {
            let path = format!("{path}/config");
            rest.settle_put(&path, after, Condition::None).await.map(drop)
        }
        (Some(after), None) => {
            let body = json!({ "name": change.name, "config": after });
            rest.settle_post("/connectors", &body).await
        }
        (None, _) => rest.settle_delete(&path, Condition::None).await,
    }
}

async fn topic(
    client: &FleetClient,
    wanted: &Wanted,
    change: &Change,
    after: &Json,
) -> Result<(), CliError> {
    let Some(topic) = wanted.topics.get(&change.name) else { return Ok(()) };
    let Some(before) = &change.before else {
        let new = NewTopic {
            name: topic.name.clone(),
            partitions: Some(topic.partitions),
            replication_factor: topic.replication_factor,
            configs: topic.configs.clone(),
        };
        return Ok(client.admin().create_topic(&new).await?);
    };
    if before["partitions"] != after["partitions"] {
        client.admin().create_partitions(&topic.name, topic.partitions).await?;
    }
    let changes: BTreeMap<String, Option<String>> = topic
        .configs
        .iter()
        .filter(|(name, _)| before.get(name) != after.get(name))
        .map(|(name, value)| (name.clone(), Some(value.clone())))
        .collect();
    if !changes.is_empty() {
        client.admin().alter_topic_configs(&topic.name, &changes).await?;
    }
    Ok(())
}

fn done(change: &Change) -> String {
    let verb = match (&change.before, &change.after) {
        (None, _) => "created",
        (Some(_), Some(_)) => "changed",
        (Some(_), None) => "deleted",
    };
    format!("{verb} {} {}", change.kind, change.name)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::Request;
    use axum::http::{HeaderMap, header};
    use axum::response::IntoResponse as _;
    use axum::routing::any;

    use super::*;

    /// A fleet with one connection, whose root is this one; it notes what changes it.
    async fn fleet(root: &'static str) -> (Rest, Arc<Mutex<Vec<HeaderMap>>>) {
        let noted: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let changes = noted.clone();
        let answer = move |request: Request| async move {
            let info = json!({ "definition": { "root": root }, "root": root });
            if request.method() != "GET" {
                changes.lock().unwrap().push(request.headers().clone());
            }
            ([(header::ETAG, "\"2-b\"")], axum::Json(info)).into_response()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(any(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (Rest::at(&url), noted)
    }

    fn change(kind: Kind, before: Option<Json>, after: Option<Json>) -> Change {
        Change { kind, name: "c".to_owned(), before, after }
    }

    #[tokio::test]
    async fn a_connection_is_changed_in_the_version_that_was_compared_and_no_other() {
        let (rest, noted) = fleet("/a").await;
        let (old, new) = (Some(json!({ "root": "/a" })), Some(json!({ "root": "/b" })));
        let same = change(Kind::Connection, old.clone(), new.clone());
        connection(&rest, &same, new.as_ref()).await.unwrap();
        connection(&rest, &change(Kind::Connection, None, new.clone()), new.as_ref())
            .await
            .unwrap();
        connection(&rest, &change(Kind::Connection, old, None), None).await.unwrap();
        let conditions = |name: header::HeaderName| {
            let noted = noted.lock().unwrap();
            noted.iter().map(|it| it.get(&name).cloned()).collect::<Vec<_>>()
        };
        let tag = || Some("\"2-b\"".parse().unwrap());
        assert_eq!(conditions(header::IF_MATCH), [tag(), None, tag()]);
        assert_eq!(conditions(header::IF_NONE_MATCH)[1], Some("*".parse().unwrap()));
        let stale = change(Kind::Connection, Some(json!({ "root": "/x" })), new.clone());
        let told = connection(&rest, &stale, new.as_ref()).await.unwrap_err().to_string();
        assert!(told.contains("somebody else changed the connection `c`"), "{told}");
        assert_eq!(noted.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_connector_that_somebody_changed_meanwhile_is_left_so() {
        let (rest, noted) = fleet("/a").await;
        let now = json!({ "definition": { "root": "/a" }, "root": "/a" });
        let after = json!({ "root": "/b" });
        let same = change(Kind::Connector, Some(now), Some(after.clone()));
        connector(&rest, &same, Some(&after)).await.unwrap();
        let stale = change(Kind::Connector, Some(json!({})), Some(after.clone()));
        let told = connector(&rest, &stale, Some(&after)).await.unwrap_err().to_string();
        assert!(told.contains("somebody else changed the connector `c`"), "{told}");
        assert_eq!(noted.lock().unwrap().len(), 1);
    }
}
