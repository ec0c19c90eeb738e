//! The linear memories of the plugins that a process runs, found among its mappings.
//!
//! Nothing outside of the host can ask an instance for its memory. But Wasmtime reserves
//! four gibibytes of addresses for each, of which the beginning may be read and written:
//! nothing else in the process is followed by so much that may not be touched. A test that
//! looks for what must not be there looks also for what must be there, and fails should the
//! memories be laid out otherwise one day.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What follows a linear memory is at least so long, in bytes.
const RESERVED_BYTES_MIN: u64 = 1 << 31;

/// Read so much at a time, in bytes.
const CHUNK: usize = 1 << 20;

/// A linear memory: its addresses in the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestMemory {
    begin: u64,
    end: u64,
}

/// A line of `/proc/PID/maps`.
struct Mapping {
    begin: u64,
    end: u64,
    is_writable: bool,
    is_reserved: bool,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let (range, rest) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        Some(Self {
            begin: address(begin)?,
            end: address(end)?,
            is_writable: rest.starts_with("rw-p"),
            is_reserved: rest.starts_with("---p"),
        })
    }
}

/// The linear memories of all instances in the process with this id.
///
/// # Panics
/// When its mappings cannot be read.
pub fn of(process: u32) -> Vec<GuestMemory> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("it runs");
    in_maps(&maps)
}

/// A memory is what may be written, in pieces that touch, right before what is reserved.
fn in_maps(maps: &str) -> Vec<GuestMemory> {
    let mut found = Vec::new();
    let mut written: Option<GuestMemory> = None;
    for mapping in maps.lines().filter_map(Mapping::parse) {
        let before = written.take().filter(|it| it.end == mapping.begin);
        if mapping.is_writable {
            let begin = before.map_or(mapping.begin, |it| it.begin);
            written = Some(GuestMemory { begin, end: mapping.end });
        } else if mapping.is_reserved && mapping.end - mapping.begin >= RESERVED_BYTES_MIN {
            found.extend(before);
        }
    }
    found
}

impl GuestMemory {
    /// Whether the bytes are anywhere in it.
    ///
    /// # Errors
    /// When the memory is gone: its instance has ended.
    ///
    /// # Panics
    /// When this process may not look into that one.
    pub fn contains(&self, process: u32, text: &[u8]) -> io::Result<bool> {
        let memory =
            File::open(format!("/proc/{process}/mem")).expect("a child can be looked into");
        let mut chunk = vec![0; CHUNK + text.len()];
        let mut at = self.begin;
        while at < self.end {
            // The next begins before this one ends, or a text on the border was missed.
            let length = (self.end - at).min(chunk.len() as u64) as usize;
            memory.read_exact_at(&mut chunk[..length], at)?;
            if chunk[..length].windows(text.len()).any(|it| it == text) {
                return Ok(true);
            }
            at += CHUNK as u64;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_written_before_gibibytes_of_nothing_is_a_memory() {
        let maps = "\
            1000-2000 ---p 00000000 00:00 0\n\
            2000-4000 rw-p 00000000 00:00 0\n\
            4000-5000 rw-p 00000000 00:01 7 /memfd:image (deleted)\n\
            5000-100005000 ---p 00000000 00:00 0\n\
            200000000-200001000 rw-p 00000000 00:00 0\n\
            200001000-200002000 ---p 00000000 00:00 0\n\
            200003000-200004000 rw-p 00000000 00:00 0 [heap]\n\
            300000000-400000000 ---p 00000000 00:00 0\n";
        assert_eq!(in_maps(maps), [GuestMemory { begin: 0x2000, end: 0x5000 }]);
    }
}
