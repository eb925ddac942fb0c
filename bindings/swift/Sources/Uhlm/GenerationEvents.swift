/// The events of a reply, as an asynchronous sequence.
///
/// The sequence is cold: each loop over it starts a generation of its own with its first element, and errors of the
/// kinds ``ErrorKind/busy`` and ``ErrorKind/sessionClosed`` are thrown there. The loop pulls: while its body works, the
/// device drafts a bounded number of tokens ahead and then pauses, so that no event is dropped and none piles up.
///
/// Both models stop within one decode step in each of these cases:
/// - The task that loops is cancelled. The loop then still gets the events on their way, and ends with
///   ``GenerationEvent/finished(finish:text:reasoning:statistics:)``, whose reason is ``FinishReason/cancelled`` and
///   whose text is all that was committed: cancelling is an event, not an error. In a task that was cancelled before
///   its first element nothing is started, and the sequence is empty.
/// - The loop is left by `break`, `return` or an error.
/// - The session is shut down.
///
/// The next generation may be started right after. It begins when the cancelled one has ended.
///
/// An error is thrown once, as the last element. Text that was committed before it stands in the conversation.
public struct GenerationEvents: AsyncSequence, Sendable {
    /// The type of the sequence's elements.
    public typealias Element = GenerationEvent

    private let start: GenerationRun.Start

    init(start: @escaping GenerationRun.Start) {
        self.start = start
    }

    /// Makes an iterator, which starts the generation with its first call of ``Iterator/next()``.
    public func makeAsyncIterator() -> Iterator {
        Iterator(run: GenerationRun(start: start))
    }

    /// Pulls the events of one generation. Letting go of the last copy of it cancels the generation.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let run: GenerationRun

        /// Waits for the next event and returns it, or nil after the end.
        ///
        /// - Throws: ``UhlmError``, once, as the last element.
        public mutating func next() async throws -> GenerationEvent? {
            try await run.next()
        }
    }
}
