//! The options of converters with a schema registry, by Confluent's names.

use std::sync::Arc;

use super::Part;
use super::avro::{AvroFormat, AvroOptions};
use super::config::{Reader, Way, option_of};
use super::json_schema::{JsonSchemaFormat, JsonSchemaOptions};
use super::registered::subject::SubjectNames;
use super::registered::{FramedConverter, Ids, RegistryConverter, RegistryOptions};
use crate::registry::settings::URL;
use crate::registry::{Registry, RegistrySettings};
use crate::worker::herder::ConnectorConfig;

/// The converters there are, by short name and by Confluent's class.
pub const NAMES: [(&str, &str); 2] = [
    ("avro", "io.confluent.connect.avro.AvroConverter"),
    ("json-schema", "io.confluent.connect.json.JsonSchemaConverter"),
];

/// The option that names a connection with a registry, in place of its addresses.
const CONNECTION: &str = "schema.registry.connection";

/// The options under `key.converter.` or `value.converter.` that every format has.
const OPTIONS: [&str; 12] = [
    "auto.register.schemas",
    "ignore.default.for.nullables",
    "key.subject.name.strategy",
    "latest.compatibility.strict",
    "normalize.schemas",
    CONNECTION,
    URL,
    "schemas.cache.config",
    "schemas.cache.size",
    "use.latest.version",
    "use.schema.id",
    "value.subject.name.strategy",
];
/// Those that Avro has beside them.
const AVRO_OPTIONS: [&str; 3] =
    ["connect.meta.data", "enhanced.avro.schema.support", "scrub.invalid.names"];
/// Those that JSON Schema has.
const JSON_OPTIONS: [&str; 2] = ["decimal.format", "use.optional.for.nonrequired"];
/// How the names of options begin that Confluent's converters have, and connections here:
/// what a connector's configuration holds is shown.
const CONNECTIONS: [&str; 5] =
    ["basic.auth.", "bearer.auth.", "ssl.", "schema.registry.basic.auth.", "schema.registry.ssl."];
/// What configurations carry from other converters, or what changes nothing here: one
/// subject's schemas count among the others, and Avro's own types are always read.
const PASSED_OVER: [&str; 3] =
    ["max.schemas.per.subject", "schemas.enable", "specific.avro.reader"];

/// The registries of connections, opened.
#[derive(Debug, Clone, Default)]
pub struct OpenedRegistries {
    /// For keys.
    pub key: Option<RegistrySettings>,
    /// For values.
    pub value: Option<RegistrySettings>,
}

impl OpenedRegistries {
    fn of(&self, part: Part) -> Option<&RegistrySettings> {
        match part {
            Part::Key => self.key.as_ref(),
            Part::Value => self.value.as_ref(),
        }
    }
}

/// The connection that a converter's registry is to be opened by; none if it needs none.
pub fn connection(config: &ConnectorConfig, part: Part) -> Option<&str> {
    let option = option_of(part);
    let name = config.get(option).filter(|name| is_registered(name.trim()));
    name.and_then(|_| config.get(&format!("{option}.{CONNECTION}"))).map(|name| name.trim())
}

/// True for a converter with a registry.
pub fn is_registered(name: &str) -> bool {
    short_name(name).is_some()
}

fn short_name(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|(short, class)| [*short, *class].contains(&name)).map(|(short, _)| *short)
}

/// The short names, for a message.
pub fn short_names() -> String {
    NAMES.map(|(short, _)| short).join(", ")
}

/// The converter of that name with its options; what is wrong with them goes to the
/// reader's errors.
pub(super) fn read(
    mut reader: Reader<'_, '_>,
    name: &str,
    part: Part,
    way: Way,
    opened: &OpenedRegistries,
) -> Option<Arc<dyn RegistryConverter>> {
    let is_avro = short_name(name)? == "avro";
    let of_format: &[&str] = if is_avro { &AVRO_OPTIONS } else { &JSON_OPTIONS };
    reader.refuse_strangers(&[&OPTIONS, of_format].concat());
    let before = reader.errors.len();
    let own = RegistryOptions::default();
    let options = RegistryOptions {
        ids: reader.ids(),
        normalize: reader.flag("normalize.schemas", own.normalize),
        strict: reader.flag("latest.compatibility.strict", own.strict),
        subjects: reader.subjects(part),
        schemas_kept_max: reader.kept_max(),
    };
    let (avro, json) = (reader.avro(), reader.json_schema());
    let registers = way == Way::ToTopics && options.ids == Ids::Register;
    let registry = reader.registry(opened.of(part), registers)?;
    if reader.errors.len() > before {
        return None;
    }
    Some(match is_avro {
        true => Arc::new(FramedConverter::new(AvroFormat(avro), registry, part, options)),
        false => Arc::new(FramedConverter::new(JsonSchemaFormat(json), registry, part, options)),
    })
}

