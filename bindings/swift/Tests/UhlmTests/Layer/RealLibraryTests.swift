import Foundation
import XCTest

@testable import Uhlm

/// What the layer adds beside generating, with the real library behind it.
final class RealLibraryTests: Suite {
    func test_statuses_follow_a_generation() async throws {
        let session = try await alone(try ready.heavy)
        let seen = Locked<[Bool]>([])
        let watched = Task { () throws in
            for await status in session.statuses { seen.withLock { $0.append(status.generating) } }
        }
        for try await _ in session.generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 900)) {
            if seen.withLock({ $0.contains(true) }) { break }
        }
        try await eventually("it is seen to be idle again") { seen.withLock { $0.last == false } }
        session.shutDown()
        try await value(of: watched)
        let all = seen.withLock { $0 }
        XCTAssertTrue(all.contains(true))
        for (one, next) in zip(all, all.dropFirst()) { XCTAssertNotEqual(one, next, "each is a change") }
    }

    func test_loading_reports_its_progress() async throws {
        let shares = Locked<[Float]>([])
        let file = URL(fileURLWithPath: try ready.heavy)
        let engine = try await UhlmEngine.load(contentsOf: file) { share in shares.withLock { $0.append(share) } }
        XCTAssertGreaterThan(engine.info().parameters, 0)
        let seen = shares.withLock { $0 }
        XCTAssertEqual(seen, seen.sorted())
        XCTAssertEqual(seen.last, 1)
    }

    func test_cancelling_the_task_ends_a_load() async throws {
        let file = URL(fileURLWithPath: try ready.heavy)
        let loading = Handover<Void>()
        let mayGoOn = DispatchSemaphore(value: 0)
        let task = Task {
            try await UhlmEngine.load(contentsOf: file) { _ in
                // Waits on the loading thread until the task was cancelled.
                loading.give(())
                mayGoOn.wait()
                mayGoOn.signal()
            }
        }
        await loading.take()
        task.cancel()
        mayGoOn.signal()
        do {
            _ = try await value(of: task)
            XCTFail("nothing was thrown")
        } catch {
            XCTAssert(error is CancellationError, "\(error)")
        }
    }

    func test_log_lines_reach_the_app_and_the_first_sink_counts() async throws {
        let lines = Locked<[LogLine]>([])
        XCTAssertTrue(installLogSink(level: .debug) { line in lines.withLock { $0.append(line) } })
        XCTAssertFalse(installLogSink(level: .debug) { _ in XCTFail("the second sink gets nothing") })
        _ = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: try ready.draft))
        try await eventually("a line") { !lines.withLock { $0.isEmpty } }
    }

    func test_a_session_that_is_let_go_is_freed() async throws {
        let before = try fixture.metrics()
        _ = try await pair().respond(to: try ready.questions[0])
        let fixture = try fixture
        try await eventually("the verifier's session is freed") { try fixture.metrics().sessions <= before.sessions }
    }

    func test_a_watcher_ends_with_a_session_that_is_let_go() async throws {
        var session: UhlmSession? = try await alone(try ready.draft)
        let statuses = try XCTUnwrap(session?.statuses)
        let seen = Locked(0)
        let watched = Task { () throws in
            for await _ in statuses { seen.withLock { $0 += 1 } }
        }
        try await eventually("it watches") { seen.withLock { $0 == 1 } }
        session = nil
        try await value(of: watched)
    }

    func test_a_generation_may_follow_one_whose_loop_was_left() async throws {
        let session = try await alone(try ready.heavy)
        for _ in 0..<5 {
            for try await event in session.generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 900)) {
                if case .committed = event { break }
            }
        }
        let reply = try await session.respond(to: .raw(text: "go"), options: GenerationOptions(maxTokens: 2))
        XCTAssertEqual(reply.statistics.tokens, 2)
    }
}
