import XCTest

@testable import Uhlm

/// `tests/conformance.md`: what a message may ask for itself, and what becomes of long texts.
final class WishConformanceTests: Suite {
    private let few = GenerationOptions(maxTokens: 40)

    func test_a_reply_has_a_sampling_of_its_own() async throws {
        let (engine, question) = (try await engine(ready.draft), try ready.questions[0])
        let space = try engine.tokenize(text: " ")[0]
        let wide = SamplingParams(temperature: 1, topNSigma: 1, logitBias: [LogitBias(id: space, bias: 100)])
        let plain = GenerationOptions(maxTokens: 40, seed: 3)
        let own = GenerationOptions(maxTokens: 40, sampling: wide, seed: 3)
        var texts: [[String]] = []
        for mode in [Mode.exact, .remoteOnly] {
            var options = try options(mode)
            options.sampling = SamplingParams()
            let session = try await pair(options, at: ready.steady)
            var written: [String] = []
            for options in [plain, own, plain] {
                written.append(try await session.respond(to: question, options: options).text)
                try session.reset()
            }
            texts.append(written)
        }
        XCTAssertEqual(texts[0][1], texts[1][1], "both sides draw by the same chain")
        for written in texts {
            XCTAssertNotEqual(written[0], written[1])
            XCTAssertEqual(written[0], written[2])
        }
        let session = try await alone(ready.draft)
        let wrong = SamplingParams(logitBias: [LogitBias(id: space, bias: 101)])
        let refused = await error {
            try await session.respond(to: question, options: GenerationOptions(sampling: wrong))
        }
        XCTAssertEqual(refused?.kind, .invalidOptions)
        XCTAssertNil(engine.recommendedSampling())
    }

    func test_instructions_can_be_changed() async throws {
        var options = try options(.deviceOnly)
        options.instructions = "Be brief."
        let session = try await engine(ready.draft).openSession(options: options)
        func instructions() throws -> [String] {
            try session.messages().filter { $0.role == .system }.map(\.content)
        }
        _ = try await session.respond(to: ready.questions[0], options: few)
        XCTAssertEqual(try instructions(), ["Be brief."])
        try session.setInstructions(instructions: "Be exact.")
        XCTAssertEqual(try instructions(), ["Be exact."])
        try session.reset()
        XCTAssertEqual(try instructions(), ["Be exact."])
        try session.setInstructions(instructions: nil)
        XCTAssertEqual(try instructions(), [])
    }

    func test_the_most_probable_tokens_are_told() async throws {
        let session = try await alone(ready.draft)
        let options = GenerationOptions(maxTokens: 20, topTokens: 5)
        var tokens = 0
        for try await event in session.generate(try ready.questions[0], options: options) {
            guard case .committed(let token, _) = event else { continue }
            tokens += 1
            XCTAssertEqual(token.top.count, 5)
            XCTAssertEqual(token.top.first?.id, token.id, "the most probable one is written")
            let logarithms = token.top.map(\.logProbability)
            XCTAssertEqual(logarithms, logarithms.sorted(by: >))
        }
        XCTAssertGreaterThan(tokens, 3)
    }

    func test_a_mode_that_needs_a_verifier_is_refused_without_one() async throws {
        let engine = try await engine(ready.draft)
        for mode in [Mode.exact, .opportunistic, .remoteOnly] {
            let options = try options(mode)
            let refused = await error { try await engine.openSession(options: options) }
            XCTAssertEqual(refused?.kind, .invalidOptions, "\(mode)")
        }
        var options = try options(.deviceOnly)
        options.mode = nil
        let session = try await engine.openSession(options: options)
        let reply = try await session.respond(to: ready.questions[0], options: few)
        XCTAssertEqual(reply.statistics.origins.draft, reply.statistics.tokens)
    }

    func test_raw_text_leaves_the_conversation_as_it_was() async throws {
        let questions = try ready.questions
        func talk(raw: Bool) async throws -> (String, [Message]) {
            let session = try await alone(ready.draft)
            _ = try await session.respond(to: questions[0], options: few)
            if raw { _ = try await session.respond(to: .raw(text: "Once upon a time"), options: few) }
            return (try await session.respond(to: questions[1], options: few).text, try session.messages())
        }
        let (with, without) = (try await talk(raw: true), try await talk(raw: false))
        XCTAssertEqual(with.0, without.0)
        XCTAssertEqual(with.1, without.1)
    }

    func test_a_long_text_is_summarised_in_pieces() async throws {
        let session = try await alone(ready.draft)
        let text = String(repeating: "The train leaves at nine. It is late. ", count: 30)
        let options = SummaryOptions(pieceTokens: 128, summaryTokens: 16)
        let summary = try await session.summarise(text: text, options: options)
        var steps: [SummaryStep] = []
        while let step = try await summary.next() { steps.append(step) }
        XCTAssertGreaterThan(steps.count, 4)
        XCTAssertNotNil(steps.last?.text)
        XCTAssertTrue(steps.dropLast().allSatisfy { $0.text == nil })
        XCTAssertEqual(try session.messages(), [])
        let cancelled = try await session.summarise(text: text, options: options)
        _ = try await cancelled.next()
        cancelled.cancel()
        let error = await error { try await cancelled.next() }
        XCTAssertEqual(error?.kind, .cancelled)
    }

    func test_a_conversation_that_is_too_long_is_summarised() async throws {
        var options = try options(.deviceOnly)
        (options.context, options.overflow) = (512, .summarise(reserve: 32))
        let session = try await engine(ready.draft).openSession(options: options)
        var dropped: UInt64 = 0
        for _ in 0..<24 {
            let reply = try await session.respond(
                to: ready.questions[0], options: GenerationOptions(maxTokens: 32))
            dropped += reply.statistics.droppedMessages
        }
        XCTAssertGreaterThan(dropped, 0)
        XCTAssertEqual(try session.messages().count, 48)
        XCTAssertGreaterThan(try session.totals().generations, 24)
    }
}
