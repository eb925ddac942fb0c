/// The committed text of a reply, piece by piece, as an asynchronous sequence.
///
/// The text only ever grows: no piece is taken back, provisional tokens never appear in it, no character is cut in two,
/// and no piece is empty. The pieces together are the text of
/// ``GenerationEvent/finished(finish:text:reasoning:statistics:)``.
/// The sequence starts, pulls, cancels and throws as ``GenerationEvents`` does; when its task is cancelled it simply
/// ends.
public struct GenerationText: AsyncSequence, Sendable {
    /// The type of the sequence's elements.
    public typealias Element = String

    private let events: GenerationEvents

    init(events: GenerationEvents) {
        self.events = events
    }

    /// Makes an iterator, which starts the generation with its first call of ``Iterator/next()``.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: events.makeAsyncIterator())
    }

    /// Pulls the text of one generation. Letting go of the last copy of it cancels the generation.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        var events: GenerationEvents.Iterator

        /// Waits for the next piece of text and returns it, or nil after the end.
        ///
        /// - Throws: ``UhlmError``, once, as the last element.
        public mutating func next() async throws -> String? {
            while let event = try await events.next() {
                if case .committed(let token, _) = event, !token.text.isEmpty {
                    return token.text
                }
            }
            return nil
        }
    }
}
