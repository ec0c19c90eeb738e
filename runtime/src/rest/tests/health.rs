//! What probes are told.

use super::*;
use crate::worker::herder::Health;

#[tokio::test]
async fn health_has_kafka_connects_codes_and_probes_have_those_that_they_want() {
    let api = Api::start().await;
    let starting = || Health::Starting("No member yet.".to_owned());
    let unhealthy = || Health::Unhealthy("The cluster is away.".to_owned());
    for (health, word, codes) in [
        (Health::Healthy, "healthy", [200, 200]),
        (starting(), "starting", [503, 503]),
        (unhealthy(), "unhealthy", [500, 503]),
    ] {
        api.shelf.feels(health.clone());
        for (path, code) in ["/health", "/health/ready"].into_iter().zip(codes) {
            let (status, body) = api.get(path).await;
            assert_eq!((status.as_u16(), &body["status"]), (code, &json!(word)), "{path}");
            let message = body["message"].as_str().unwrap();
            match &health {
                Health::Healthy => assert!(message.contains("ready to handle requests")),
                Health::Starting(why) | Health::Unhealthy(why) => assert!(message.contains(why)),
            }
        }
        let (status, body) = api.get("/health/live").await;
        assert_eq!((status.as_u16(), &body["status"]), (200, &json!("alive")), "{health:?}");
    }
    api.shelf.dies("The loop is gone.");
    let (status, body) = api.get("/health/live").await;
    assert_eq!((status.as_u16(), &body["status"]), (500, &json!("dead")));
    assert!(body["message"].as_str().unwrap().contains("The loop is gone."));
}

#[tokio::test]
async fn a_worker_that_starts_says_so_and_answers_nothing_else() {
    let server = RestServer::start(RestSettings::plain("127.0.0.1:0")).await.unwrap();
    let api = Api { server, shelf: Arc::default(), client: client() };
    for (path, code) in [("/health", 503), ("/health/ready", 503), ("/health/live/", 200)] {
        let (status, body) = api.get(path).await;
        assert_eq!((status.as_u16(), &body["status"]), (code, &json!("starting")), "{path}");
    }
    let early = api.request(Method::GET, "/connectors");
    api.fails(early, StatusCode::SERVICE_UNAVAILABLE, "starting up").await;
    api.server.serve(api.shelf.clone());
    assert_eq!(api.get("/connectors").await, (StatusCode::OK, json!([])));
    assert_eq!(api.get("/health").await.0, StatusCode::OK);
}
