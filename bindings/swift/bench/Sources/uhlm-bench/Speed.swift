import Uhlm

/// How many tokens, and in what time.
struct SpeedAnswer: Encodable {
    var tokens = 0
    var seconds = 0.0
}

/// Every question in a session of its own, the draft model alone and greedy, through `generate`. Only the loops are
/// timed; a short reply beforehand takes each session's first memory.
func speed(of engine: UhlmEngine, questions: [String]) async throws -> SpeedAnswer {
    let options = SessionOptions(mode: .deviceOnly, sampling: SamplingParams(temperature: 0), threads: 1)
    var answer = SpeedAnswer()
    for question in questions {
        let session = try await engine.openSession(options: options)
        _ = try await session.respond(to: .raw(text: "go"), options: GenerationOptions(maxTokens: 1))
        try session.reset()
        let clock = ContinuousClock()
        let begin = clock.now
        for try await event in session.generate(question, options: GenerationOptions(maxTokens: 96)) {
            if case .committed = event { answer.tokens += 1 }
        }
        answer.seconds += seconds(clock.now - begin)
        session.shutDown()
    }
    return answer
}

/// One long reply of the model whose step takes milliseconds.
func steady(on session: UhlmSession) async throws -> SpeedAnswer {
    var answer = SpeedAnswer()
    let clock = ContinuousClock()
    let begin = clock.now
    for try await event in session.generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 96)) {
        if case .committed = event { answer.tokens += 1 }
    }
    answer.seconds = seconds(clock.now - begin)
    return answer
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}
