//! What options connectors have, and what is right and wrong with given ones, in
//! the shapes of Kafka Connect's `ConfigKeyInfo` and `ConfigInfos`.

mod host_options;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use self::host_options::{GROUPS, HOST_OPTIONS};
use super::herder::ConnectorKind;
use super::plugin::ConfigProblem;
use crate::transform::chain::{self, Section};
use crate::transform::options::OptionInfo;
use crate::transform::registry;

/// One option, as `GET /connector-plugins/{plugin}/config` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigKeyInfo {
    /// Its name.
    pub name: String,
    /// `STRING`, `SHORT`, `INT`, `LONG`, `DOUBLE`, `BOOLEAN`, `LIST` or `CLASS`.
    #[serde(rename = "type")]
    pub kind: String,
    /// It has no default.
    pub required: bool,
    /// What it is when it is not given.
    pub default_value: Option<String>,
    /// `HIGH`, `MEDIUM` or `LOW`.
    pub importance: String,
    /// What it does.
    pub documentation: String,
    /// The heading that it stands under.
    pub group: Option<String>,
    /// Its place there, from 1; -1 without a heading.
    pub order: i32,
    /// How wide a form draws its field.
    pub width: String,
    /// What a form calls it.
    pub display_name: String,
    /// Options whose choices depend on it: none so far.
    pub dependents: Vec<String>,
}

/// One option's value in a configuration that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigValueInfo {
    /// The option.
    pub name: String,
    /// As given, else its default.
    pub value: Option<String>,
    /// What else it could be, where there are few choices.
    pub recommended_values: Vec<String>,
    /// What is wrong with it.
    pub errors: Vec<String>,
    /// Whether a form shows it.
    pub visible: bool,
}

/// An option and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigInfo {
    /// Null for what is no option of this connector.
    pub definition: Option<ConfigKeyInfo>,
    /// Its value.
    pub value: ConfigValueInfo,
}

/// `PUT /connector-plugins/{plugin}/config/validate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigInfos {
    /// `connector.class`, as given.
    pub name: String,
    /// How many errors there are in all.
    pub error_count: usize,
    /// The headings.
    pub groups: Vec<String>,
    /// Every option, and what else was given wrongly.
    pub configs: Vec<ConfigInfo>,
}

impl ConfigInfos {
    /// All errors, one a line, as Kafka Connect refuses a configuration; `None`
    /// if there are none.
    pub fn refusal(&self) -> Option<String> {
        if self.error_count == 0 {
            return None;
        }
        let mut message = format!(
            "Connector configuration is invalid and contains the following {} error(s):",
            self.error_count
        );
        for error in self.configs.iter().flat_map(|config| &config.value.errors) {
            message.push('\n');
            message.push_str(error);
        }
        message.push_str(
            "\nYou can also find the above list of errors at the endpoint \
             `/connector-plugins/{connectorType}/config/validate`",
        );
        Some(message)
    }
}

/// All options of connectors of a plugin: its own, then the host's.
pub fn definitions(kind: ConnectorKind, schema: &Json) -> Vec<ConfigKeyInfo> {
    let required: Vec<&str> = list(schema, "required").collect();
    let own = schema.get("properties").and_then(Json::as_object).into_iter().flatten();
    let own =
        own.map(|(name, property)| plugins(name, property, required.contains(&name.as_str())));
    let mut all: Vec<_> = own.collect();
    let mut order = BTreeMap::new();
    for host in HOST_OPTIONS.iter().filter(|host| host.of.has(kind)) {
        if all.iter().any(|known| known.name == host.name) {
            continue;
        }
        let place: &mut i32 = order.entry(host.group).or_default();
        *place += 1;
        all.push(host.info(*place));
    }
    all
}

fn list<'a>(schema: &'a Json, name: &str) -> impl Iterator<Item = &'a str> {
    schema.get(name).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

