//! References to secrets: `${env:NAME}`, `${file:PATH}`, `${dir:FOLDER:FILE}`.
//!
//! They stand in connections and node files alone, and are resolved here, on the
//! worker's machine. The names are those of Kafka's configuration providers.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde_json::Value;

use super::reach::{Allowed, real_of, refused_file};

/// What stands in the place of a secret wherever something is shown.
pub(crate) const MASK: &str = "********";

/// The shortest text that is hidden, in bytes.
const SECRET_BYTES_MIN: usize = 4;

/// The largest file that a reference may name, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a reference was not resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// It will not be, until somebody changes it or the worker's environment.
    Wrong(String),
    /// Its file may come.
    Missing(String),
}

impl Unresolved {
    /// Why, without any resolved value.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Wrong(reason) | Self::Missing(reason) => reason,
        }
    }
}

/// One reference, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference<'a> {
    Env(&'a str),
    File(PathBuf),
}

impl<'a> Reference<'a> {
    /// `inside` is what stands between `${` and `}`.
    fn parse(inside: &'a str) -> Result<Self, String> {
        match inside.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name)),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("dir" | "directory", rest)) => match rest.rsplit_once(':') {
                Some((folder, file)) if is_file_name(file) && !folder.is_empty() => {
                    Ok(Self::File(Path::new(folder).join(file)))
                }
                _ => Err(format!(
                    "`${{{inside}}}` is no reference: write `${{dir:FOLDER:FILE}}`, where FILE is \
                     the name of a file in it"
                )),
            },
            _ => Err(format!("`${{{inside}}}` is no reference; there are env:, file: and dir:")),
        }
    }

    /// Why a connection from a request may not have it; `None` if it may.
    fn refused(&self, allowed: &Allowed) -> Option<String> {
        match self {
            Self::Env(name) => allowed.refuses_env(name),
            Self::File(path) => allowed.refuses_file(path),
        }
    }

    fn resolve(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        allowed: Option<&Allowed>,
    ) -> Result<String, Unresolved> {
        if let Some(refused) = allowed.and_then(|allowed| self.refused(allowed)) {
            return Err(Unresolved::Wrong(refused));
        }
        match self {
            Self::Env(name) => {
                let unset = || Unresolved::Wrong(format!("the variable `{name}` is not set"));
                env(name).ok_or_else(unset)
            }
            Self::File(path) => content(path, allowed),
        }
    }
}

fn is_file_name(file: &str) -> bool {
    !file.is_empty() && file != "." && file != ".." && !file.contains('/')
}

/// A file's text without the newline at its end.
fn content(path: &Path, allowed: Option<&Allowed>) -> Result<String, Unresolved> {
    let told = path.display();
    let failed = |error: std::io::Error| {
        Unresolved::Missing(format!("the file `{told}` cannot be read: {error}"))
    };
    let wrong = |why: &str| Unresolved::Wrong(format!("the file `{told}` {why}"));
    // A pipe or a device would be waited on for ever.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(wrong("is no regular file"));
    }
    let mut text = String::new();
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    // What was opened is asked, not its name: a link may lead elsewhere by now.
    if let Some(allowed) = allowed
        && !allowed.files.hold(&real_of(&file).map_err(failed)?)
    {
        return Err(Unresolved::Wrong(refused_file(path)));
    }
    match file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            return Err(wrong("is not UTF-8 text"));
        }
        read => read.map_err(failed)?,
    };
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(wrong(&format!("has more than {FILE_BYTES_MAX} bytes")));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Each part of a text: what stands as it is, or what a reference has inside.
fn parts(text: &str) -> Result<Vec<Result<&str, Reference<'_>>>, String> {
    let (mut all, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        let end = reference.find('}').ok_or("a reference `${` without `}`")?;
        all.push(Ok(before));
        all.push(Err(Reference::parse(&reference[2..end])?));
        rest = &reference[end + 1..];
    }
    all.push(Ok(rest));
    Ok(all)
}

