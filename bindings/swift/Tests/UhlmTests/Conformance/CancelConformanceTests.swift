import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: cancelling stops both models and leaves nothing behind.
final class CancelConformanceTests: Suite {
    /// More than any of these tests lets a model write.
    private let long = GenerationOptions(maxTokens: 900)
    private let go = Prompt.raw(text: "go")

    func test_cancelling_before_the_first_token_stops() async throws {
        let session = try await alone(try ready.heavy)
        let (go, long) = (go, long)
        // Before the task ran at all.
        let early = Task { try await collect(session.generate(go, options: long)) }
        early.cancel()
        let none = try await value(of: early)
        XCTAssertTrue(none.end == nil || none.end?.finish == .cancelled)
        try await assertUsable(session, go)
        // While the prompt is worked on: a long one takes many decode steps.
        let prompt = Prompt.raw(text: String(repeating: "a long prompt ", count: 40))
        let task = Task { try await collect(session.generate(prompt, options: long)) }
        try await eventually("it generates") { try self.isGenerating(session) }
        task.cancel()
        let seen = try await value(of: task)
        XCTAssertEqual(seen.end?.finish, .cancelled)
        XCTAssertEqual(seen.text, seen.end?.text)
        try await assertUsable(session, go)
    }

    func test_cancelling_at_the_first_token_stops() async throws {
        let session = try await alone(try ready.heavy)
        let (go, long) = (go, long)
        let task = Task {
            var seen = Seen()
            for try await event in session.generate(go, options: long) {
                seen.events.append(event)
                if seen.committed.count == 1 { withUnsafeCurrentTask { $0?.cancel() } }
            }
            return seen
        }
        let seen = try await value(of: task)
        XCTAssertEqual(seen.end?.finish, .cancelled)
        XCTAssertLessThan(try XCTUnwrap(seen.end).statistics.tokens, 900)
        try await assertUsable(session, go)
        // The same by leaving the loop.
        for try await event in session.generate(go, options: long) {
            if case .committed = event { break }
        }
        try await assertUsable(session, go)
    }

    func test_cancelling_later_stops_within_one_token() async throws {
        let session = try await alone(try ready.heavy)
        let (go, long) = (go, long)
        // How late this task sees a token is the machine's affair, so the least of some tries counts: were the cancel
        // itself late, it would be late in each.
        var least = Int.max
        for _ in 0..<20 where least > 1 {
            let task = Task {
                var seen = Seen()
                var atCancel = 0
                for try await event in session.generate(go, options: long) {
                    seen.events.append(event)
                    if atCancel == 0, seen.committed.count == 10 {
                        atCancel = 10
                        withUnsafeCurrentTask { $0?.cancel() }
                    }
                }
                return seen
            }
            let seen = try await value(of: task)
            let end = try XCTUnwrap(seen.end)
            XCTAssertEqual(end.finish, .cancelled)
            XCTAssertEqual(end.text, seen.text)
            // Tokens within a frame of a display, 16 ms, are handed over together.
            let together = Int(0.016 * Double(end.statistics.drafted) / end.statistics.draftingSeconds)
            least = min(least, Int(end.statistics.drafted) - 10 - together)
            try await eventually("the session is free") { try !self.isGenerating(session) }
        }
        XCTAssertLessThanOrEqual(least, 1)
        try await assertUsable(session, go)

        // What was committed stands in the conversation.
        let chat = try await alone(try ready.draft)
        let question = try ready.questions[0]
        let task = Task {
            var seen = Seen()
            for try await event in chat.generate(question) {
                seen.events.append(event)
                if seen.committed.count == 2 { withUnsafeCurrentTask { $0?.cancel() } }
            }
            return seen
        }
        let seen = try await value(of: task)
        try await eventually("the session is free") { try !self.isGenerating(chat) }
        let last = try XCTUnwrap(try chat.messages().last)
        XCTAssertEqual(last, Message(role: .assistant, content: try XCTUnwrap(seen.end).text))
    }

