import XCTest

@testable import Uhlm

/// `tests/conformance.md`: a seed brings its text again, whatever the device does meanwhile. The verifier computes one
/// row of a pass at a time: two runs with one seed are then equal to the bit, and no chance is left in this test.
final class SeedConformanceTests: Suite {
    private static let seed: UInt64 = 42

    private func seeded(_ seed: UInt64) -> GenerationOptions {
        GenerationOptions(maxTokens: 60, seed: seed)
    }

    /// The target is sure of little after these: each seed writes a text of its own. Its answers hardly depend on it.
    private let beginnings = ["Once upon a time", "The answer is", "The step is", "Hello"].map { Prompt.raw(text: $0) }

    private func prompts() throws -> [Prompt] {
        try beginnings + ready.questions.prefix(2).map { .chat(text: $0) }
    }

    /// Temperature 1: the models disagree on about a fifth of the tokens.
    private func drawing(_ mode: Mode) throws -> SessionOptions {
        var options = try options(mode)
        options.sampling = SamplingParams()
        return options
    }

    private func replies(_ options: SessionOptions, seed: UInt64) async throws -> [GenerationResult] {
        var replies: [GenerationResult] = []
        for prompt in try prompts() {
            let session = try await pair(options, at: ready.steady)
            replies.append(try await session.respond(to: prompt, options: seeded(seed)))
        }
        return replies
    }

    func test_the_same_seed_brings_the_same_text() async throws {
        let replies = try await replies(drawing(.exact), seed: Self.seed)
        let expected = replies.map(\.text)
        let rejected = replies.map(\.statistics.rejected).reduce(0, +)
        XCTAssertGreaterThan(rejected, 0, "the models agree on everything: this shows little")
        let alone = try await self.replies(drawing(.remoteOnly), seed: Self.seed)
        XCTAssertEqual(alone.map(\.text), expected)
        let windows: [(tokens: UInt32, ahead: DraftAhead)] = [
            (1, .off), (3, .whileWaiting), (9, .pipelined(windows: 4)),
        ]
        for (tokens, ahead) in windows {
            var options = try drawing(.exact)
            options.close = .fixed(tokens: tokens)
            options.draftAhead = ahead
            // The seed of a reply comes before the session's.
            options.seed = UInt64(tokens)
            let again = try await self.replies(options, seed: Self.seed)
            XCTAssertEqual(again.map(\.text), expected, "windows of \(tokens)")
        }
        let other = try await self.replies(drawing(.exact), seed: Self.seed + 1)
        for index in beginnings.indices { XCTAssertNotEqual(other[index].text, expected[index]) }
    }

    func test_every_pace_writes_the_same_text() async throws {
        let expected = try await replies(drawing(.remoteOnly), seed: Self.seed).map(\.text)
        for pace in [Pace.fastest, .balanced, .thrifty] {
            var options = try drawing(.exact)
            options.pace = pace
            let session = try await pair(options, at: ready.steady)
            var written: [GenerationResult] = []
            for prompt in try prompts() {
                written.append(try await session.respond(to: prompt, options: seeded(Self.seed)))
                try session.reset()
            }
            XCTAssertEqual(written.map(\.text), expected, "\(pace)")
            let passes = written.map(\.statistics.targetPasses).reduce(0, +)
            let tokens = written.map(\.statistics.tokens).reduce(0, +)
            if pace == .thrifty { XCTAssertLessThan(passes, tokens) }
        }
        var budget = try drawing(.exact)
        budget.maxPassesPerToken = 0.2
        let held = try await replies(budget, seed: Self.seed)
        XCTAssertEqual(held.map(\.text), expected, "under a budget")
        for nonsense in [0, -1, Double.nan] {
            budget.maxPassesPerToken = nonsense
            let options = budget
            let refused = await error { try await pair(options, at: ready.steady) }
            XCTAssertEqual(refused?.kind, .invalidOptions, "\(nonsense)")
        }
    }

    func test_a_generation_that_was_cancelled_before_changes_no_seeded_text() async throws {
        for mode in [Mode.exact, .remoteOnly] {
            let expected = try await replies(drawing(mode), seed: Self.seed).map(\.text)
            let session = try await pair(drawing(mode), at: ready.steady)
            for (prompt, text) in zip(try prompts(), expected) {
                // Leaving the loop cancels it.
                for try await _ in session.generate(prompt, options: seeded(Self.seed + 2)) { break }
                try await eventually("the session is free") { try !self.isGenerating(session) }
                try session.reset()
                let again = try await session.respond(to: prompt, options: seeded(Self.seed))
                XCTAssertEqual(again.text, text, "\(mode)")
                try session.reset()
            }
        }
    }
}
