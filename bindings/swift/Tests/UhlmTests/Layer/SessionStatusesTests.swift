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
        session.updates.give(busy)
        let second = await statuses.next()
        session.updates.give(offline)
        let third = await statuses.next()
        XCTAssertEqual([first, second, third], [idle, busy, offline])
    }

    func test_a_loop_waits_for_the_change() async throws {
        let session = FakeSession()
        let task = watch(session)
        try await eventually("it waits") { session.updates.isAwaited }
        session.updates.give(busy)
        try await eventually("it waits again") { session.updates.isAwaited }
        session.shutDown()
        let seen = try await value(of: task)
        XCTAssertEqual(seen, [idle, busy])
    }

    func test_cancelling_ends_it_although_nothing_changes() async throws {
        let session = FakeSession()
        let task = watch(session)
        try await eventually("it waits") { session.updates.isAwaited }
        task.cancel()
        let seen = try await value(of: task)
        XCTAssertEqual(seen, [idle])
    }

    func test_after_its_end_nothing_is_asked() async throws {
        let session = FakeSession()
        var statuses = session.statuses.makeAsyncIterator()
        _ = await statuses.next()
        session.shutDown()
        let end = await statuses.next()
        XCTAssertNil(end)
        session.updates.give(busy)
        let after = await statuses.next()
        XCTAssertNil(after)
    }

    func test_of_a_session_that_has_ended_there_is_none() async throws {
        let session = FakeSession()
        session.shutDown()
        for await status in session.statuses { XCTFail("\(status)") }
    }

    func test_a_watcher_does_not_keep_the_session_alive() async throws {
        weak var held: FakeSession?
        func statuses() -> SessionStatuses {
            let session = FakeSession()
            held = session
            return session.statuses
        }
        let statuses = statuses()
        XCTAssertNil(held)
        for await status in statuses { XCTFail("\(status)") }
    }

    private func watch(_ session: FakeSession) -> Task<[SessionStatus], any Error> {
        Task {
            var seen: [SessionStatus] = []
            for await status in session.statuses { seen.append(status) }
            return seen
        }
    }
}
