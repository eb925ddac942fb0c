import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// A folder that is gone with the test.
final class Folder {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("chatkit-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }
}

/// A device that says what a test lets it say.
@MainActor
final class SetDevice: DeviceSource {
    private var take: (@MainActor @Sendable (DeviceSignal) -> Void)?

    func start(_ take: @escaping @MainActor @Sendable (DeviceSignal) -> Void) {
        self.take = take
    }

    func say(_ signal: DeviceSignal) {
        take?(signal)
    }
}

/// Looks again until `condition` holds. Generous: the machine may be busy.
@MainActor
func eventually(_ what: String, within seconds: Double = 30, _ condition: @MainActor () async throws -> Bool)
    async throws
{
    let end = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        if ContinuousClock.now > end { throw Fixture.Failure(what: "not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// The app on the demo pair, in a folder of its own.
@MainActor
struct App {
    let folder: Folder
    let device = SetDevice()
    let time = SetTime()
    let notices = KeptNotices()
    let model: AppModel

    /// With the model of a path, which is there before the app starts, and a server.
    init(
        _ draft: String? = nil, server: Fixture.Place? = nil, folder: Folder? = nil, tools: [Tool] = localTools(),
        loader: ModelLoader = ModelLoader()
    ) async throws {
        let ready = try Fixture.shared.ready
        try Fixture.shared.weather(.clear)
        self.folder = try folder ?? Folder()
        let place = try AppPlace(
            folder: self.folder.url, bundledModel: URL(fileURLWithPath: draft ?? ready.draft),
            bundledCalibration: draft == nil ? URL(fileURLWithPath: ready.calibration) : nil)
        let secrets = FileSecrets(folder: self.folder.url.appendingPathComponent("secrets"))
        model = try AppModel(
            place: place, secrets: secrets, device: device, tools: tools, times: [time], notices: notices,
            loader: loader)
        await model.start()
        XCTAssertNil(model.problem)
        if let server {
            model.preferences.settings.endpoint = server.url
            model.preferences.settings.fingerprint = server.fingerprint
        }
        model.preferences.settings.temperature = 0
    }

    var chat: ChatModel {
        get throws { try XCTUnwrap(model.chat) }
    }

    /// Sends a message and waits for the end of its reply; consent is answered with the given answer.
    @discardableResult
    func say(_ message: String, consent: ConsentAnswer? = nil) async throws -> Reply {
        let chat = try chat
        chat.input = message
        chat.send()
        if let consent {
            XCTAssertNotNil(chat.consentQuestion)
            chat.answer(consent)
        }
        await chat.settled()
        return try XCTUnwrap(chat.conversation.turns.last).reply
    }

    /// Asks until a reply is caught in the middle. One of the demo model has some tens of tokens, which it writes in
    /// milliseconds, so this looks whenever the main actor has a moment.
    func catchReply() async throws -> ChatModel {
        for question in try Fixture.shared.ready.questions.dropFirst().prefix(8) {
            let chat = try chat
            chat.input = question
            chat.send()
            let end = ContinuousClock.now + .seconds(30)
            while chat.phase != .idle {
                // While it is prepared, the last turn is the one before.
                if chat.phase == .writing, chat.conversation.turns.last?.reply.text.isEmpty == false { return chat }
                if ContinuousClock.now > end { throw Fixture.Failure(what: "no first word") }
                await Task.yield()
            }
        }
        throw Fixture.Failure(what: "no reply was caught in the middle")
    }

    func stored() async throws -> Conversation {
        let store = try ConversationStore(folder: folder.url.appendingPathComponent("conversations"))
        return try await store.conversation(chat.conversation.id)
    }
}
