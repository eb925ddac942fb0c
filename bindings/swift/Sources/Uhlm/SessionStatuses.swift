/// The status of a session as an asynchronous sequence: what it is now, then each change. A change that is undone before
/// the loop asks again is not seen.
///
/// It ends when the session is shut down and when the task that loops is cancelled, and throws nothing. A loop over it keeps
/// the session alive; so does one that was cancelled, until the session's status changes once more or it is shut down.
public struct SessionStatuses: AsyncSequence, Sendable {
    /// What the sequence consists of.
    public typealias Element = SessionStatus

    let session: any UhlmSessionProtocol

    /// An iterator that begins with the present status.
    public func makeAsyncIterator() -> Iterator {
        Iterator(session: session)
    }

    /// Waits for one change after the other.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        private var session: (any UhlmSessionProtocol)?
        private var last: SessionStatus?

        init(session: any UhlmSessionProtocol) {
            self.session = session
        }

        /// The present status at first, then the next one that differs from what was given last; nil after the end.
        public mutating func next() async -> SessionStatus? {
            guard let session, !Task.isCancelled else { return end() }
            let status: SessionStatus? =
                if let last { await Self.change(of: session, after: last) } else { try? session.status() }
            guard let status else { return end() }
            last = status
            return status
        }

        private mutating func end() -> SessionStatus? {
            session = nil
            return nil
        }

        /// Waits in a task of its own: UniFFI's futures do not see that a Swift task was cancelled, so this one is left
        /// behind then and ends by itself.
        private static func change(
            of session: any UhlmSessionProtocol, after known: SessionStatus
        ) async -> SessionStatus? {
            let change = Handover<SessionStatus?>()
            Task { change.give(await session.statusAfter(known: known)) }
            return await withTaskCancellationHandler {
                await change.take()
            } onCancel: {
                change.give(nil)
            }
        }
    }
}
