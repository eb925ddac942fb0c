/// The status of a session as an asynchronous sequence: the present status, then each change. Of changes that come
/// faster than the loop asks, only the last is seen.
///
/// The sequence ends when the session ends and when the task that loops is cancelled, and throws nothing. It does not
/// keep the session alive: a session that nothing else refers to ends, and the loop with it.
public struct SessionStatuses: AsyncSequence, Sendable {
    /// The type of the sequence's elements.
    public typealias Element = SessionStatus

    let begin: @Sendable () -> UhlmStatusUpdates?

    /// Makes an iterator, which begins with the present status.
    public func makeAsyncIterator() -> Iterator {
        Iterator(updates: begin())
    }

    /// Waits for one change after the other.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        var updates: UhlmStatusUpdates?

        /// Returns the present status at first, then waits for each new one; nil after the end.
        public mutating func next() async -> SessionStatus? {
            guard let updates else { return nil }
            let status = await withTaskCancellationHandler {
                await updates.next()
            } onCancel: {
                updates.cancel()
            }
            if status == nil { self.updates = nil }
            return status
        }
    }
}
