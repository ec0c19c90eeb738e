//! Appends to a log: a batch may unpack to 256 MiB.

#![no_main]

longshore_broker_fuzz::target!(batches, 1024);
