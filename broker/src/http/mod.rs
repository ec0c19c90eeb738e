//! HTTP served within bounds that hold before anybody has proved who he is: this
//! process's metrics, and whatever else of it speaks HTTP.

mod places;
mod serve;

pub use places::{Place, Places};
pub use serve::{Bounds, serve};
