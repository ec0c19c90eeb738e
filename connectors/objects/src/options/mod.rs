//! The options of source and sink, read once, and their schemas.

mod sink;
mod source;

pub use sink::{SinkFormat, SinkOptions};
pub use source::SourceOptions;

use longshore_sdk::{Config, ConfigError};

/// The first of several things that are wrong, where only one can be told.
pub(crate) fn first(errors: Vec<ConfigError>) -> ConfigError {
    errors.into_iter().next().expect("options that are refused have an error")
}

fn keep<T>(result: Result<T, ConfigError>, errors: &mut Vec<ConfigError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn required<'a>(config: &'a Config, name: &str) -> Result<&'a str, ConfigError> {
    match config.required(name)?.trim() {
        "" => Err(ConfigError::at(name, "is empty")),
        value => Ok(value),
    }
}

fn bounded<T>(config: &Config, name: &str, default: T, min: T, max: T) -> Result<T, ConfigError>
where
    T: std::str::FromStr<Err: std::fmt::Display> + PartialOrd + std::fmt::Display,
{
    let value = config.parsed(name, default)?;
    if value < min || value > max {
        let message = format!("`{value}` is not between {min} and {max}");
        return Err(ConfigError::at(name, message));
    }
    Ok(value)
}

/// The one path that a glob without wildcards stands for.
pub(crate) fn literal(glob: &str) -> Option<String> {
    let mut path = String::new();
    let mut characters = glob.chars();
    while let Some(c) = characters.next() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' => return None,
            '\\' => path.push(characters.next()?),
            c => path.push(c),
        }
    }
    Some(path)
}

#[cfg(test)]
fn config(options: &[(&str, &str)]) -> Config {
    options.iter().copied().collect()
}

#[cfg(test)]
fn wrong<T>(result: Result<T, Vec<ConfigError>>) -> Vec<String> {
    result.err().unwrap_or_default().into_iter().map(|error| error.path).collect()
}