/// An option of a plugin's own, from its JSON Schema.
fn plugins(name: &str, property: &Json, required: bool) -> ConfigKeyInfo {
    let kind = match property.get("type").and_then(Json::as_str) {
        Some("boolean") => "BOOLEAN",
        Some("integer") => "LONG",
        Some("number") => "DOUBLE",
        Some("array") => "LIST",
        _ => "STRING",
    };
    let documentation = property.get("description").and_then(Json::as_str).unwrap_or_default();
    ConfigKeyInfo {
        name: name.to_owned(),
        kind: kind.to_owned(),
        required,
        default_value: property.get("default").map(text),
        importance: if required { "HIGH" } else { "MEDIUM" }.to_owned(),
        documentation: documentation.to_owned(),
        group: None,
        order: -1,
        width: "NONE".to_owned(),
        display_name: name.to_owned(),
        dependents: Vec::new(),
    }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What there is to choose from for an option, if it is a few values.
fn choices(kind: ConnectorKind, schema: &Json, name: &str) -> Vec<String> {
    let own = schema.get("properties").and_then(|properties| properties.get(name));
    if let Some(own) = own {
        let listed = own.get("enum").and_then(Json::as_array);
        return listed.into_iter().flatten().map(text).collect();
    }
    let host = HOST_OPTIONS.iter().find(|host| host.name == name && host.of.has(kind));
    host.into_iter().flat_map(|host| host.choices).map(|choice| (*choice).to_owned()).collect()
}

/// The options that the `transforms` and `predicates` of a configuration ask for
/// (`ConnectorConfig.enrich`).
fn sections(config: &BTreeMap<String, Option<String>>) -> Vec<(ConfigKeyInfo, Vec<String>)> {
    let given = config.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let mut all = Vec::new();
    for section in chain::sections(&given.collect()) {
        let Section { heading, prefix, is_transform, options } = section;
        let classes: Vec<_> = match is_transform {
            true => registry::transforms().map(|found| found.class.to_owned()).collect(),
            false => registry::predicates().map(|found| found.class.to_owned()).collect(),
        };
        let info = |name: &str, kind: &str, doc: &str, importance: &str| ConfigKeyInfo {
            name: format!("{prefix}{name}"),
            kind: kind.to_owned(),
            required: false,
            default_value: None,
            importance: importance.to_owned(),
            documentation: doc.to_owned(),
            group: Some(heading.clone()),
            order: 0,
            width: "NONE".to_owned(),
            display_name: name.to_owned(),
            dependents: Vec::new(),
        };
        let mut own = vec![(
            ConfigKeyInfo { required: true, ..info("type", "CLASS", "Its class.", "HIGH") },
            classes,
        )];
        if is_transform {
            let doc = "The predicate that says on which records it works.";
            own.push((info("predicate", "STRING", doc, "MEDIUM"), Vec::new()));
            let negate = info("negate", "BOOLEAN", "It works on the others.", "MEDIUM");
            let negate = ConfigKeyInfo { default_value: Some("false".to_owned()), ..negate };
            own.push((negate, Vec::new()));
        }
        for option in options {
            let shown = info(option.name, option.kind.name(), option.doc, option.importance);
            let default_value = option.default.map(str::to_owned);
            let shown = ConfigKeyInfo { required: option.required, default_value, ..shown };
            own.push((shown, option.choices.iter().map(|it| (*it).to_owned()).collect()));
        }
        for (order, (shown, _)) in (0..).zip(&mut own) {
            shown.order = order;
        }
        all.extend(own);
    }
    all
}

/// The options of a transform or predicate, as `GET /connector-plugins/{plugin}/config`
/// describes them; `None` if the class is none.
pub fn definitions_of_transform(class: &str) -> Option<Vec<ConfigKeyInfo>> {
    let transform = registry::transforms().find(|found| found.class == class);
    let predicate = registry::predicates().find(|found| found.class == class);
    let options = transform.map(|found| found.options());
    let options = options.or(predicate.map(|found| found.options()))?;
    let info = |option: &OptionInfo| ConfigKeyInfo {
        name: option.name.to_owned(),
        kind: option.kind.name().to_owned(),
        required: option.required,
        default_value: option.default.map(str::to_owned),
        importance: option.importance.to_owned(),
        documentation: option.doc.to_owned(),
        group: None,
        order: -1,
        width: "NONE".to_owned(),
        display_name: option.name.to_owned(),
        dependents: Vec::new(),
    };
    Some(options.iter().map(info).collect())
}

/// What is right and wrong with `config`, whose `problems` are known.
pub fn infos(
    class: &str,
    kind: ConnectorKind,
    schema: &Json,
    config: &BTreeMap<String, Option<String>>,
    problems: &[ConfigProblem],
) -> ConfigInfos {
    let errors = |name: &str| -> Vec<String> {
        let mine = problems.iter().filter(|problem| problem.option == name);
        mine.map(|problem| format!("`{name}` {}", problem.message)).collect()
    };
    let sections = if kind == ConnectorKind::Processor { Vec::new() } else { sections(config) };
    let section_choices = |name: &str| {
        sections.iter().find(|(info, _)| info.name == name).map(|(_, choices)| choices.clone())
    };
    let value = |name: &str, default: Option<String>| ConfigValueInfo {
        name: name.to_owned(),
        value: config.get(name).cloned().flatten().or(default),
        recommended_values: section_choices(name).unwrap_or_else(|| choices(kind, schema, name)),
        errors: errors(name),
        visible: true,
    };
    let mut definitions = definitions(kind, schema);
    definitions.extend(sections.iter().map(|(info, _)| info.clone()));
    let mut others: Vec<&str> = problems.iter().map(|problem| problem.option.as_str()).collect();
    others.retain(|name| !definitions.iter().any(|known| known.name == *name));
    others.sort_unstable();
    others.dedup();
    let others =
        others.into_iter().map(|name| ConfigInfo { definition: None, value: value(name, None) });
    let mut configs: Vec<ConfigInfo> = others.collect();
    configs.extend(definitions.into_iter().map(|definition| ConfigInfo {
        value: value(&definition.name, definition.default_value.clone()),
        definition: Some(definition),
    }));
    let mut headings: Vec<_> = sections.iter().filter_map(|(info, _)| info.group.clone()).collect();
    headings.dedup();
    let has = |group: &&str| HOST_OPTIONS.iter().any(|it| it.group == *group && it.of.has(kind));
    ConfigInfos {
        name: class.to_owned(),
        error_count: problems.len(),
        groups: GROUPS.into_iter().filter(has).map(str::to_owned).chain(headings).collect(),
        configs,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Json {
        json!({
            "properties": {
                "path": { "type": "string", "description": "Where." },
                "tail": { "type": "boolean", "default": false },
                "format": { "type": "string", "enum": ["lines", "rows"] },
            },
            "required": ["path"],
        })
    }

    #[test]
    fn a_plugins_options_come_first_and_the_hosts_have_headings() {
        let all = definitions(ConnectorKind::Sink, &schema());
        let named = |name: &str| all.iter().find(|info| info.name == name).unwrap();
        assert_eq!((named("path").required, named("path").group.as_deref()), (true, None));
        assert_eq!(named("tail").default_value.as_deref(), Some("false"));
        assert_eq!((named("tail").kind.as_str(), named("tail").order), ("BOOLEAN", -1));
        assert_eq!((named("name").order, named("connector.class").order), (1, 2));
        assert!(all.iter().any(|info| info.name == "topics"));
        assert!(!all.iter().any(|info| info.name == "transaction.boundary"));
        let position = |name: &str| all.iter().position(|info| info.name == name).unwrap();
        assert!(position("format") < position("name"));
    }

    #[test]
    fn every_option_of_guarantees_and_errors_is_described() {
        let options = crate::worker::guarantees::OPTIONS.into_iter();
        for name in options.chain(crate::worker::error_options::OPTIONS) {
            assert!(HOST_OPTIONS.iter().any(|option| option.name == name), "{name}");
        }
    }

    #[test]
    fn transforms_and_predicates_have_their_options_under_headings_of_their_own() {
        let given = [
            ("transforms", "cast"),
            ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
            ("transforms.cast.predicate", "dead"),
            ("predicates", "dead"),
        ];
        let config = given.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).into();
        let infos = infos("files", ConnectorKind::Sink, &schema(), &config, &[]);
        let groups = &infos.groups[infos.groups.len() - 2..];
        assert_eq!(groups, ["Transforms: cast", "Predicates: dead"]);
        let named = |name: &str| infos.configs.iter().find(|it| it.value.name == name);
        let spec = named("transforms.cast.spec").unwrap().definition.as_ref().unwrap();
        assert_eq!((spec.required, spec.kind.as_str(), spec.order), (true, "LIST", 3));
        let negate = named("transforms.cast.negate").unwrap();
        assert_eq!(negate.value.value.as_deref(), Some("false"));
        let class = named("predicates.dead.type").unwrap();
        assert_eq!((class.value.value.as_ref(), class.value.recommended_values.len()), (None, 3));
        assert!(named("predicates.dead.negate").is_none());
        let alone = definitions_of_transform("org.apache.kafka.connect.transforms.Cast$Key");
        assert_eq!(alone.unwrap()[0].name, "spec");
        assert!(definitions_of_transform("Cast").is_none());
    }

    #[test]
    fn an_error_stands_with_its_option_and_one_of_no_option_stands_alone() {
        let problem = |option: &str, message: &str| ConfigProblem {
            option: option.to_owned(),
            message: message.to_owned(),
        };
        let problems = [problem("path", "is missing"), problem("pth", "is no option")];
        let config = BTreeMap::from([("pth".to_owned(), Some("x".to_owned()))]);
        let infos = infos("files", ConnectorKind::Source, &schema(), &config, &problems);
        assert_eq!((infos.name.as_str(), infos.error_count), ("files", 2));
        let alone = &infos.configs[0];
        assert!(alone.definition.is_none());
        assert_eq!((alone.value.name.as_str(), alone.value.value.as_deref()), ("pth", Some("x")));
        let named = |name: &str| infos.configs.iter().find(|it| it.value.name == name).unwrap();
        assert_eq!(named("path").value.errors, ["`path` is missing"]);
        assert_eq!(named("tasks.max").value.value.as_deref(), Some("1"));
        assert_eq!(named("format").value.recommended_values, ["lines", "rows"]);
        assert!(infos.groups.iter().any(|group| group == "Transforms"));
        let refusal = infos.refusal().unwrap();
        assert!(refusal.contains("2 error(s)") && refusal.contains("`path` is missing"));
    }
}