    func test_cancelling_during_a_verdict_stops() async throws {
        let before = try fixture.metrics()
        var options = try options(.exact)
        // Longer than this test waits for anything.
        options.link.minDeadlineSeconds = 3 * limit
        options.link.maxDeadlineSeconds = 3 * limit
        let session = try await pair(options, at: try ready.weather)
        let question = try ready.questions[0]
        _ = try await session.respond(to: question)

        try fixture.weather(.stall)
        let drafted = Locked(0)
        let task = Task {
            var seen = Seen()
            for try await event in session.generate(question) {
                seen.events.append(event)
                if case .provisional = event { drafted.withLock { $0 += 1 } }
            }
            return seen
        }
        try await eventually("a window is in flight") { drafted.withLock { $0 } == 4 }
        task.cancel()
        let seen = try await value(of: task)
        XCTAssertEqual(seen.end?.finish, .cancelled)
        XCTAssertEqual(seen.text, seen.end?.text)

        try fixture.weather(.clear)
        try await assertUsable(session, .chat(text: question))
        session.shutDown()
        try await assertFreed(before)
    }

    func test_closing_while_generating_stops() async throws {
        let (go, long) = (go, long)
        let heavy = try await alone(try ready.heavy)
        try await assertEnds(
            Task {
                var committed = 0
                var finish: FinishReason?
                for try await event in heavy.generate(go, options: long) {
                    if case .committed = event { committed += 1 }
                    if committed == 3 { heavy.shutDown() }
                    if case .finished(let reason, _, _, _) = event { finish = reason }
                }
                return finish
            })

        // With a verifier, whose session is freed.
        let before = try fixture.metrics()
        let session = try await pair()
        let question = try ready.questions[0]
        for try await event in session.generate(question) {
            if case .committed = event { session.shutDown() }
        }
        try await assertFreed(before)
    }

    private func assertEnds(_ task: Task<FinishReason?, any Error>) async throws {
        do {
            let finish = try await value(of: task)
            XCTAssertEqual(finish, .cancelled)
        } catch let error as UhlmError where error.kind == .sessionClosed {
            // As good: the stream ended.
        }
    }

    private func assertFreed(_ before: Fixture.Metrics) async throws {
        let fixture = try fixture
        try await eventually("the verifier's session is freed") {
            let now = try fixture.metrics()
            return now.sessions <= before.sessions && now.sequences <= before.sequences && now.queued == 0
        }
    }

    func test_two_hundred_cycles_leave_nothing_behind() async throws {
        let before = try fixture.metrics()
        let engine = try await engine(try ready.draft)
        let verifier = try verifier(try ready.server)
        let questions = try ready.questions
        let options = try options(.exact)
        func cycle(_ number: Int) async throws {
            let session = try await engine.openSession(verifier: verifier, options: options)
            for try await event in session.generate(questions[number % questions.count]) {
                if case .committed = event { break }
            }
            // Half are closed, half only let go.
            if number.isMultiple(of: 2) { session.shutDown() }
        }
        for number in 0..<40 { try await cycle(number) }
        try await assertFreed(before)
        let early = Usage.now()
        for number in 40..<200 { try await cycle(number) }
        try await assertFreed(before)
        // 160 cycles later. A thread a cycle would be 160, a session's cache a cycle some hundred MB.
        try await eventually("the threads have ended") { Usage.now().threads <= early.threads + 4 }
        XCTAssertLessThan(Usage.now().megabytes, early.megabytes + 48)
    }
}

/// What this process holds of the machine.
private struct Usage {
    let threads: Int
    let megabytes: Int

    static func now() -> Usage {
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        func number(_ name: String) -> Int {
            let line = status.split(separator: "\n").first { $0.hasPrefix(name) }
            return Int(line?.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0
        }
        return Usage(threads: number("Threads:"), megabytes: number("VmRSS:") / 1024)
    }
}
