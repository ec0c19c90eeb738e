//! The controller's journal and snapshot.

#![no_main]

longshore_broker_fuzz::target!(journals, 64);
