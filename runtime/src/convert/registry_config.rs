//! The options of converters with a schema registry, by Confluent's names.

use std::sync::Arc;

use super::Part;
use super::avro::{AvroFormat, AvroOptions};
use super::config::{ConverterError, Reader};
use super::registered::subject::SubjectNames;
use super::registered::{FramedConverter, Ids, RegistryConverter, RegistryOptions};
use crate::registry::{Registry, RegistrySettings};

/// The converters there are, by short name and by Confluent's class.
pub const NAMES: [(&str, &str); 1] = [("avro", "io.confluent.connect.avro.AvroConverter")];

const URL: &str = "schema.registry.url";

/// Every option under `key.converter.` or `value.converter.` that is read.
const OPTIONS: [&str; 14] = [
    "auto.register.schemas",
    "connect.meta.data",
    "enhanced.avro.schema.support",
    "ignore.default.for.nullables",
    "key.subject.name.strategy",
    "latest.compatibility.strict",
    "normalize.schemas",
    URL,
    "schemas.cache.config",
    "schemas.cache.size",
    "scrub.invalid.names",
    "use.latest.version",
    "use.schema.id",
    "value.subject.name.strategy",
];
/// What configurations carry from other converters, or what changes nothing here: one
/// subject's schemas count among the others, and Avro's own types are always read.
const PASSED_OVER: [&str; 3] =
    ["max.schemas.per.subject", "schemas.enable", "specific.avro.reader"];

/// True for a converter with a registry.
pub fn is_registered(name: &str) -> bool {
    NAMES.iter().any(|(short, class)| [*short, *class].contains(&name))
}

/// The short names, for a message.
pub fn short_names() -> String {
    NAMES.map(|(short, _)| short).join(", ")
}

/// The converter with its options; what is wrong with them goes to the reader's errors.
pub(super) fn read(mut reader: Reader<'_, '_>, part: Part) -> Option<Arc<dyn RegistryConverter>> {
    reader.refuse_strangers();
    let before = reader.errors.len();
    let own = RegistryOptions::default();
    let options = RegistryOptions {
        ids: reader.ids(),
        normalize: reader.flag("normalize.schemas", own.normalize),
        strict: reader.flag("latest.compatibility.strict", own.strict),
        subjects: reader.subjects(part),
        schemas_kept_max: reader.kept_max(),
    };
    let avro = reader.avro();
    let registry = reader.registry()?;
    (reader.errors.len() == before).then(|| {
        let converter: Arc<dyn RegistryConverter> =
            Arc::new(FramedConverter::new(AvroFormat(avro), registry, part, options));
        converter
    })
}

impl Reader<'_, '_> {
    fn wrong(&mut self, name: &str, reason: impl Into<String>) {
        let option = format!("{}.{name}", self.converter);
        self.errors.push(ConverterError::Wrong { option, reason: reason.into() });
    }

    /// An option that would do nothing is a mistake: a credential that goes nowhere.
    fn refuse_strangers(&mut self) {
        let prefix = format!("{}.", self.converter);
        let names = self.config.keys().filter_map(|name| name.strip_prefix(&prefix));
        let is_known = |name: &&str| OPTIONS.contains(name) || PASSED_OVER.contains(name);
        for stranger in names.filter(|name| !is_known(name)) {
            let help = crate::yaml::did_you_mean(stranger, OPTIONS).unwrap_or_default();
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

    fn registry(&mut self) -> Option<Registry> {
        let option = format!("{}.{URL}", self.converter);
        let Some(urls) = self.config.get(&option) else {
            self.wrong(URL, "is missing: the addresses of the schema registry");
            return None;
        };
        let made = RegistrySettings::at(urls.trim())
            .map_err(|error| format!("is wrong: {error}"))
            .and_then(|settings| Registry::new(settings).map_err(|error| error.to_string()));
        match made {
            Ok(registry) => Some(registry),
            Err(reason) => {
                self.wrong(URL, reason);
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
    use super::super::config::Way;
    use super::*;
    use crate::worker::herder::ConnectorConfig;

    fn wrong(options: &[(&str, &str)]) -> Vec<String> {
        let mut config: ConnectorConfig = options
            .iter()
            .map(|(k, v)| (format!("value.converter.{k}"), (*v).to_owned()))
            .collect();
        config.insert("value.converter".to_owned(), NAMES[0].1.to_owned());
        match Passages::from_config(&config, Way::ToTopics) {
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
        let errors = wrong(&[(URL, "http://me:hunter2@localhost")]);
        assert!(!errors[0].contains("hunter2"), "{errors:?}");
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