impl Reader<'_, '_> {
    /// An option that would do nothing is a mistake: a credential that goes nowhere.
    fn refuse_strangers(&mut self, known: &[&str]) {
        let prefix = format!("{}.", self.converter);
        let names = self.config.keys().filter_map(|name| name.strip_prefix(&prefix));
        let is_known = |name: &&str| known.contains(name) || PASSED_OVER.contains(name);
        for stranger in names.filter(|name| !is_known(name)) {
            let is_connections = CONNECTIONS.iter().any(|prefix| stranger.starts_with(prefix));
            let help = match is_connections {
                true => format!(
                    "credentials and TLS are settings of a connection, which `{CONNECTION}` names"
                ),
                false => {
                    crate::yaml::did_you_mean(stranger, known.iter().copied()).unwrap_or_default()
                }
            };
            self.wrong(stranger, format!("is no option of this converter; {help}"));
        }
    }

    fn avro(&mut self) -> AvroOptions {
        let own = AvroOptions::default();
        AvroOptions {
            enhanced: self.flag("enhanced.avro.schema.support", own.enhanced),
            metadata: self.flag("connect.meta.data", own.metadata),
            scrub: self.flag("scrub.invalid.names", own.scrub),
            null_is_default: !self.flag("ignore.default.for.nullables", !own.null_is_default),
        }
    }

    fn json_schema(&mut self) -> JsonSchemaOptions {
        let own = JsonSchemaOptions::default();
        JsonSchemaOptions {
            numeric_decimals: self.decimals(),
            optional_unless_required: self
                .flag("use.optional.for.nonrequired", own.optional_unless_required),
            null_is_default: !self.flag("ignore.default.for.nullables", !own.null_is_default),
        }
    }

    /// The registry; `registers`: schemas are written to it.
    fn registry(&mut self, opened: Option<&RegistrySettings>, registers: bool) -> Option<Registry> {
        let given = |name| self.config.get(&format!("{}.{name}", self.converter));
        let (name, settings) = match (given(URL), given(CONNECTION)) {
            (Some(urls), None) => (URL, RegistrySettings::at(urls.trim())),
            // Until it is opened, what matters is whether all else is right.
            (None, Some(_)) => {
                let nowhere = || RegistrySettings::at("http://localhost");
                (CONNECTION, opened.map_or_else(nowhere, |settings| Ok(settings.clone())))
            }
            (None, None) => (URL, Err(format!("is missing: give it, or `{CONNECTION}`"))),
            (Some(_), Some(_)) => (CONNECTION, Err(format!("is given beside `{URL}`"))),
        };
        let made = settings.and_then(|settings| match registers && !settings.may_register {
            true => Err("names a connection that does not allow to write, as registering is: \
                         allow that, or set `auto.register.schemas=false`"
                .to_owned()),
            false => Registry::new(settings).map_err(|error| error.to_string()),
        });
        match made {
            Ok(registry) => Some(registry),
            Err(reason) => {
                self.wrong(name, reason);
                None
            }
        }
    }

    fn ids(&mut self) -> Ids {
        let register = self.flag("auto.register.schemas", true);
        let latest = self.flag("use.latest.version", false);
        let given =
            self.read("use.schema.id", None, "the id of a schema, or -1", |text| {
                match text.parse::<i64>().ok()? {
                    -1 => Some(None),
                    id => u32::try_from(id).ok().filter(|id| *id > 0).map(Some),
                }
            });
        match (register, given, latest) {
            // As Confluent's serializer has it: what registers does not look further.
            (true, None, false) => Ids::Register,
            (true, ..) => {
                self.wrong(
                    "auto.register.schemas",
                    "must be false for a schema that is the registry's (`use.latest.version`, \
                     `use.schema.id`)",
                );
                Ids::Register
            }
            (false, Some(id), _) => Ids::Given(id),
            (false, None, true) => Ids::Latest,
            (false, None, false) => Ids::Find,
        }
    }

