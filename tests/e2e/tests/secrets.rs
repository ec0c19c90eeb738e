//! No secret of any connection is shown: not in the memory of plugins, logs at trace level,
//! metrics, answers of REST, topics or dead letters, while servers are reached, refuse a
//! wrong password, or say the secret themselves.
#![allow(missing_docs, reason = "tests")]

use std::net::SocketAddr;

use longshore_e2e::canaries::{CANARY, CANARY_IN_BASE64};
use longshore_e2e::client::kcat;
use longshore_e2e::databases::{self, Database};
use longshore_e2e::http::{self, HttpServer};
use longshore_e2e::opensearch::OpenSearch;
use longshore_e2e::ports::free_address;
use longshore_e2e::s3::{self, S3Server};
use longshore_e2e::wait::until;
use longshore_e2e::{Node, canaries, guest_memory, limits, paths, rest, wire};
use serde_json::{Value, json};

/// The topic of the records: every plugin that has its own has this in its memory.
const TOPIC: &str = "marker-of-a-topic";

/// The connectors that do their work, and those whose password is wrong.
const RIGHT: [&str; 4] = ["into-sql", "into-http", "into-search", "into-s3"];
const WRONG: [&str; 3] = ["wrong-sql", "wrong-http", "wrong-s3"];

/// One server of each kind, which knows its secret.
struct Systems {
    database: Database,
    http: HttpServer,
    search: OpenSearch,
    s3: S3Server,
}

impl Systems {
    fn start() -> Self {
        let systems = Self {
            database: Database::start(databases::Kind::Postgresql),
            http: HttpServer::start(),
            search: OpenSearch::start(),
            s3: S3Server::start(s3::Kind::Minio, &["lake"]),
        };
        // One is refused by who knows the secret and says it.
        let told = format!("no: {} {}-1", http::SECRET, http::TOKEN);
        let fault = json!({ "status": 422, "body": told });
        systems.http.set(&json!({ "auth": "oauth2", "faults": { "2": fault } }));
        systems
    }

    /// The connections, by name: `shop-sql` and so on, and `wrong-sql` and so on.
    fn connections(&self) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        for (prefix, secret) in [("shop", "${env:CANARY_OF_"), ("wrong", "${env:CANARY_WRONG_OF_")]
        {
            let secret = |of: &str| format!("{secret}{of}}}");
            let sql = self.database.connection_with(&secret("SQL"));
            let http = json!({ "driver": "http", "kind": "http", "url": self.http.url(),
                "auth.type": "oauth2", "oauth2.token.url": self.http.token_url(),
                "oauth2.client.id": http::CLIENT, "oauth2.client.secret": secret("HTTP"),
                "headers": { "X-Api-Key": secret("HEADER") } });
            let search = json!({ "driver": "search", "kind": "elasticsearch",
                "url": self.search.url(), "auth.type": "api-key", "api.key": secret("SEARCH") });
            let mut s3 = self.s3.connection("lake");
            s3["driver"] = "objects".into();
            s3["secret.access.key"] = secret("S3").into();
            if prefix == "wrong" {
                // It is in a header, which the SDK tells of.
                s3["session.token"] = secret("S3").into();
            }
            for (name, mut definition) in
                [("sql", sql), ("http", http), ("search", search), ("s3", s3)]
            {
                definition["allow"] = json!({ "connectors": ["*"], "verbs": ["read", "write"] });
                all.push((format!("{prefix}-{name}"), definition));
            }
        }
        all
    }

    /// Waits until each holds records.
    fn have_records(&self) {
        until("rows in the database", limits::RUN, || {
            let rows = self.database.rows_if_any("SELECT count(*) FROM orders")?;
            (rows == ["3"]).then_some(())
        });
        until("requests", limits::RUN, || (self.http.taken().len() >= 2).then_some(()));
        until("documents", limits::RUN, || {
            let path = format!("/{TOPIC}/_refresh");
            (self.search.request("POST", &path, None).status == 200).then_some(())?;
            (self.search.documents(TOPIC).len() == 3).then_some(())
        });
        until("objects", limits::RUN, || (self.s3.objects("lake").len() >= 3).then_some(()));
    }
}

