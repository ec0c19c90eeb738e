//! A connector's page, compared with its options.

use serde_json::Value;

/// Checks the table of options below `heading`: a row for each property of `schema`, with
/// its default as the second column (`required` or `empty` where there is none).
///
/// # Panics
/// When they differ: it is called by the connectors' tests.
pub fn check(readme: &str, heading: &str, schema: &Value) {
    let section = readme.split(heading).nth(1).expect("the section is there");
    let rows = section.lines().skip_while(|line| !line.starts_with("| `"));
    let mut told: Vec<(String, String)> = rows
        .take_while(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
            (cells[1].clone(), cells[2].clone())
        })
        .collect();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().expect("a schema has properties");
    let mut known: Vec<_> = properties
        .iter()
        .map(|(name, property)| {
            let default = match &property["default"] {
                _ if required.contains(&Value::from(name.as_str())) => "required".to_owned(),
                Value::Null => "none".to_owned(),
                Value::String(text) if text.is_empty() => "empty".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (name.clone(), default)
        })
        .collect();
    told.sort();
    known.sort();
    assert_eq!(told, known, "{heading}");
}
