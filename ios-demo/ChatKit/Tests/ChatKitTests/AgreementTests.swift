import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// An agreement is one with a server: an address, and the certificate where that alone is trusted.
final class AgreementTests: XCTestCase, @unchecked Sendable {
    private let other = String(repeating: "00", count: 32)

    func test_another_certificate_at_the_same_address_is_another_server() {
        var settings = ChatSettings()
        settings.endpoint = " https://host "
        XCTAssertEqual(settings.server, "https://host")
        var conversation = Conversation()
        settings.fingerprint = "3FA1 "
        XCTAssertEqual(settings.server, "https://host#3fa1")
        XCTAssertEqual(settings.server.addressOfServer, "https://host")
        XCTAssertEqual(settings.remote.endpoint, "https://host")
        conversation.apply(.agreed(settings.server))
        settings.agreedServers = [settings.server]
        XCTAssertTrue(conversation.mayBeSent(settings))
        XCTAssertTrue(Conversation().mayBeSent(settings))
        for fingerprint in [other, ""] {
            settings.fingerprint = fingerprint
            XCTAssertFalse(conversation.mayBeSent(settings), fingerprint)
            XCTAssertFalse(Conversation().mayBeSent(settings), fingerprint)
        }
        // It is the same one again, however it is written.
        settings.fingerprint = "3fA1"
        XCTAssertTrue(conversation.mayBeSent(settings))
        // Earlier versions named the address alone.
        conversation.apply(.agreed("https://host"))
        XCTAssertFalse(conversation.mayBeSent(settings.with { $0.agreedServers = ["https://host"] }))
    }

    @MainActor
    func test_a_fingerprint_that_is_changed_by_hand_has_a_conversation_asked_about_again() async throws {
        let ready = try Fixture.shared.ready
        let folder = try Folder()
        let app = try await App(server: ready.server, folder: folder)
        try await app.say(ready.questions[0], consent: .conversation)
        let id = try app.chat.conversation.id
        app.model.preferences.settings.fingerprint = other
        XCTAssertFalse(try app.chat.mayBeSent)
        let before = try app.chat.conversation.sent
        let chat = try app.chat
        chat.input = ready.questions[1]
        chat.send()
        XCTAssertEqual(chat.consentQuestion?.allowsMessageAlone, false)
        chat.answer(.cancel)
        XCTAssertEqual(chat.conversation.sent, before)
        // It holds after a restart, too, and the certificate that was agreed to is still agreed to.
        let next = try await App(server: ready.server, folder: folder)
        await next.model.openConversation(id)
        XCTAssertTrue(try next.chat.mayBeSent)
        next.model.preferences.settings.fingerprint = other
        XCTAssertFalse(try next.chat.mayBeSent)
    }

    @MainActor
    func test_an_agreement_that_another_server_took_the_place_of_is_asked_for_anew() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        let chat = try app.chat
        for answer in [ConsentAnswer.thisMessage, .conversation, .server] {
            app.model.preferences.settings.endpoint = ready.server.url
            app.model.preferences.settings.fingerprint = ready.server.fingerprint
            chat.input = ready.questions[0]
            chat.send()
            XCTAssertEqual(chat.consentQuestion?.endpoint, ready.server.url)
            // A link that was opened while the question stood.
            app.model.preferences.settings.endpoint = ready.weather.url
            app.model.preferences.settings.fingerprint = ready.weather.fingerprint
            chat.answer(answer)
            XCTAssertEqual(chat.phase, .idle)
            XCTAssertEqual(chat.consentQuestion?.endpoint, ready.weather.url)
            XCTAssertEqual(chat.consentQuestion?.message, ready.questions[0])
            chat.answer(.cancel)
            XCTAssertFalse(chat.mayBeSent)
        }
        XCTAssertEqual(app.model.settings.agreedServers, [])
        XCTAssertEqual(chat.input, ready.questions[0])
        XCTAssertEqual(chat.conversation.turns, [])
    }

    @MainActor
    func test_what_is_taken_back_before_anything_was_said_is_kept_with_the_first_message() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        app.model.agree(to: app.model.settings.server)
        let chat = try app.chat
        XCTAssertTrue(chat.mayBeSent)
        await chat.withdrawConsent()
        await chat.clearSent()
        XCTAssertNil(chat.problem)
        XCTAssertFalse(chat.mayBeSent)
        let files = try FileManager.default.contentsOfDirectory(
            atPath: app.folder.url.appendingPathComponent("conversations").path)
        XCTAssertEqual(files, [])
        try await app.say(ready.questions[0], consent: .deviceOnly)
        let stored = try await app.stored()
        XCTAssertTrue(stored.isWithdrawn)
    }
}

extension ChatSettings {
    fileprivate func with(_ change: (inout Self) -> Void) -> Self {
        var changed = self
        change(&changed)
        return changed
    }
}
