/// The events of a generation, as an asynchronous sequence.
///
/// It is cold: each loop over it starts a generation of its own with its first element, and `Busy` or `SessionClosed` are
/// thrown there. It pulls: while the loop's body works, the device drafts a bounded number of tokens ahead and then pauses;
/// no event is dropped and none piles up.
///
/// Both models stop, within one decode step, when
/// - the task that loops is cancelled. The loop then still gets the events on their way, and ends with
///   ``GenerationEvent/finished(finish:text:statistics:)``, whose reason is ``FinishReason/cancelled`` and whose text is all
///   that was committed: cancelling is an event, not an error. In a task that was cancelled before its first element,
///   nothing is started and the sequence is empty;
/// - the loop is left by `break`, `return` or an error;
/// - the session is shut down.
///
/// The next generation may be started right after; it begins when the cancelled one has ended.
///
/// An error is thrown once, as the last element. Text that was committed before it stands in the conversation.
public struct GenerationEvents: AsyncSequence, Sendable {
    /// What the sequence consists of.
    public typealias Element = GenerationEvent

    private let start: GenerationRun.Start

    init(start: @escaping GenerationRun.Start) {
        self.start = start
    }

    /// An iterator that starts the generation with its first call of ``Iterator/next()``.
    public func makeAsyncIterator() -> Iterator {
        Iterator(run: GenerationRun(start: start))
    }

    /// Pulls the events of one generation. Letting go of the last copy of it cancels the generation.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let run: GenerationRun

        /// The next event; nil after the end.
        ///
        /// - Throws: ``UhlmError``, once, as the last element.
        public mutating func next() async throws -> GenerationEvent? {
            try await run.next()
        }
    }
}
