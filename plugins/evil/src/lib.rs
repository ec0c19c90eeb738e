//! Hostile guests, for the sandbox tests.
//!
//! One plugin a role; the option `evil` says what it does wrong, and in which
//! call (`evil.in`). Without it they behave: then they are the neighbour that
//! must go on unharmed, and the yardstick of what crossing costs.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`deed`] | what is done wrong |
//! | [`source`], [`sink`], [`processor`] | a plugin of each role |
//! | [`values`] | a processor in the form `values` |

pub mod deed;
pub mod processor;
pub mod sink;
pub mod source;
pub mod values;