    fn subjects(&mut self, part: Part) -> SubjectNames {
        let option = match part {
            Part::Key => "key.subject.name.strategy",
            Part::Value => "value.subject.name.strategy",
        };
        let expected = "TopicNameStrategy, RecordNameStrategy or TopicRecordNameStrategy";
        self.read(option, SubjectNames::default(), expected, SubjectNames::named)
    }

    /// Confluent's name, or that of Kafka's JSON converter.
    fn kept_max(&mut self) -> usize {
        let own = RegistryOptions::default().schemas_kept_max;
        let max = self.count("schemas.cache.config", own);
        self.count("schemas.cache.size", max)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Passages;
    use super::*;

    fn wrong(options: &[(&str, &str)]) -> Vec<String> {
        wrong_for(NAMES[0].1, options)
    }

    fn wrong_for(converter: &str, options: &[(&str, &str)]) -> Vec<String> {
        let mut config: ConnectorConfig = options
            .iter()
            .map(|(k, v)| (format!("value.converter.{k}"), (*v).to_owned()))
            .collect();
        config.insert("value.converter".to_owned(), converter.to_owned());
        match Passages::from_config(&config, Way::ToTopics, &OpenedRegistries::default()) {
            Ok(passages) => {
                assert!(passages.convert());
                Vec::new()
            }
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn a_converter_with_a_registry_needs_its_address() {
        assert_eq!(wrong(&[(URL, "http://localhost:8081")]), [""; 0]);
        let errors = wrong(&[]);
        assert!(
            errors[0].contains("`value.converter.schema.registry.url` is missing"),
            "{errors:?}"
        );
        assert_eq!(wrong(&[(CONNECTION, "registry")]), [""; 0]);
        assert_eq!(wrong(&[(CONNECTION, "registry"), (URL, "http://a")]).len(), 1);
        let errors = wrong(&[(URL, "http://me:hunter2@localhost")]);
        assert!(!errors[0].contains("hunter2"), "{errors:?}");
    }

    #[test]
    fn each_format_has_its_own_options_beside_those_of_all() {
        let at = (URL, "http://localhost");
        let (numeric, scrub) = (("decimal.format", "numeric"), ("scrub.invalid.names", "true"));
        assert_eq!(wrong_for("json-schema", &[at, numeric]), [""; 0]);
        assert_eq!(wrong_for("json-schema", &[at, scrub]).len(), 1);
        assert_eq!(wrong_for("avro", &[at, scrub]), [""; 0]);
        assert_eq!(wrong_for("avro", &[at, numeric]).len(), 1);
        assert_eq!(wrong_for(NAMES[1].1, &[at, ("decimal.format", "text")]).len(), 1);
    }

    #[test]
    fn a_credential_among_a_connectors_options_is_refused_with_where_it_belongs() {
        let at = (URL, "https://localhost");
        let errors = wrong(&[at, ("basic.auth.user.info", "me:hunter2")]);
        assert!(errors[0].contains(CONNECTION) && !errors[0].contains("hunter2"), "{errors:?}");
    }

    #[test]
    fn options_that_would_do_nothing_are_refused() {
        let at = (URL, "https://localhost");
        for option in [
            ("basic.auth.user.info", "a:b"),
            ("auto.register.schema", "false"),
            ("use.schema.id", "0"),
        ] {
            assert_eq!(wrong(&[at, option]).len(), 1, "{option:?}");
        }
        // What configurations carry along.
        assert_eq!(wrong(&[at, ("schemas.enable", "false")]), [""; 0]);
        let latest = ("use.latest.version", "true");
        assert_eq!(wrong(&[at, latest]).len(), 1);
        assert_eq!(wrong(&[at, latest, ("auto.register.schemas", "false")]), [""; 0]);
    }
}
