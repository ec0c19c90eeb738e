//! What the fuzz targets drive: the records of `__transaction_state`.

use super::records;

/// Reads a record; what can be read is written and read again.
pub(crate) fn read_record(key: &[u8], value: &[u8]) {
    if let Ok(id) = records::decode_key(key) {
        assert_eq!(records::decode_key(&records::encode_key(&id)), Ok(id));
    }
    if let Ok(metadata) = records::decode_value(value) {
        assert_eq!(records::decode_value(&records::encode_value(&metadata)), Ok(metadata));
    }
}