/// True when a text is references and nothing else.
pub(super) fn is_whole(text: &str) -> bool {
    let parts = parts(text).unwrap_or_default();
    parts.iter().any(Result::is_err) && parts.iter().flatten().all(|part| part.is_empty())
}

/// What of a text stands as it is, without its references.
pub(super) fn plain(text: &str) -> String {
    parts(text).map_or_else(|_| text.to_owned(), |parts| parts.into_iter().flatten().collect())
}

/// Whether nothing in a value is a reference.
pub(super) fn is_resolved(value: &Value) -> bool {
    match value {
        Value::String(text) => plain(text) == *text,
        Value::Object(fields) => fields.values().all(is_resolved),
        _ => true,
    }
}

/// Notes what is wrong with the references at and below a value.
pub(super) fn wrong(path: &str, value: &Value, reasons: &mut Vec<String>) {
    each_text(path, value, &mut |path, text| {
        if let Err(reason) = parts(text) {
            reasons.push(format!("`{path}`: {reason}"));
        }
    });
}

/// Notes which of them a connection from a request may not have.
pub(super) fn refused(path: &str, value: &Value, allowed: &Allowed, reasons: &mut Vec<String>) {
    each_text(path, value, &mut |path, text| {
        let references = parts(text).unwrap_or_default().into_iter().filter_map(Result::err);
        let refused = references.filter_map(|reference| reference.refused(allowed));
        reasons.extend(refused.map(|reason| format!("`{path}`: {reason}")));
    });
}

/// Shows each text at and below a value, with where it is.
fn each_text(path: &str, value: &Value, see: &mut dyn FnMut(&str, &str)) {
    match value {
        Value::String(text) => see(path, text),
        Value::Array(items) => items.iter().for_each(|item| each_text(path, item, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                each_text(&format!("{path}.{name}"), value, see);
            }
        }
        _ => {}
    }
}

/// Resolves the references of values, and remembers what they stood for.
pub(super) struct Resolver<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    /// What they may name, of a connection from a request.
    allowed: Option<&'a Allowed>,
    pub(super) secrets: Secrets,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(
        env: &'a dyn Fn(&str) -> Option<String>,
        allowed: Option<&'a Allowed>,
    ) -> Self {
        Self { env, allowed, secrets: Secrets::default() }
    }

    /// The value with every reference in its strings replaced.
    pub(super) fn value(&mut self, value: &Value) -> Result<Value, Unresolved> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.value(value)?)))
                    .collect::<Result<_, Unresolved>>()?;
                Value::Object(fields)
            }
            other => other.clone(),
        })
    }

    fn text(&mut self, text: &str) -> Result<String, Unresolved> {
        let mut out = String::new();
        for part in parts(text).map_err(Unresolved::Wrong)? {
            match part {
                Ok(plain) => out.push_str(plain),
                Err(reference) => {
                    let secret = reference.resolve(self.env, self.allowed)?;
                    out.push_str(&secret);
                    self.secrets.add(&secret);
                }
            }
        }
        Ok(out)
    }
}

/// Replaces the references of a text.
pub(crate) fn resolve_text(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    Resolver::new(env, None).text(text).map_err(Unresolved::reason)
}

