//! Object stores: the local-files kind.
