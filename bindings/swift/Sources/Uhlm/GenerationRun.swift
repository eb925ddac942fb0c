/// One pass over a generation: starts it with the first event asked for, hands its events out in order, and cancels it
/// when it is let go before the end. It decides nothing about the events themselves.
final class GenerationRun: Sendable {
    typealias Start = @Sendable () throws -> UhlmGeneration

    private enum State {
        case ready
        case running(UhlmGeneration, waiting: ArraySlice<GenerationEvent>)
        case ended
    }

    /// Kept to the end, and the session with it: one that nothing else holds must not end while it is looped over.
    private let start: Start
    private let state = Locked(State.ready)

    init(start: @escaping Start) {
        self.start = start
    }

    /// A loop that ends by `break`, `return` or an error lets go of its iterator, and with it of this.
    deinit {
        if case .running(let generation, _) = state.withLock({ $0 }) {
            generation.cancel()
        }
    }

    func next() async throws -> GenerationEvent? {
        guard let generation = try running() else { return nil }
        // Both models stop from within the call that cancels the task, whether this task waits below or not.
        return try await withTaskCancellationHandler {
            if let event = takeWaiting() { return event }
            do {
                return take(try await generation.nextEvents())
            } catch {
                end()
                throw error
            }
        } onCancel: {
            generation.cancel()
        }
    }

    /// Returns the generation, which is started if it was not; nil after the end, and if the task was cancelled before
    /// anything began.
    private func running() throws -> UhlmGeneration? {
        try state.withLock { state in
            switch state {
            case .running(let generation, _):
                return generation
            case .ended:
                return nil
            case .ready:
                state = .ended
                if Task.isCancelled { return nil }
                let generation = try start()
                state = .running(generation, waiting: [])
                return generation
            }
        }
    }

    private func takeWaiting() -> GenerationEvent? {
        state.withLock { state in
            guard case .running(let generation, var waiting) = state, let event = waiting.popFirst() else { return nil }
            state = if case .finished = event { .ended } else { .running(generation, waiting: waiting) }
            return event
        }
    }

    /// Keeps what came and hands out its first event; nil, and the end, if nothing came.
    private func take(_ events: [GenerationEvent]) -> GenerationEvent? {
        state.withLock { state in
            guard case .running(let generation, let waiting) = state else { return }
            state = events.isEmpty ? .ended : .running(generation, waiting: waiting + events)
        }
        return takeWaiting()
    }

    private func end() {
        state.withLock { $0 = .ended }
    }
}