/// What references stood for, which must not be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, secret: &str) {
        // What is shorter is no secret, and would make words unreadable.
        let is_new = !self.0.iter().any(|known| known == secret);
        if is_new && secret.len() >= SECRET_BYTES_MIN {
            self.0.push(secret.to_owned());
        }
    }

    /// These, for tests.
    #[cfg(test)]
    pub(crate) fn of(secrets: &[&str]) -> Self {
        Self(secrets.iter().map(|secret| (*secret).to_owned()).collect())
    }

    /// These too.
    pub(crate) fn extend(&mut self, more: &Self) {
        more.0.iter().for_each(|secret| self.add(secret));
    }

    /// `text` with no secret in it.
    pub(crate) fn hide(&self, text: String) -> String {
        let mut longest_first: Vec<&String> = self.0.iter().collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        longest_first.into_iter().fold(text, |text, secret| text.replace(secret.as_str(), MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reach::{AllowedPaths, Pattern};
    use super::*;

    #[test]
    fn references_are_resolved_from_environment_files_and_folders() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "s3cr3t\n").unwrap();
        let env = |name: &str| (name == "HOME_DIR").then(|| "/home".to_owned());
        let (file, dir) = (secret.display(), folder.path().display());
        let text = format!("${{env:HOME_DIR}}/x-${{file:{file}}}-${{dir:{dir}:secret}}-$y");
        assert_eq!(resolve_text(&text, &env).unwrap(), "/home/x-s3cr3t-s3cr3t-$y");
        assert_eq!(resolve_text("${env:NO}", &env).unwrap_err(), "the variable `NO` is not set");
        for wrong in ["${dir:x}", "${dir:/x:../y}", "${env:", "${env:}", "${vault:a:b}"] {
            assert!(resolve_text(wrong, &env).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_that_would_never_end_is_refused_and_one_that_is_not_there_may_come() {
        let none = |_: &str| None;
        let read = |text: &str| Resolver::new(&none, None).text(text);
        assert!(matches!(read("${file:/dev/zero}"), Err(Unresolved::Wrong(_))));
        assert!(matches!(read("${file:/no/such}"), Err(Unresolved::Missing(_))));
        let folder = tempfile::tempdir().unwrap();
        let large = folder.path().join("large");
        std::fs::write(&large, vec![b'x'; FILE_BYTES_MAX as usize + 1]).unwrap();
        let large = read(&format!("${{file:{}}}", large.display()));
        assert!(matches!(large, Err(Unresolved::Wrong(_))));
    }

    #[test]
    fn what_a_request_may_not_name_is_not_read_and_a_link_leads_nobody_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mounted, other) = (folder.path().join("mounted"), folder.path().join("other"));
        std::fs::create_dir(&mounted).unwrap();
        std::fs::write(mounted.join("password"), "right\n").unwrap();
        std::fs::write(&other, "wrong\n").unwrap();
        std::os::unix::fs::symlink(&other, mounted.join("link")).unwrap();
        let allowed = Allowed {
            files: AllowedPaths::new(vec![mounted.clone()]).unwrap(),
            env: Some(Pattern::new("CONNECTION_.*").unwrap()),
            ..Allowed::default()
        };
        let env = |name: &str| Some(format!("value-of-{name}"));
        let read = |text: String| Resolver::new(&env, Some(&allowed)).text(&text);
        let (mounted, other) = (mounted.display(), other.display());
        assert_eq!(read(format!("${{dir:{mounted}:password}}")), Ok("right".to_owned()));
        assert_eq!(read("${env:CONNECTION_A}".to_owned()), Ok("value-of-CONNECTION_A".to_owned()));
        for refused in [
            format!("${{file:{other}}}"),
            format!("${{file:{mounted}/link}}"),
            format!("${{file:{mounted}/../other}}"),
            format!("${{dir:{mounted}/..:other}}"),
            "${env:AWS_SECRET_ACCESS_KEY}".to_owned(),
        ] {
            let Err(Unresolved::Wrong(why)) = read(refused.clone()) else { panic!("{refused}") };
            assert!(why.contains("from a request may not refer to"), "{why}");
        }
    }

    #[test]
    fn a_value_below_another_is_resolved_too_and_what_it_stood_for_can_be_hidden() {
        let env = |name: &str| Some(format!("value-of-{name}"));
        let mut resolver = Resolver::new(&env, None);
        let value = serde_json::json!({ "a": [{ "b": "${env:X}" }], "c": "${env:X}-${env:XY}" });
        let resolved = resolver.value(&value).unwrap();
        assert_eq!(resolved["a"][0]["b"], "value-of-X");
        let shown = resolver.secrets.hide(resolved.to_string());
        assert!(!shown.contains("value-of"), "{shown}");
        let mut secrets = Secrets::default();
        ["long", "longer", "a", ""].iter().for_each(|secret| secrets.add(secret));
        assert_eq!(secrets.hide("a longer one".to_owned()), format!("a {MASK} one"));
    }
}
