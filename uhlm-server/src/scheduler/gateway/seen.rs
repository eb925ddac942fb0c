//! What is to be seen of whoever is asked, an engine or a chat service.

/// What can be seen of somebody who is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Base of the URLs.
    pub(crate) url: String,
    pub(crate) is_up: bool,
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) under_way: usize,
}
