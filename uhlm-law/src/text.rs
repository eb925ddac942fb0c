//! The way from the bytes of tokens to text.
//!
//! Decides where the last whole character ends: a token may end in the middle of one, and so may a reply that is cut.

/// Length of the longest incomplete UTF-8 character, in bytes.
const MAX_PARTIAL: usize = 3;

/// Splits `bytes` into the text up to the last complete character and the place where the bytes of an incomplete one
/// begin, which is the end if there is none. Bytes that can never become text are replaced by U+FFFD, one for each
/// maximal invalid part, as `String::from_utf8_lossy` does.
#[must_use]
pub fn complete(bytes: &[u8]) -> (String, usize) {
    let tail = (1..=MAX_PARTIAL.min(bytes.len())).find(|&n| {
        let lead = bytes[bytes.len() - n];
        let needed = match lead {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return false,
        };
        // A lead byte whose continuation is still to come, and nothing wrong with what is there.
        n < needed
            && matches!(std::str::from_utf8(&bytes[bytes.len() - n..]), Err(error) if error.error_len().is_none())
    });
    let end = bytes.len() - tail.unwrap_or(0);
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_character_at_the_end_is_no_text_and_damage_is_shown() {
        let text = "a\u{e9}\u{4e2d}\u{1f600}";
        for (end, _) in text.as_bytes().iter().enumerate() {
            let (found, rest) = complete(&text.as_bytes()[..end]);
            assert!(text.starts_with(&found) && found.len() == rest && end - rest < 4, "{found}");
        }
        assert_eq!(complete(text.as_bytes()), (text.to_owned(), text.len()));
        assert_eq!(complete(&[b'a', 0xff, 0xe4]), ("a\u{fffd}".to_owned(), 2));
        assert_eq!(complete(&[0xe4, b'x']), ("\u{fffd}x".to_owned(), 2));
    }
}
