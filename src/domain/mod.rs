//! Values and rules, pure: no input or output, no clock, no chance, nothing of the other layers.

pub mod access;
pub mod audit;
pub mod code;
pub mod condition;
pub mod credits;
pub mod cursor;
pub mod dashboard;
pub mod document;
pub mod entropy;
pub mod error;
pub mod id;
pub mod key;
pub mod key_text;
pub mod login;
pub mod operation;
pub mod org;
pub mod page;
pub mod password;
pub mod plan;
pub mod profile;
pub mod report;
pub mod result;
pub mod source;
pub mod time;
pub mod widget;
pub mod window;
