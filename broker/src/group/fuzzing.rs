//! What the fuzz targets drive: the records of `__consumer_offsets`.

use super::{
    consumer,
    records::{self, Key},
};

/// Reads a record; what can be read is written and read again.
pub(crate) fn read_record(key: &[u8], value: &[u8]) {
    let Ok(key) = records::decode_key(key) else { return };
    assert_eq!(records::decode_key(&records::encode_key(&key)).as_ref(), Ok(&key));
    match &key {
        Key::Offset { .. } => {
            let Ok(offset) = records::decode_offset(value) else { return };
            assert_eq!(records::decode_offset(&records::encode_offset(&offset)), Ok(offset));
        }
        Key::Group { .. } => {
            let Ok(group) = records::decode_group(value) else { return };
            assert_eq!(records::decode_group(&records::encode_group(&group)), Ok(group));
        }
        Key::Consumer { key, .. } => {
            let Ok(record) = consumer::decode_record(key, value) else { return };
            let written = consumer::encode_record(&record);
            assert_eq!(consumer::decode_record(key, &written), Ok(record));
        }
    }
}