fn node(metrics: &str) -> Node {
    let mut node = Node::with()
        .roles("broker,controller,worker")
        .property("rest.listeners", "http://127.0.0.1:0")
        .property("metrics.listener", metrics)
        .property("plugin.path", json!([paths::plugins()]))
        .property("connection.resources.enable", "true")
        .property("connection.resources.env.allowlist.pattern", json!("CANARY_[A-Z_0-9]+"))
        .environment("LONGSHORE_LOG", "trace");
    for (of, secret) in [
        ("SQL", databases::PASSWORD),
        ("HTTP", http::SECRET),
        ("HEADER", "canary-header"),
        ("SEARCH", "canary-key-of-search"),
        ("S3", s3::SECRET_ACCESS_KEY),
    ] {
        node = node
            .environment(&format!("CANARY_OF_{of}"), secret)
            .environment(&format!("CANARY_WRONG_OF_{of}"), "canary-wrong");
    }
    node.start()
}

fn define(rest: SocketAddr, systems: &Systems) {
    for (name, definition) in systems.connections() {
        let path = format!("/connections/{name}");
        let answer = rest::request(rest, "PUT", &path, Some(&definition));
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
    }
}

fn create(rest: SocketAddr) {
    for name in RIGHT.into_iter().chain(WRONG) {
        let (prefix, system) = name.split_once('-').expect("a kind and a system");
        let prefix = if prefix == "wrong" { "wrong" } else { "shop" };
        let connection = format!("{prefix}-{system}");
        let own: &[(&str, &str)] = match system {
            "sql" => &[
                ("connector.class", "sql-sink"),
                ("table.name.format", "orders"),
                ("insert.mode", "upsert"),
                ("pk.mode", "record_value"),
                ("pk.fields", "id"),
                ("auto.create", "true"),
                ("value.converter", "json"),
            ],
            "http" => &[("connector.class", "http-sink"), ("path", "orders/${value.id}")],
            "search" => &[
                ("connector.class", "elasticsearch-sink"),
                ("key.converter", "string"),
                ("value.converter", "json"),
            ],
            _ => &[("connector.class", "s3-sink"), ("path", prefix), ("flush.size", "1")],
        };
        let letters = format!("letters-of-{name}");
        let common = [
            ("topics", TOPIC),
            ("connection", &connection),
            ("errors.tolerance", "all"),
            ("errors.log.enable", "true"),
            ("errors.log.include.messages", "true"),
            ("errors.deadletterqueue.topic.name", &letters),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
        ];
        rest::create(rest, name, &[&common, own].concat());
    }
}

/// Where secrets were found.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    fn look_into(&mut self, what: &str, bytes: &[u8]) {
        self.0.extend(canaries::shown(bytes).map(|shown| format!("in {what}: {shown}")));
    }
}

