//! The versions of plugins in a fleet: uploaded, listed, rolled back, removed.

use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::CliError;
use super::output::{OutputArgs, columns, print};
use super::rest::{Condition, Rest};
use crate::host::limits::COMPONENT_BYTES_MAX;
use crate::worker::resources::UploadedPlugin;

pub(super) async fn upload(
    rest: &Rest,
    file: &Path,
    activate: bool,
    output: OutputArgs,
) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("cannot read {}: {error}", file.display()))
    };
    let bytes = std::fs::metadata(file).map_err(failed)?.len();
    if bytes > COMPONENT_BYTES_MAX {
        return Err(CliError::failed(format!(
            "{} has {bytes} bytes; a plugin has at most {COMPONENT_BYTES_MAX}",
            file.display()
        )));
    }
    let component = std::fs::read(file).map_err(failed)?;
    let digest = Sha256::digest(&component);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = format!("/plugins?sha256={digest}&activate={activate}");
    let plugin = plugin(rest.post_component(&path, component).await?)?;
    output.print(&plugin, |plugin| table(std::slice::from_ref(plugin)))
}

pub(super) async fn list(
    rest: &Rest,
    name: Option<&str>,
    output: OutputArgs,
) -> Result<(), CliError> {
    let all: Vec<UploadedPlugin> = match name {
        None => rest.get("/plugins").await?,
        Some(name) => vec![rest.get(&path(name)).await?],
    };
    output.print(&all, |all| table(all))
}

pub(super) async fn rollback(rest: &Rest, name: &str, to: Option<String>) -> Result<(), CliError> {
    let plugin: UploadedPlugin = rest.get(&path(name)).await?;
    let to = match to {
        Some(to) => to,
        None => before(&plugin)?.to_owned(),
    };
    rest.change(&format!("{}/active", path(name)), &json!({ "version": to }), Condition::None)
        .await?;
    print(&format!("{name} {to} is active"))
}

/// The version that was uploaded before the active one.
fn before(plugin: &UploadedPlugin) -> Result<&str, CliError> {
    let active = plugin.versions.iter().find(|it| plugin.active.as_ref() == Some(&it.version));
    let Some(active) = active else {
        return Err(CliError::failed(format!(
            "no uploaded version of `{}` is active: name one with --to",
            plugin.name
        )));
    };
    // The last upload is first.
    let before = plugin.versions.iter().find(|it| it.upload < active.upload);
    before.map(|it| it.version.as_str()).ok_or_else(|| {
        CliError::failed(format!(
            "there is no version of `{}` before {}; see `longshore plugin versions`",
            plugin.name, active.version
        ))
    })
}

pub(super) async fn remove(rest: &Rest, name: &str, version: &str) -> Result<(), CliError> {
    rest.delete(&format!("{}/versions/{}", path(name), Rest::segment(version))).await?;
    print(&format!("deleted {name} {version}"))
}

fn path(name: &str) -> String {
    format!("/plugins/{}", Rest::segment(name))
}

fn plugin(answer: serde_json::Value) -> Result<UploadedPlugin, CliError> {
    serde_json::from_value(answer)
        .map_err(|error| CliError::failed(format!("the worker's answer: {error}")))
}

fn table(all: &[UploadedPlugin]) -> String {
    let head = ["NAME", "VERSION", "ACTIVE", "BYTES", "SHA-256", "USED BY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for plugin in all {
        for version in &plugin.versions {
            let is_active = plugin.active.as_ref() == Some(&version.version);
            let users = version.used_by.join(",");
            rows.push(vec![
                plugin.name.clone(),
                version.version.clone(),
                if is_active { "yes" } else { "-" }.to_owned(),
                version.bytes.to_string(),
                version.sha256.chars().take(12).collect(),
                if users.is_empty() { "-".to_owned() } else { users },
            ]);
        }
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::herder::ConnectorKind;
    use crate::worker::resources::PluginVersion;

    #[test]
    fn a_rollback_goes_to_the_upload_before_the_active_one() {
        let version = |version: &str, upload| PluginVersion {
            version: version.to_owned(),
            kind: ConnectorKind::Sink,
            sha256: String::new(),
            bytes: 0,
            upload,
            used_by: Vec::new(),
        };
        let plugin = |active: &str| UploadedPlugin {
            name: "p".to_owned(),
            active: Some(active.to_owned()).filter(|it| !it.is_empty()),
            versions: vec![version("0.9", 5), version("2", 4), version("1", 1)],
        };
        assert_eq!(before(&plugin("0.9")).unwrap(), "2");
        assert_eq!(before(&plugin("2")).unwrap(), "1");
        assert!(before(&plugin("1")).is_err() && before(&plugin("")).is_err());
    }
}
