import XCTest

@testable import Uhlm

final class SessionStatusesTests: XCTestCase {
    private let idle = SessionStatus(generating: false, link: .online)
    private let busy = SessionStatus(generating: true, link: .online)
    private let offline = SessionStatus(generating: true, link: .offline)

    func test_the_present_status_comes_first_then_each_change() async throws {
        let session = FakeSession()
        var statuses = session.statuses.makeAsyncIterator()
        let first = await statuses.next()
        session.set(busy)
        let second = await statuses.next()
        session.set(offline)
        let third = await statuses.next()
        XCTAssertEqual([first, second, third], [idle, busy, offline])
    }

    func test_a_loop_waits_for_the_change() async throws {
        let session = FakeSession()
        let (idle, busy) = (idle, busy)
        let task = Task {
            var seen: [SessionStatus] = []
            for await status in session.statuses {
                seen.append(status)
                if status == busy { break }
            }
            return seen
        }
        try await eventually("it waits") { session.waiting == 1 }
        session.set(busy)
        let seen = try await value(of: Task { await task.value })
        XCTAssertEqual(seen, [idle, busy])
    }

    func test_shutting_down_ends_it() async throws {
        let session = FakeSession()
        let task = Task { () throws -> Int in
            var count = 0
            for await _ in session.statuses { count += 1 }
            return count
        }
        try await eventually("it waits") { session.waiting == 1 }
        session.shutDown()
        let count = try await value(of: task)
        XCTAssertEqual(count, 1)
    }

    func test_of_a_session_that_was_shut_down_there_is_none() async throws {
        let session = FakeSession()
        session.shutDown()
        for await status in session.statuses { XCTFail("\(status)") }
    }

    func test_cancelling_ends_it_although_nothing_changes() async throws {
        let session = FakeSession()
        let task = Task { () throws -> Int in
            var count = 0
            for await _ in session.statuses { count += 1 }
            return count
        }
        try await eventually("it waits") { session.waiting == 1 }
        task.cancel()
        let count = try await value(of: task)
        XCTAssertEqual(count, 1)
    }
}
