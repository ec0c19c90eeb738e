//! Records of the internal topics.

#![no_main]

longshore_broker_fuzz::target!(records, 64);
