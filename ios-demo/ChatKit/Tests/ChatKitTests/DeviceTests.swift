import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class DeviceTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_what_the_system_tells_reaches_those_who_asked() async throws {
        let source = SetDevice()
        let monitor = DeviceMonitor(source: source)
        var states: [DeviceState] = []
        var networks = 0
        monitor.onChange = { states.append($0) }
        monitor.onNetworkChange = { networks += 1 }
        monitor.start()
        source.say(.battery(0.15, charging: false))
        source.say(.battery(0.15, charging: false))
        source.say(.thermal(.serious))
        source.say(.lowMemory(true))
        source.say(.lowMemory(false))
        XCTAssertEqual(states.count, 4)
        XCTAssertEqual(states[2], DeviceState(battery: 0.15, charging: false, thermal: .serious, lowMemory: true))

        source.say(.network(NetworkReading(kind: "wifi")))
        source.say(.network(NetworkReading(isMetered: true, kind: "cellular")))
        XCTAssertTrue(monitor.state.metered)
        XCTAssertEqual(networks, 2)
        source.say(.network(NetworkReading(isThere: false, kind: "cellular")))
        XCTAssertEqual(networks, 2)
        source.say(.network(NetworkReading(isMetered: true, kind: "cellular")))
        XCTAssertEqual(networks, 3)
    }

    /// A device in distress writes the same reply; what follows for threads and windows is the core's and tested there.
    @MainActor
    func test_a_session_is_told_what_the_device_goes_through() async throws {
        let session = RecordingSession()
        let folder = try Folder()
        let host = OneSession(session)
        host.deviceState.thermal = .critical
        let store = try ConversationStore(folder: folder.url)
        let chat = ChatModel(Conversation(), isStored: false, store: store, host: host)
        chat.input = "Hello"
        chat.send()
        await chat.settled()
        XCTAssertEqual(session.states.map(\.thermal), [.critical])
        chat.deviceChanged(DeviceState(battery: 0.05))
        XCTAssertEqual(session.states.last?.battery, 0.05)
        chat.networkChanged()
        XCTAssertEqual(session.networkChanges, 1)
    }

    @MainActor
    func test_flight_mode_shows_the_banner_and_the_reply_still_comes() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.weather)
        app.device.say(.network(NetworkReading(isThere: false)))
        try Fixture.shared.weather(.resets)
        XCTAssertEqual(app.model.banner, .noNetwork)
        let reply = try await app.say(ready.questions[0], consent: .conversation)
        XCTAssertEqual(reply.end, .complete)
        XCTAssertFalse(reply.text.isEmpty)
        try Fixture.shared.weather(.clear)
        app.device.say(.network(NetworkReading(kind: "wifi")))
        XCTAssertNotEqual(app.model.banner, .noNetwork)
    }

    @MainActor
    func test_in_the_background_memory_is_given_back_unless_a_reply_is_written() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        try await app.say(ready.questions[0])
        guard case .ready = app.model.loader.state else { return XCTFail("\(app.model.loader.state)") }
        app.model.wentToBackground()
        XCTAssertEqual(app.model.loader.state, .none)
        app.model.becameActive()
        let reply = try await app.say(ready.questions[1])
        XCTAssertEqual(reply.end, .complete)
    }
}
