//! Kafka's text checkpoints: a version, a count, and a line for each entry.
//! `DESIGN.md`, section 5.

use std::io;
use std::path::Path;

use super::files;
use super::limits::CHECKPOINT_BYTES_MAX;

/// Reads a file of lines with `N` numbers, after their topic if `named`.
///
/// # Errors
/// I/O errors; `InvalidData` with the line when the file is malformed. A file
/// that is not there reads as `None`.
fn read<const N: usize>(path: &Path, skip_fields: usize) -> io::Result<Option<Vec<[i64; N]>>> {
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) if metadata.len() > CHECKPOINT_BYTES_MAX => {
            return Err(malformed(path, "it is too large"));
        }
        Ok(_) => std::fs::read_to_string(path)?,
    };
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(malformed(path, "its version is not 0"));
    }
    let count: Option<usize> = lines.next().and_then(|line| line.parse().ok());
    let entries = lines
        .map(|line| {
            let mut words = line.split_ascii_whitespace().skip(skip_fields);
            let mut entry = [0; N];
            for number in &mut entry {
                *number = words.next()?.parse().ok()?;
            }
            words.next().is_none().then_some(entry)
        })
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| malformed(path, "an entry is no number"))?;
    if count != Some(entries.len()) {
        return Err(malformed(path, "its count and its entries differ"));
    }
    Ok(Some(entries))
}

fn malformed(path: &Path, reason: &str) -> io::Error {
    let message = format!("{} cannot be read: {reason}", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Reads the one offset of a partition's own checkpoint.
pub(crate) fn read_offset(path: &Path) -> io::Result<Option<i64>> {
    Ok(read::<2>(path, 1)?.and_then(|entries| entries.last().map(|[_, offset]| *offset)))
}

/// Writes the one offset of a partition's own checkpoint.
pub(crate) fn write_offset(
    path: &Path,
    topic: &str,
    partition: i32,
    offset: i64,
) -> io::Result<()> {
    files::replace(path, format!("0\n1\n{topic} {partition} {offset}\n").as_bytes())
}

/// Reads pairs of leader epoch and start offset.
pub(crate) fn read_epochs(path: &Path) -> io::Result<Option<Vec<[i64; 2]>>> {
    read::<2>(path, 0)
}

/// Writes pairs of leader epoch and start offset.
pub(crate) fn write_epochs(path: &Path, epochs: &[(i32, i64)]) -> io::Result<()> {
    use std::fmt::Write;
    let mut text = format!("0\n{}\n", epochs.len());
    for (epoch, start) in epochs {
        writeln!(text, "{epoch} {start}").expect("writing to a string does not fail");
    }
    files::replace(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_and_epochs_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        assert_eq!(read_offset(&path).unwrap(), None);
        write_offset(&path, "a topic's name has no spaces".split(' ').next().unwrap(), 3, 4711)
            .unwrap();
        assert_eq!(read_offset(&path).unwrap(), Some(4711));
        write_epochs(&path, &[(0, 0), (5, 1200)]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\n0 0\n5 1200\n");
        assert_eq!(read_epochs(&path).unwrap(), Some(vec![[0, 0], [5, 1200]]));
    }

    #[test]
    fn a_malformed_checkpoint_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c");
        for text in ["", "1\n0\n", "0\n2\nt 0 1\n", "0\n1\nt 0 x\n", "0\n1\nt 0 1 2\n"] {
            std::fs::write(&path, text).unwrap();
            let error = read_offset(&path).unwrap_err();
            assert!(error.to_string().contains("c cannot be read"), "{text:?}: {error}");
        }
    }
}
