//! The way from token bytes to text that never has to be taken back: characters are never split, and text that may turn
//! out to be a stop sequence is not shown.

use uhlm_law::text::complete;

/// A stream that collects the bytes of committed tokens and releases text.
#[derive(Debug)]
pub(crate) struct TextStream {
    stops: Vec<String>,
    /// Bytes that are not released: an incomplete character, or the beginning of what may become a stop sequence.
    held: Vec<u8>,
    /// Text released so far.
    released: String,
    /// Whether a stop sequence came.
    stopped: bool,
}

impl TextStream {
    pub(crate) fn new(stops: &[String]) -> Self {
        Self {
            stops: stops.iter().filter(|s| !s.is_empty()).cloned().collect(),
            held: Vec::new(),
            released: String::new(),
            stopped: false,
        }
    }

    /// Adds a token's bytes and returns the text that is certain now. Text after a stop sequence is dropped, the
    /// sequence itself too.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.held.extend_from_slice(bytes);
        let (text, end) = complete(&self.held);
        if let Some(at) = self.stops.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            self.stopped = true;
            self.held.clear();
            return self.release(text[..at].to_owned());
        }
        let keep = self.possible_stop(&text);
        let certain = text.len() - keep;
        if keep > 0 {
            // Where bytes were replaced, text and bytes differ in length; the held part is then rebuilt from the text.
            let rest = self.held.split_off(end);
            self.held = [&text.as_bytes()[certain..], &rest[..]].concat();
        } else {
            self.held.drain(..end);
        }
        self.release(text[..certain].to_owned())
    }

    /// Returns the length in bytes of the longest end of `text` that begins a stop sequence.
    fn possible_stop(&self, text: &str) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        (1..longest.min(text.len() + 1))
            .rev()
            .find(|&n| {
                text.is_char_boundary(text.len() - n)
                    && self.stops.iter().any(|stop| stop.as_bytes().starts_with(&text.as_bytes()[text.len() - n..]))
            })
            .unwrap_or(0)
    }

    fn release(&mut self, text: String) -> String {
        self.released.push_str(&text);
        text
    }

    /// Returns the text that would follow what was released if `bytes` came next, which a provisional token shows.
    pub(crate) fn preview(&self, bytes: &[u8]) -> String {
        // The released text is long, and says nothing about the text that follows.
        let (stops, held, stopped) = (self.stops.clone(), self.held.clone(), self.stopped);
        let mut ahead = Self { stops, held, released: String::new(), stopped };
        let mut text = ahead.push(bytes);
        // A preview may be taken back, so it may show text that could become a stop sequence.
        text.push_str(&complete(&ahead.held).0);
        text
    }

    /// Tells whether some text waits for what follows.
    pub(crate) fn holds_back(&self) -> bool {
        !self.held.is_empty()
    }

    /// Tells whether there are stop sequences.
    pub(crate) fn has_stops(&self) -> bool {
        !self.stops.is_empty()
    }

    /// Tells whether a stop sequence came.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Tells whether a stop sequence would come with `bytes`.
    pub(crate) fn would_stop(&self, bytes: &[u8]) -> bool {
        if self.stops.is_empty() {
            return false;
        }
        let text = String::from_utf8_lossy(&[&self.held[..], bytes].concat()).into_owned();
        self.stops.iter().any(|stop| text.contains(stop.as_str()))
    }

    /// Ends the stream and releases the text that was held back. A character that the end has cut is no text: whoever
    /// sets a limit to a reply does not ask for U+FFFD.
    pub(crate) fn finish(&mut self) -> String {
        let (text, _) = complete(&std::mem::take(&mut self.held));
        self.release(text)
    }

    /// Returns the text released so far.
    pub(crate) fn released(&self) -> &str {
        &self.released
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_never_split_whatever_the_token_boundaries() {
        let text = "a\u{e9}\u{4e2d}\u{1f600}b";
        let bytes = text.as_bytes();
        for size in 1..5 {
            let mut stream = TextStream::new(&[]);
            let mut out: String = bytes.chunks(size).map(|chunk| stream.push(chunk)).collect();
            out.push_str(&stream.finish());
            assert_eq!(out, text);
            assert!(!out.contains('\u{fffd}'));
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_and_do_not_hold_up_what_follows() {
        let mut stream = TextStream::new(&[]);
        assert_eq!(stream.push(&[b'a', 0xff]), "a\u{fffd}");
        assert_eq!(stream.push(&[0xe4]), "");
        assert_eq!(stream.push(b"x"), "\u{fffd}x");
    }

    #[test]
    fn a_character_that_the_end_has_cut_is_left_out() {
        for (bytes, text) in
            [(&b"caf\xc3"[..], "caf"), (b"\xf0\x9f\x98", ""), (b"x\xe4\xb8", "x"), (b"x\xff", "x\u{fffd}")]
        {
            let mut stream = TextStream::new(&[]);
            let out = stream.push(bytes) + &stream.finish();
            assert_eq!((out.as_str(), stream.released()), (text, text));
        }
        // Text that could have become a stop sequence is text all the same.
        let mut stream = TextStream::new(&["ST\u{e9}P".into()]);
        assert_eq!(stream.push(b"one ST\xc3"), "one ");
        assert_eq!(stream.finish(), "ST");
    }

    #[test]
    fn a_stop_sequence_across_tokens_is_never_shown() {
        let mut stream = TextStream::new(&["STOP".into(), "\n\n".into()]);
        assert_eq!(stream.push(b"one S"), "one ");
        assert_eq!(stream.push(b"T"), "");
        assert_eq!(stream.push(b"A"), "STA");
        assert_eq!(stream.push(b"x STO"), "x ");
        assert!(stream.would_stop(b"P"));
        assert_eq!(stream.push(b"P and more"), "");
        assert!(stream.is_stopped());
        assert_eq!(stream.finish(), "");
        assert_eq!(stream.released(), "one STAx ");
    }

    #[test]
    fn what_was_held_back_comes_at_the_end() {
        let mut stream = TextStream::new(&["STOP".into()]);
        assert_eq!(stream.push(b"abcST"), "abc");
        assert_eq!(stream.preview(b"O"), "STO");
        assert_eq!(stream.finish(), "ST");
    }

    #[test]
    fn whatever_the_boundaries_and_the_damage_are_the_text_is_that_of_all_bytes_up_to_the_stop_sequence() {
        use uhlm_law::rng::{Rng, Stream};
        // Whole characters, their parts, bytes that are in no text, and what a stop sequence is made of.
        let pieces: [&[u8]; 11] = [
            b"a",
            b"ab",
            b"b",
            b"\n",
            b"\xc3\xa9",
            b"\xc3",
            b"\xa9",
            b"\xff",
            b"\xe4\xb8\xad",
            b"\xe4\xb8",
            b"\xf0\x9f",
        ];
        let stops = ["ab", "aab", "b\u{e9}", "\u{4e2d}a", "\n\n", "\u{fffd}b"];
        let mut rng = Rng::new(1, Stream::Simulation);
        let mut below = |sides: usize| (rng.next_u64() % sides as u64) as usize;
        for case in 0..20_000 {
            let bytes: Vec<u8> = (0..below(12)).flat_map(|_| pieces[below(pieces.len())].to_vec()).collect();
            let stop = [stops[below(stops.len())].to_owned()];
            let stop = if below(3) > 0 { &stop[..] } else { &[] };
            let (whole, _) = complete(&bytes);
            let end = stop.iter().find_map(|stop| whole.find(stop.as_str()));
            let mut stream = TextStream::new(stop);
            let (mut out, mut rest) = (String::new(), &bytes[..]);
            while !rest.is_empty() {
                let (token, after) = rest.split_at(1 + below(rest.len().min(4)));
                rest = after;
                let shown = stream.preview(token);
                assert!(out.len() + shown.len() <= whole.len() + 3, "case {case}: a preview of more than there is");
                out.push_str(&stream.push(token));
                assert!(whole.starts_with(&out), "case {case}: {out:?} of {whole:?}");
            }
            out.push_str(&stream.finish());
            assert_eq!(out, whole[..end.unwrap_or(whole.len())], "case {case}: {bytes:?} {stop:?}");
            assert_eq!((stream.is_stopped(), stream.released()), (end.is_some(), out.as_str()), "case {case}");
        }
    }
}
