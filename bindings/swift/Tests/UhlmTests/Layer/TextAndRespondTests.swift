import XCTest

@testable import Uhlm

final class TextAndRespondTests: XCTestCase {
    func test_the_text_stream_has_the_commits_and_nothing_else() async throws {
        let generation = FakeGeneration([
            .success([
                .state(link: .degraded), provisional("x"), provisional("y"), committed("Hel"), .rollback(tokens: 1),
                committed(""), committed("lo"), finished(.endOfReply, text: "Hello"),
            ])
        ])
        let pieces = try await collect(FakeSession(generation).generateText("hello"))
        XCTAssertEqual(pieces, ["Hel", "lo"])
    }

    func test_a_break_out_of_the_text_cancels() async throws {
        let generation = FakeGeneration([.success([committed("a"), committed("b")])], whenCancelled: [])
        for try await _ in FakeSession(generation).generateText("hello") { break }
        XCTAssertEqual(generation.cancels, 1)
    }

    func test_the_text_of_a_cancelled_task_ends_without_an_error() async throws {
        let generation = FakeGeneration([.success([committed("a")])], whenCancelled: [finished(.cancelled, text: "a")])
        let session = FakeSession(generation)
        let task = Task { try await collect(session.generateText("hello")) }
        try await eventually("the task waits") { generation.pulls == 2 }
        task.cancel()
        let pieces = try await value(of: task)
        XCTAssertEqual(pieces, ["a"])
    }

    func test_a_reply_has_the_text_the_reasoning_the_reason_and_the_statistics() async throws {
        var statistics = noStatistics
        statistics.tokens = 3
        let end = GenerationEvent.finished(
            finish: .maxTokens, text: "abc", reasoning: "hm", statistics: statistics)
        let session = FakeSession(FakeGeneration([.success([committed("abc"), end])]))
        let reply = try await session.respond(to: "hello")
        let expected = GenerationResult(text: "abc", reasoning: "hm", finish: .maxTokens, statistics: statistics)
        XCTAssertEqual(reply, expected)
    }

    func test_a_cancelled_task_gets_a_cancellation_error_in_the_place_of_half_a_reply() async throws {
        let generation = FakeGeneration([.success([committed("a")])], whenCancelled: [finished(.cancelled, text: "a")])
        let session = FakeSession(generation)
        let task = Task { try await session.respond(to: "hello") }
        try await eventually("the task waits") { generation.pulls == 2 }
        task.cancel()
        await assertCancellation(of: task)
    }

    func test_a_task_that_was_cancelled_before_gets_a_cancellation_error_too() async throws {
        let session = FakeSession(FakeGeneration([]))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await session.respond(to: "hello")
        }
        await assertCancellation(of: task)
        XCTAssertEqual(session.starts.count, 0)
    }

    func test_a_reply_that_another_one_cancelled_is_given_as_far_as_it_came() async throws {
        let session = FakeSession(FakeGeneration([.success([committed("a"), finished(.cancelled, text: "a")])]))
        let reply = try await session.respond(to: "hello")
        XCTAssertEqual(reply.finish, .cancelled)
        XCTAssertEqual(reply.text, "a")
    }

    private func assertCancellation(of task: Task<GenerationResult, any Error>) async {
        do {
            _ = try await value(of: task)
            XCTFail("nothing was thrown")
        } catch {
            XCTAssert(error is CancellationError, "\(error)")
        }
    }
}
