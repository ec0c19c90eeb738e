//! A connection's bytes, answered by a broker.

#![no_main]

longshore_broker_fuzz::target!(handlers, 1024);
