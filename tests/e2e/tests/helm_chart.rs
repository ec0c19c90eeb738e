//! The Helm chart: what Helm, Kubernetes' schemas and a reader of manifests say of it.
#![allow(missing_docs, reason = "tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use longshore_e2e::chart::{Chart, KUBERNETES_NEWEST, KUBERNETES_OLDEST, Manifests};
use longshore_e2e::{Process, limits, paths};
use serde_json::{Value, json};

/// The value file of this way of use.
fn values(name: &str) -> PathBuf {
    Chart::path().join("ci").join(name)
}

fn render(name: &str) -> Manifests {
    Chart::new().render(&values(name), &[KUBERNETES_NEWEST])
}

fn pod_of<'a>(manifests: &'a Manifests, kind: &str, name_end: &str) -> &'a Value {
    &manifests.get(kind, name_end)["spec"]["template"]["spec"]
}

/// The item of this name in a list of containers, volumes, ports or variables.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let found = items.iter().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list}"))
}

/// The line of a node file that holds a property.
fn property(manifests: &Manifests, configmap: &str, name: &str) -> String {
    let files: Vec<_> = manifests.files(configmap).collect();
    let (_, node) = files.iter().find(|(file, _)| *file == "node.yaml").expect("a node file");
    let line = node.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.unwrap_or_else(|| panic!("no {name} in {node}")).to_owned()
}

#[test]
#[ignore = "second tier"]
fn helm_and_kubernetes_take_the_chart_with_each_of_its_value_files() {
    let chart = Chart::new();
    for file in Chart::value_files() {
        chart.lint(&file);
        // Images as volumes are younger than the oldest Kubernetes that the chart is for.
        let versions = match file.ends_with("plugins.yaml") {
            true => &[KUBERNETES_NEWEST][..],
            false => &[KUBERNETES_OLDEST, KUBERNETES_NEWEST],
        };
        let manifests = chart.render(&file, versions);
        assert!(manifests.find("StatefulSet", "-worker").is_some(), "{}", file.display());
    }
}

