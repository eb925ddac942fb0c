//! What the fixtures keep secret. Each has a word in it that nothing prints by itself: `cargo xtask test` searches the
//! output of all suites for these words.

/// Bearer token of a server.
pub const TOKEN: &str = "t0ken-quillfeather-5521";
/// Bearer token that no server knows.
pub const WRONG_TOKEN: &str = "t0ken-of-nobody-quillfeather-8842";
/// Key of a service behind a gateway.
pub const KEY: &str = "sk-quillfeather-0123456789";
/// Word of a person's text, which no model writes by itself.
pub const TYPED: &str = "zyxquorlem";
