//! A partition's folder, opened and read: a batch may unpack to 256 MiB.

#![no_main]

longshore_broker_fuzz::target!(folders, 1024);