/// What REST answers to who asks for everything there is.
fn answers(rest: SocketAddr) -> Vec<(String, Value)> {
    let mut paths: Vec<String> = [
        "/",
        "/connectors?expand=info&expand=status",
        "/connections",
        "/connector-plugins",
        "/pipelines",
        "/admin/loggers",
        "/openapi.json",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in RIGHT.into_iter().chain(WRONG) {
        for of in ["", "/config", "/status", "/tasks", "/topics", "/offsets"] {
            paths.push(format!("/connectors/{name}{of}"));
        }
    }
    for of in ["sql", "http", "search", "s3"] {
        paths.extend([format!("/connections/shop-{of}"), format!("/connections/wrong-{of}")]);
    }
    paths
        .into_iter()
        .map(|path| {
            let body = rest::get(rest, &path).body;
            (path, body)
        })
        .collect()
}

/// What is told to who makes a mistake in a definition that has the secret itself in it.
fn refusals(rest: SocketAddr) -> Vec<(String, Value)> {
    let definitions = [
        json!({ "driver": "sql", "kind": "postgresql", "password": "canary-a", "pasword": "canary-b" }),
        json!({ "driver": "http", "kind": "http", "url": "https://a:canary-c@b/", "bearer.token": "canary-d" }),
        json!({ "driver": "search", "kind": "elasticsearch", "url": "canary-e", "api.key": ["canary-f"] }),
        json!({ "driver": "objects", "kind": "s3", "secret.access.key": { "canary-g": "canary-h" } }),
    ];
    let put = |definition| rest::request(rest, "PUT", "/connections/mistaken", Some(&definition));
    let told = definitions.map(put);
    assert!(told.iter().all(|answer| answer.status == 400), "{told:?}");
    told.into_iter().map(|answer| ("a refusal".to_owned(), answer.body)).collect()
}

/// Looks into the memories of all plugins, until those of the connectors that work have been
/// seen among them: they have the topic's name, which they are given, in them.
fn look_into_guests(process: u32, found: &mut Found) {
    let mut with_the_topic = 0;
    for memory in guest_memory::of(process) {
        let holds = |text: &str| memory.contains(process, text.as_bytes());
        // An instance that ended meanwhile, as those of tasks that failed do, has no memory.
        let (Ok(topic), Ok(plain), Ok(encoded)) =
            (holds(TOPIC), holds(CANARY), holds(CANARY_IN_BASE64))
        else {
            continue;
        };
        found.0.extend((plain || encoded).then(|| "in the memory of a plugin".to_owned()));
        with_the_topic += usize::from(topic);
    }
    assert!(with_the_topic >= RIGHT.len(), "only {with_the_topic} memories of plugins were found");
}

#[test]
fn no_secret_of_a_connection_is_shown_anywhere() {
    let systems = Systems::start();
    let metrics = free_address();
    let mut node = node(&metrics.to_string());
    wire::create_topic(node.kafka(), TOPIC, 1, &[]);
    let rows: Vec<_> = (1..=3).map(|id| format!("{id}|{{\"id\":{id},\"name\":\"é\"}}")).collect();
    kcat::produce(&node.bootstrap(), &["-t", TOPIC, "-K", "|"], &rows);
    let rest = node.rest().expect("the node is a worker");
    define(rest, &systems);
    create(rest);
    systems.have_records();
    let letter = until("the refused record's letter", limits::RUN, || {
        let topic = "letters-of-into-http";
        let is_there = node.partition_dir(topic, 0).exists();
        let letters = is_there.then(|| wire::read_partition(node.kafka(), topic, 0))?;
        letters.first().map(|letter| format!("{:?}", letter.headers))
    });
    for name in WRONG {
        until(&format!("word of {name}"), limits::RUN, || {
            let told = |line: &String| {
                line.contains(name) && (line.contains(" WARN ") || line.contains("ERROR "))
            };
            let failed = || {
                rest::get(rest, &format!("/connectors/{name}/status")).body["tasks"][0]["state"]
                    == "FAILED"
            };
            (failed() || node.process().all_lines().iter().any(told)).then_some(())
        });
    }

    let mut found = Found::default();
    look_into_guests(node.process().id(), &mut found);
    for (what, answer) in answers(rest).into_iter().chain(refusals(rest)) {
        found.look_into(&what, answer.to_string().as_bytes());
    }
    let scraped = rest::get(metrics, "/metrics");
    assert_eq!(scraped.status, 200);
    found.look_into("the metrics", scraped.body.to_string().as_bytes());
    // Down to the last line, which those of its end are among.
    let folder = node.folder().to_owned();
    let status = node.process().terminate();
    assert!(status.success(), "{status}");
    let log = node.process().all_lines();
    assert!(log.iter().any(|line| line.contains("TRACE")), "the log is at trace level");
    for line in &log {
        found.look_into("the log", line.as_bytes());
    }
    for (file, shown) in canaries::in_files(&folder) {
        found.0.push(format!("in {}: {shown}", file.display()));
    }
    for place in &found.0 {
        eprintln!("a secret is {place}");
    }
    assert!(found.0.is_empty(), "secrets are shown in {} places", found.0.len());
    // They were looked for where they had been.
    assert!(letter.contains("no: ******** ********"), "the server's words are told: {letter}");
}