#[test]
#[ignore = "second tier"]
fn workers_keep_their_names_drain_and_run_as_nobody() {
    let manifests = render("existing-cluster.yaml");
    let workers = &manifests.get("StatefulSet", "-worker")["spec"];
    assert_eq!(workers["serviceName"], "test-longshore-worker-headless");
    assert_eq!(workers["updateStrategy"]["type"], "RollingUpdate");
    assert_eq!(
        property(&manifests, "-worker", "rest.advertised.host.name"),
        "${env:POD_NAME}.test-longshore-worker-headless.connectors.svc.cluster.local"
    );
    let pod = pod_of(&manifests, "StatefulSet", "-worker");
    // What `preStop` takes comes on top of what the worker may take.
    assert_eq!(pod["terminationGracePeriodSeconds"], 125);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let worker = named(&pod["containers"], "worker");
    assert_eq!(
        worker["image"],
        "registry.example.com/longshore@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    );
    let rights = &worker["securityContext"];
    assert_eq!(rights["readOnlyRootFilesystem"], true);
    assert_eq!(rights["allowPrivilegeEscalation"], false);
    assert_eq!(rights["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(worker["readinessProbe"]["httpGet"]["path"], "/health/ready");
    assert_eq!(worker["livenessProbe"]["httpGet"]["path"], "/health/live");
    // A fleet whose configuration changed is rolled.
    let annotations = &manifests.get("StatefulSet", "-worker")["spec"]["template"]["metadata"];
    assert!(annotations["annotations"]["checksum/config"].is_string());
    assert_eq!(manifests.get("PodDisruptionBudget", "-worker")["spec"]["maxUnavailable"], 1);
}

#[test]
#[ignore = "second tier"]
fn secrets_stay_references_and_are_mounted_as_files() {
    let manifests = render("existing-cluster.yaml");
    assert!(!manifests.kinds().contains(&"Secret"), "the chart makes no secret");
    assert_eq!(
        property(&manifests, "-worker", "worker.client.sasl.password"),
        "${file:/etc/longshore/secrets/kafka-user/password}"
    );
    let pod = pod_of(&manifests, "StatefulSet", "-worker");
    let user = &named(&pod["volumes"], "secret-0")["secret"];
    assert_eq!(user["secretName"], "kafka-user");
    assert_eq!(user["items"], json!([{ "key": "password", "path": "password" }]));
    let mount = named(&named(&pod["containers"], "worker")["volumeMounts"], "secret-0");
    assert_eq!(mount["mountPath"], "/etc/longshore/secrets/kafka-user");
    assert_eq!(mount["readOnly"], true);
}

#[test]
#[ignore = "second tier"]
fn a_fleet_with_an_autoscaler_leaves_the_number_to_it() {
    let manifests = render("autoscaled.yaml");
    assert!(manifests.get("StatefulSet", "-worker")["spec"]["replicas"].is_null());
    let scaler = &manifests.get("HorizontalPodAutoscaler", "-worker")["spec"];
    assert_eq!(scaler["scaleTargetRef"]["kind"], "StatefulSet");
    assert_eq!(scaler["metrics"][0]["resource"]["target"]["averageUtilization"], 60);
    let lag = &scaler["metrics"][1]["external"];
    // What `metrics.rs` sees in a worker's scrape.
    assert_eq!(lag["metric"]["name"], "kafka_connect_sink_task_sink_record_lag_max");
    assert_eq!(lag["target"]["averageValue"], "50000");
}

#[test]
#[ignore = "second tier"]
fn no_two_releases_on_one_cluster_share_a_fleet_or_its_topics() {
    let chart = Chart::new();
    let mut names = BTreeSet::new();
    let releases = [("a", "connectors"), ("b", "connectors"), ("a", "other")];
    for (release, namespace) in releases {
        let manifests = chart.release(release, namespace, &values("autoscaled.yaml"));
        let group = property(&manifests, "-worker", "group.id");
        for kind in ["config", "offset", "status", "plugin"] {
            let topic = property(&manifests, "-worker", &format!("{kind}.storage.topic"));
            assert!(topic.starts_with(&format!("{group}-")), "{topic} of {group}");
            names.insert(topic);
            let replicas = format!("{kind}.storage.replication.factor");
            assert_eq!(property(&manifests, "-worker", &replicas), "3");
        }
        names.insert(group);
    }
    assert_eq!(names.len(), 5 * releases.len(), "{names:?}");
}

#[test]
#[ignore = "second tier"]
fn the_job_of_the_pipelines_is_let_in_by_rest_and_by_the_cluster() {
    let manifests = render("existing-cluster.yaml");
    let pod = pod_of(&manifests, "Job", "-pipelines");
    let job = named(&pod["containers"], "apply");
    for (variable, file, volume, secret, key) in [
        ("LONGSHORE_REST_CONFIG", "rest", "rest-config", "rest-client", "client.properties"),
        (
            "LONGSHORE_COMMAND_CONFIG",
            "command",
            "command-config",
            "kafka-client",
            "admin.properties",
        ),
    ] {
        let folder = format!("/etc/longshore/client/{file}");
        assert_eq!(named(&job["env"], variable)["value"], format!("{folder}/client.properties"));
        assert_eq!(named(&job["volumeMounts"], volume)["mountPath"], folder);
        let from = &named(&pod["volumes"], volume)["secret"];
        assert_eq!(from["secretName"], secret);
        assert_eq!(from["items"], json!([{ "key": key, "path": "client.properties" }]));
    }
    // It may leave its pod to the workers, and nobody comes in.
    let policy = &manifests.get("NetworkPolicy", "-pipelines")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    assert!(policy["ingress"].is_null());
}

#[test]
#[ignore = "second tier"]
fn each_way_to_bring_a_plugin_ends_on_the_plugin_path() {
    let manifests = render("plugins.yaml");
    let files: Vec<_> = manifests.files("-worker").collect();
    let (_, node) = files.iter().find(|(file, _)| *file == "node.yaml").expect("a node file");
    for folder in [
        "/var/lib/longshore/plugins",
        "/var/lib/longshore/plugin-images/other/wasm",
        "/var/lib/longshore/plugin-volumes/shared",
        "/var/lib/longshore/plugin-uploads/mine",
        "/usr/lib/longshore/plugins",
    ] {
        assert!(node.contains(&format!("- {folder}\n")), "{folder} is not in {node}");
    }
    let pod = pod_of(&manifests, "StatefulSet", "-worker");
    let copy = named(&pod["initContainers"], "plugins-acme");
    assert_eq!(copy["image"], "registry.example.com/acme-plugins:1.4.0");
    let fetch = &named(&pod["initContainers"], "plugin-fetched")["command"];
    assert_eq!(fetch[4], "/target/fetched.wasm");
}

#[test]
#[ignore = "second tier"]
fn the_broker_keeps_its_log_on_a_volume_and_is_the_workers_cluster() {
    let manifests = render("with-broker.yaml");
    let broker = &manifests.get("StatefulSet", "-broker")["spec"];
    assert_eq!(broker["replicas"], 1);
    let claim = &broker["volumeClaimTemplates"][0]["spec"];
    assert_eq!(claim["resources"]["requests"]["storage"], "5Gi");
    assert_eq!(claim["storageClassName"], "fast");
    let host = "test-longshore-broker-0.test-longshore-broker.connectors.svc.cluster.local:9092";
    let advertised = property(&manifests, "-broker", "advertised.listeners");
    assert_eq!(advertised, format!("PLAINTEXT://{host}"));
    assert_eq!(property(&manifests, "-worker", "config.storage.replication.factor"), "1");
    // Workers and broker have policies and monitors of their own.
    for kind in ["NetworkPolicy", "ServiceMonitor"] {
        for role in ["-worker", "-broker"] {
            manifests.get(kind, role);
        }
    }
    let job = pod_of(&manifests, "Job", "-pipelines");
    assert_eq!(job["containers"][0]["args"], json!(["apply", "-f", "/etc/longshore/pipelines"]));
}

#[test]
#[ignore = "second tier"]
fn a_downloaded_plugin_is_taken_with_its_digest_alone() {
    let folder = tempfile::TempDir::with_prefix("longshore-").expect("a folder can be made");
    let (plugin, taken) = (folder.path().join("a.wasm"), folder.path().join("taken.wasm"));
    std::fs::write(&plugin, b"abc").expect("a file can be written");
    let fetch = |digest: &str| {
        let mut fetch = Command::new("sh");
        fetch.arg(Chart::path().join("files/fetch-plugin.sh"));
        fetch.arg(format!("file://{}", plugin.display())).arg(digest).arg(&taken);
        let mut fetch = Process::spawn("fetch-plugin.sh", &mut fetch);
        let status = fetch.ended(limits::CLIENT);
        (status.success(), fetch.lines(longshore_e2e::process::Stream::Err).join("\n"))
    };
    paths::install("helm");
    // The SHA-256 of "abc", from FIPS 180-4.
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let (accepted, told) = fetch(&digest.replace('b', "c"));
    assert!(!accepted && told.contains(digest), "{told}");
    let left: Vec<_> = folder.path().read_dir().expect("it is there").collect();
    assert_eq!(left.len(), 1, "nothing is left behind: {left:?}");
    assert!(fetch(digest).0);
    assert_eq!(std::fs::read(&taken).expect("it is taken"), b"abc");
}
