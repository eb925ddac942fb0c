import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class PairingTests: XCTestCase, @unchecked Sendable {
    private let digest = String(repeating: "3fa1", count: 16)

    private func link(_ endpoint: String, sha256: String? = nil, token: String? = nil) -> String {
        var link = "uhlm://verifier?url=" + endpoint.addingPercentEncoding(withAllowedCharacters: .alphanumerics)!
        if let sha256 { link += "&sha256=" + sha256 }
        if let token { link += "&token=" + token }
        return link
    }

    @MainActor
    func test_a_link_is_shown_before_it_is_used_and_its_token_never() async throws {
        let app = try await App().model
        app.open(link: " " + link("https://192.168.1.5:8443", sha256: digest, token: "secret-1") + "\n")
        let pairing = try XCTUnwrap(app.pairing)
        XCTAssertEqual(pairing.endpoint, "https://192.168.1.5:8443")
        XCTAssertEqual(pairing.shortFingerprint, "3F:A1:3F:A1:3F:A1:3F:A1:…")
        XCTAssertTrue(pairing.bringsToken)
        XCTAssertNil(pairing.replaces)
        XCTAssertEqual(pairing.facts.count, 3)
        XCTAssertFalse("\(pairing) \(pairing.facts)".contains("secret-1"))
        XCTAssertEqual(app.settings.endpoint, "")
        XCTAssertNil(app.preferences.secret(.endpointKey))
        app.answerPairing(isAccepted: false)
        XCTAssertNil(app.pairing)
        XCTAssertEqual(app.settings.endpoint, "")

        app.open(link: link("https://192.168.1.5:8443", sha256: digest, token: "secret-1"))
        app.answerPairing(isAccepted: true)
        XCTAssertEqual(app.settings.endpoint, "https://192.168.1.5:8443")
        XCTAssertEqual(app.settings.fingerprint, digest)
        XCTAssertEqual(app.preferences.secret(.endpointKey), "secret-1")
        XCTAssertEqual(app.said, say("pairing.done", "192.168.1.5:8443"))
        app.dismissSaid()
        XCTAssertNil(app.said)
    }

    @MainActor
    func test_the_next_server_gets_neither_the_token_nor_the_consent_of_the_one_before() async throws {
        let app = try await App().model
        app.open(link: link("https://one.example", sha256: digest, token: "secret-1"))
        app.answerPairing(isAccepted: true)
        app.agree(to: app.settings.server)
        XCTAssertTrue(Conversation().mayBeSent(app.settings))
        app.open(link: link("https://two.example"))
        XCTAssertEqual(app.pairing?.replaces, "https://one.example")
        XCTAssertEqual(app.pairing?.facts.first, say("pairing.authorities"))
        XCTAssertEqual(app.pairing?.facts.count, 3)
        app.answerPairing(isAccepted: true)
        XCTAssertEqual(app.settings.fingerprint, "")
        XCTAssertNil(app.preferences.secret(.endpointKey))
        XCTAssertFalse(Conversation().mayBeSent(app.settings))
        // Whoever has the address now, with another certificate, is somebody else.
        app.open(link: link("https://one.example", sha256: digest))
        app.answerPairing(isAccepted: true)
        XCTAssertTrue(Conversation().mayBeSent(app.settings))
        app.open(link: link("https://one.example", sha256: String(repeating: "00", count: 32)))
        XCTAssertNil(app.pairing?.replaces)
        app.answerPairing(isAccepted: true)
        XCTAssertFalse(Conversation().mayBeSent(app.settings))
    }

    @MainActor
    func test_a_link_that_is_none_is_said_in_words_and_changes_nothing() async throws {
        let app = try await App().model
        for text in [
            "", "https://example.org", "uhlm://verifier", "uhlm://other?url=https%3A%2F%2Fhost",
            "uhlm://verifier?url=ftp%3A%2F%2Fhost", link("https://host", sha256: "3fa1"),
        ] {
            app.open(link: text)
            XCTAssertEqual(app.problem?.title, say("pairing.malformed"), text)
            XCTAssertNil(app.pairing, text)
            app.dismissProblem()
        }
        XCTAssertEqual(app.settings, ChatSettings(model: app.settings.model, temperature: 0))
    }

    @MainActor
    func test_a_paired_server_checks_a_reply() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        let (server, token) = (ready.guarded, try XCTUnwrap(ready.guarded.token))
        app.model.open(link: link(server.url, sha256: server.fingerprint, token: token))
        app.model.answerPairing(isAccepted: true)
        let reply = try await app.say(ready.questions[0], consent: .conversation)
        XCTAssertEqual(reply.end, .complete)
        XCTAssertTrue(reply.runs.allSatisfy { [.verified, .target].contains($0.origin) }, "\(reply.runs)")
    }
}

extension ChatSettings {
    fileprivate init(model: String, temperature: Float) {
        self.init()
        (self.model, self.temperature) = (model, temperature)
    }
}
