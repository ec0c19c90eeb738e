//! A registry that is down, slow or lies; and one that is real.

use std::time::{Duration, Instant};

use super::*;
use crate::registry::RegistrySettings;
use crate::registry::apicurio::Apicurio;
use crate::registry::scripted::{answers, http, nobody};

type AvroConverter = FramedConverter<AvroFormat>;

fn at(urls: &str) -> AvroConverter {
    let timeout = Duration::from_millis(300);
    let settings = RegistrySettings { timeout, ..RegistrySettings::at(urls).unwrap() };
    let (format, options) = (AvroFormat(AvroOptions::default()), RegistryOptions::default());
    AvroConverter::new(format, Registry::new(settings).unwrap(), Part::Value, options)
}

fn framed(id: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    framing::push(id, &mut bytes);
    bytes.extend_from_slice(data);
    bytes
}

#[tokio::test]
async fn a_schema_is_asked_for_once_and_the_address_that_answers_is_found() {
    let (url, mut asks) = answers(vec![http("200 OK", r#"{"schema":"\"long\""}"#)]).await;
    let converter = at(&format!("{},{url}", nobody()));
    for (data, number) in [([2], 1), ([3], -2)] {
        let datum = converter.read(Some(&framed(9, &data))).await.unwrap();
        assert_eq!(datum.value, Value::Int64(number));
    }
    let asked = asks.recv().await.unwrap();
    assert!(asked.starts_with("GET /schemas/ids/9 HTTP/1.1\r\n"), "{asked}");
    assert!(asks.try_recv().is_err(), "it is known by then");
}

#[tokio::test]
async fn a_registry_that_is_down_or_slow_is_no_fault_of_a_record() {
    let down = at(&nobody());
    let error = down.read(Some(&framed(1, b""))).await.unwrap_err();
    assert!(error.may_pass(), "{error}");
    let (url, _asks) = answers(Vec::new()).await;
    let began = Instant::now();
    let error = at(&url).read(Some(&framed(1, b""))).await.unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("in time"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "its time is bounded");
    for status in ["503 Service Unavailable", "429 Too Many Requests", "401 Unauthorized"] {
        let body = r#"{"error_code":50003,"message":"no leader"}"#;
        let (url, _asks) = answers(vec![http(status, body)]).await;
        let error = at(&url).read(Some(&framed(1, b""))).await.unwrap_err();
        assert!(error.may_pass() && error.to_string().contains("no leader (50003)"), "{error}");
    }
}

#[tokio::test]
async fn what_the_registry_refuses_or_makes_up_costs_the_record() {
    for (answer, code, words) in [
        (
            http("404 Not Found", r#"{"error_code":40403,"message":"Schema not found"}"#),
            "registry-refused",
            "Schema not found (40403)",
        ),
        (http("200 OK", "<html>"), "registry-nonsense", "of no use"),
        (http("200 OK", r#"{"schema":"{"}"#), "schema-mismatch", "the schema 5 of the registry"),
        (
            http("200 OK", r#"{"schema":"{}","schemaType":"JSON"}"#),
            "schema-mismatch",
            "of another format",
        ),
        (http("302 Found", ""), "registry-nonsense", "302"),
    ] {
        let (url, mut asks) = answers(vec![answer]).await;
        let converter = at(&url);
        for _ in 0..3 {
            let error = converter.read(Some(&framed(5, b""))).await.unwrap_err();
            assert!(!error.may_pass(), "{error}");
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
        // The records behind it do not ask again.
        assert!(asks.recv().await.is_some() && asks.try_recv().is_err());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", " ".repeat(5 << 20));
    let (url, _asks) = answers(vec![endless]).await;
    let error = at(&url).read(Some(&framed(1, b""))).await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn schemas_that_a_schema_names_are_asked_for() {
    let order =
        r#"{\"type\":\"record\",\"name\":\"O\",\"fields\":[{\"name\":\"p\",\"type\":\"a.P\"}]}"#;
    let price =
        r#"{\"type\":\"record\",\"name\":\"a.P\",\"fields\":[{\"name\":\"n\",\"type\":\"int\"}]}"#;
    let references = r#"[{"name":"a.P","subject":"p/rice","version":3}]"#;
    let (url, mut asks) = answers(vec![
        http("200 OK", &format!(r#"{{"schema":"{order}","references":{references}}}"#)),
        http("200 OK", &format!(r#"{{"subject":"p/rice","version":3,"id":8,"schema":"{price}"}}"#)),
    ])
    .await;
    let converter = at(&url);
    let datum = converter.read(Some(&framed(2, &[12]))).await.unwrap();
    let Value::Struct(order) = datum.value else { panic!() };
    let Some(Value::Struct(price)) = order.get("p", false) else { panic!() };
    assert_eq!(price.get("n", false), Some(&Value::Int32(6)));
    asks.recv().await.unwrap();
    let asked = asks.recv().await.unwrap();
    assert!(asked.starts_with("GET /subjects/p%2Frice/versions/3 "), "{asked}");
}

#[tokio::test]
async fn a_schema_is_registered_once_for_each_subject() {
    let registered = || http("200 OK", r#"{"id":11}"#);
    let (url, mut asks) = answers(vec![registered(), registered()]).await;
    let converter = at(&url);
    let datum = || Datum {
        // Another at each time, as a transform may make it.
        schema: Some(Arc::new(Schema::new(Kind::Int32))),
        value: Value::Int32(1),
    };
    let mut out = Vec::new();
    for topic in ["t", "t", "u"] {
        out.clear();
        assert_eq!(converter.write(topic, &datum(), &mut out).await, Ok(true));
        assert_eq!(out, framed(11, &[2]));
    }
    let asked = asks.recv().await.unwrap();
    assert!(asked.starts_with("POST /subjects/t-value/versions HTTP"), "{asked}");
    assert!(asked.ends_with(r#"{"schema":"\"int\"","schemaType":"AVRO"}"#), "{asked}");
    let asked = asks.recv().await.unwrap();
    assert!(asked.starts_with("POST /subjects/u-value/versions HTTP"), "{asked}");
    assert_eq!(converter.write("t", &Datum::default(), &mut out).await, Ok(false));
}

#[tokio::test]
async fn bytes_have_no_length_of_their_own() {
    let (url, _asks) =
        answers(vec![http("200 OK", r#"{"id":1}"#), http("200 OK", r#"{"schema":"\"bytes\""}"#)])
            .await;
    let converter = at(&url);
    let datum =
        Datum { schema: Some(primitive(Kind::Bytes, false)), value: Value::Bytes(vec![7, 8]) };
    let mut out = Vec::new();
    assert_eq!(converter.write("t", &datum, &mut out).await, Ok(true));
    assert_eq!(out, framed(1, &[7, 8]));
    assert_eq!(converter.read(Some(&out)).await, Ok(datum));
}

fn converter(registry: &Apicurio, ids: Ids) -> AvroConverter {
    let options = RegistryOptions { ids, ..RegistryOptions::default() };
    let format = AvroFormat(AvroOptions { null_is_default: false, ..AvroOptions::default() });
    AvroConverter::new(format, registry.client(), Part::Value, options)
}

#[tokio::test]
#[ignore = "second tier"]
async fn any_data_comes_back_by_a_real_registry_that_takes_all_its_schemas() {
    let registry = Apicurio::start().await;
    let converters = [Ids::Register, Ids::Find].map(|ids| converter(&registry, ids));
    let [writer, reader] = converters;
    for seed in 0..400 {
        let (schema, value) = any(seed);
        let datum = Datum { schema: Some(schema), value };
        let mut bytes = Vec::new();
        let written = writer.write(&format!("any-{seed}"), &datum, &mut bytes).await;
        let text = || text(datum.schema.as_ref().unwrap());
        assert_eq!(written, Ok(true), "{}", text());
        assert_eq!(reader.read(Some(&bytes)).await.as_ref(), Ok(&datum), "{}", text());
    }
}

#[tokio::test]
#[ignore = "second tier"]
async fn a_real_registry_finds_what_is_registered_and_refuses_what_is_incompatible() {
    let registry = Apicurio::start().await;
    let register = converter(&registry, Ids::Register);
    let find = converter(&registry, Ids::Find);
    let latest = converter(&registry, Ids::Latest);
    let datum = |fields: &[&str]| {
        let number = primitive(Kind::Int32, false);
        let fields: Vec<_> = fields.iter().map(|name| (*name, number.clone())).collect();
        let schema = struct_of(Some("a.Order"), &fields);
        let mut value = Struct::new(schema.clone());
        (0..fields.len()).for_each(|at| value.put(at, Value::Int32(at as i32)).unwrap());
        Datum { schema: Some(schema), value: Value::Struct(value) }
    };
    let (mut first, mut found, mut as_latest) = (Vec::new(), Vec::new(), Vec::new());
    let refused = find.write("t", &datum(&["a"]), &mut found).await.unwrap_err();
    assert_eq!(refused.code(), "registry-refused", "{refused}");
    assert_eq!(register.write("t", &datum(&["a"]), &mut first).await, Ok(true));
    let find = converter(&registry, Ids::Find);
    assert_eq!(find.write("t", &datum(&["a"]), &mut found).await, Ok(true));
    assert_eq!(latest.write("t", &datum(&["a"]), &mut as_latest).await, Ok(true));
    assert_eq!((&first, &first), (&found, &as_latest));
    let error = latest.write("t", &datum(&["a", "b"]), &mut Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("has no field `b`"), "{error}");
    // From here on a reader of the new schema must read what was written before.
    let client = crate::http::client(None).unwrap().build().unwrap();
    let url = format!("{}/config/t-value", registry.url);
    let body = r#"{"compatibility":"BACKWARD"}"#;
    let answer = client.put(url).header("Content-Type", "application/json").body(body);
    assert!(answer.send().await.unwrap().status().is_success());
    let error = register.write("t", &datum(&["a", "b"]), &mut Vec::new()).await.unwrap_err();
    assert_eq!(error.code(), "registry-refused", "{error}");
}
