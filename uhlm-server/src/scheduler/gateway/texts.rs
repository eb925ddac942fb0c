//! The texts by which tokenizers are tried.

/// Texts whose ids are compared: words, numbers, white space, scripts, what looks like code, and characters of four
/// bytes. No names of control tokens, which some engines read as such wherever they stand, and no characters that a
/// normalisation would change, which some tokenizers make and others leave out.
pub(super) const TEXTS: [&str; 7] = [
    "The quick brown fox jumps over the lazy dog, and then it sleeps for a while.",
    " leading space, trailing space ",
    "12345 3.14159 0x7f 1,000,000",
    "Grüße aus München, é à ñ ø ß",
    "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c} \u{3053}\u{3093}\u{306b}\u{3061}\u{306f} \u{441}\u{43b}\u{43e}\u{432}",
    "fn main() {\n    println!(\"{}\", a + b);\n}\n\n\tif x != y { return; }",
    "\u{1f43a}\u{1f1e9}\u{1f1ea} \u{2026} \u{2713}",
];
