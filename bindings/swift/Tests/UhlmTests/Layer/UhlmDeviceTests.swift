import XCTest

@testable import Uhlm

/// A device that says what a test wants.
@MainActor
private final class SetSource: DeviceSource {
    private var take: (@MainActor @Sendable (DeviceSignal) -> Void)?

    func start(_ take: @escaping @MainActor @Sendable (DeviceSignal) -> Void) { self.take = take }
    func say(_ signal: DeviceSignal) { take?(signal) }
}

final class UhlmDeviceTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_a_session_that_follows_is_told_what_is_and_then_each_change() async throws {
        let (source, session) = (SetSource(), ToldSession())
        let device = UhlmDevice(source: source)
        device.start()
        source.say(.battery(0.5, charging: false))
        device.follow(session)
        source.say(.battery(0.5, charging: false))
        source.say(.thermal(.serious))
        source.say(.network(NetworkReading(isMetered: true, kind: "cellular")))
        XCTAssertEqual(session.states.map(\.thermal), [nil, .serious, .serious])
        XCTAssertEqual(session.states.last, DeviceState(battery: 0.5, thermal: .serious, metered: true))
        XCTAssertEqual(session.networkChanges, 1)
    }

    @MainActor
    func test_who_comes_to_the_front_renews_connections_and_has_memory_again() async throws {
        let (source, session) = (SetSource(), ToldSession())
        let device = UhlmDevice(source: source, idleSeconds: 0.01)
        device.start()
        device.follow(session)
        source.say(.foreground(false))
        for _ in 0..<500 where !device.state.lowMemory { try await Task.sleep(nanoseconds: 10_000_000) }
        XCTAssertTrue(device.state.lowMemory, "nobody sees the app, and it keeps its memory")
        source.say(.foreground(true))
        XCTAssertFalse(device.state.lowMemory)
        XCTAssertEqual(session.networkChanges, 1)
        XCTAssertEqual(session.states.map(\.lowMemory), [false, false, true, false])
        XCTAssertEqual(session.states.map(\.inBackground), [false, true, true, false])
    }

    @MainActor
    func test_a_session_that_is_gone_is_told_no_more() async throws {
        let (source, gone) = (SetSource(), ToldSession())
        let device = UhlmDevice(source: source)
        device.start()
        device.follow(gone)
        gone.isClosed = true
        source.say(.battery(0.1, charging: false))
        gone.isClosed = false
        source.say(.battery(0.2, charging: false))
        XCTAssertEqual(gone.states.count, 1)
    }
}
