import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: what happens while the verifier is out of reach, under each policy.
final class OfflineConformanceTests: Suite {
    func test_offline_goes_on_alone() async throws {
        let session = try await pair(try options(.exact, offline: .goOn), at: try ready.weather)
        try fixture.weather(.resets)
        let seen = try await collect(session.generate(try ready.questions[0]))
        XCTAssertNotEqual(seen.end?.finish, .cancelled)
        XCTAssertFalse(seen.committed.isEmpty)
        XCTAssertEqual(Set(seen.committed.map(\.origin)), [.unverified])
        XCTAssertTrue(seen.states.contains { $0.link != .online && $0.cause != nil }, "\(seen.states)")
        XCTAssertEqual(seen.text, seen.end?.text)
    }

    func test_offline_waits_and_then_fails() async throws {
        let session = try await pair(try options(.exact, offline: .wait(seconds: 1)), at: try ready.weather)
        try fixture.weather(.resets)
        let question = try ready.questions[0]
        let begin = Date()
        let error = await error { try await session.respond(to: question) }
        XCTAssertEqual(error?.kind, .offline)
        XCTAssertEqual(error?.isRetryable, true)
        XCTAssertEqual(error?.recovery, .waitForNetwork)
        XCTAssertGreaterThanOrEqual(Date().timeIntervalSince(begin), 1)
    }

    func test_offline_fails_at_once() async throws {
        let session = try await pair(try options(.exact, offline: .fail), at: try ready.weather)
        try fixture.weather(.resets)
        let question = try ready.questions[0]
        let error = await error { try await session.respond(to: question) }
        XCTAssertEqual(error?.kind, .offline)
        XCTAssertEqual(error?.isRetryable, true)

        try fixture.weather(.clear)
        try await eventually("the same session works again") {
            do {
                return try await !session.respond(to: question).text.isEmpty
            } catch let error as UhlmError where error.kind == .offline {
                return false
            }
        }
    }
}
