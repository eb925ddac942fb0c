//! The commands, one file or folder each.

pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod capacity;
pub(crate) mod chaos;
pub(crate) mod chat;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod info;
pub(crate) mod loadtest;
pub(crate) mod models;
pub(crate) mod serve;
pub(crate) mod soak;
