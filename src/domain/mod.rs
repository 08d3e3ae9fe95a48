//! Values and rules, pure: no input or output, no clock, no chance, nothing of the other layers.

pub mod audit;
pub mod cursor;
pub mod document;
pub mod key_text;
pub mod password;
pub mod profile;
pub mod result;
pub mod widget;
pub mod window;
