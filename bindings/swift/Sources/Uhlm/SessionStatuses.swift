/// The status of a session as an asynchronous sequence: what it is now, then each change. Changes that come faster than the
/// loop asks are seen as the last of them.
///
/// It ends when the session ends and when the task that loops is cancelled, and throws nothing. It does not keep the session
/// alive: a session that nothing else refers to ends, and the loop with it.
public struct SessionStatuses: AsyncSequence, Sendable {
    /// What the sequence consists of.
    public typealias Element = SessionStatus

    let begin: @Sendable () -> UhlmStatusUpdates?

    /// An iterator that begins with the present status.
    public func makeAsyncIterator() -> Iterator {
        Iterator(updates: begin())
    }

    /// Waits for one change after the other.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        var updates: UhlmStatusUpdates?

        /// The present status at first, then each new one; nil after the end.
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
