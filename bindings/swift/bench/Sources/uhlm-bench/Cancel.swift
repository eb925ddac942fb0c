import Uhlm

/// From the call that cancels until the session generates no longer, beside the time of one decode step.
struct CancelAnswer: Encodable {
    let micros: Double
    let stepMicros: Double
}

/// At the 10th token the consuming task is cancelled, as an app would, from another task.
func cancel(on session: UhlmSession) async throws -> CancelAnswer {
    let clock = ContinuousClock()
    let (tenth, signal) = AsyncStream<Duration>.makeStream()
    let consumer = Task {
        var tokens = 0
        var first = clock.now
        for try await event in session.generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 900)) {
            guard case .committed = event else { continue }
            tokens += 1
            if tokens == 1 { first = clock.now }
            if tokens == 10 { signal.yield((clock.now - first) / 9) }
        }
        signal.finish()
    }
    var iterator = tenth.makeAsyncIterator()
    guard let step = await iterator.next() else {
        try await consumer.value
        throw BenchError.endedEarly
    }
    let begin = clock.now
    consumer.cancel()
    while try session.status().generating {}
    let took = clock.now - begin
    try await consumer.value
    return CancelAnswer(micros: seconds(took) * 1e6, stepMicros: seconds(step) * 1e6)
}

enum BenchError: Error {
    case endedEarly
    case noFixture
}
