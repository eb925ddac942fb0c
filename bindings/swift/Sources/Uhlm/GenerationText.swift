/// The committed text of a generation, piece by piece, as an asynchronous sequence.
///
/// It only ever grows: no piece is taken back, provisional tokens never appear in it, no character is cut in two, and no
/// piece is empty. The pieces together are the text of ``GenerationEvent/finished(finish:text:statistics:)``. It starts,
/// pulls, cancels and throws as ``GenerationEvents`` does; when its task is cancelled it simply ends.
public struct GenerationText: AsyncSequence, Sendable {
    /// What the sequence consists of.
    public typealias Element = String

    private let events: GenerationEvents

    init(events: GenerationEvents) {
        self.events = events
    }

    /// An iterator that starts the generation with its first call of ``Iterator/next()``.
    public func makeAsyncIterator() -> Iterator {
        Iterator(events: events.makeAsyncIterator())
    }

    /// Pulls the text of one generation. Letting go of the last copy of it cancels the generation.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        var events: GenerationEvents.Iterator

        /// The next piece of text; nil after the end.
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
