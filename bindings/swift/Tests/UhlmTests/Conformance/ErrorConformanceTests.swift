import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: what an app is told when something is wrong.
final class ErrorConformanceTests: Suite {
    func test_a_missing_model_is_not_found() async throws {
        let missing = URL(fileURLWithPath: try ready.missing)
        let error = await error { try await UhlmEngine.load(contentsOf: missing) }
        XCTAssertEqual(error?.kind, .modelNotFound)
        XCTAssertEqual(error?.recovery, .provideModel)
        XCTAssertEqual(error?.isRetryable, false)
    }

    func test_a_damaged_model_is_refused() async throws {
        let damaged = URL(fileURLWithPath: try ready.damaged)
        let error = await error { try await UhlmEngine.load(contentsOf: damaged) }
        XCTAssertEqual(error?.kind, .modelDamaged)
        XCTAssertEqual(error?.recovery, .downloadAgain)
    }

    func test_another_vocabulary_is_refused() async throws {
        let session = try await pair(at: try ready.parrotServer)
        let question = try ready.questions[0]
        var committed = 0
        let error = await error {
            for try await event in session.generate(question) {
                if case .committed = event { committed += 1 }
            }
        }
        XCTAssertEqual(error?.kind, .vocabularyMismatch)
        XCTAssertEqual(error?.recovery, .chooseAnotherModel)
        XCTAssertEqual(committed, 0)
    }

    func test_a_wrong_certificate_is_refused() async throws {
        let (server, other) = (try ready.server, try ready.guarded)
        let place = Fixture.Place(url: server.url, fingerprint: other.fingerprint, token: nil)
        let verifier = try verifier(place)
        let session = try await engine(try ready.draft).openSession(verifier: verifier, options: options(.exact))
        let question = try ready.questions[0]
        for error in [
            await error(of: { try await session.respond(to: question) }),
            await error(of: { try await verifier.info() }),
        ] {
            XCTAssertEqual(error?.kind, .untrusted)
            XCTAssertEqual(error?.recovery, .checkEndpoint)
        }
    }

    func test_a_refused_token_is_unauthorized() async throws {
        let asked = Locked<[Bool]>([])
        let verifier = try verifier(try ready.guarded) { refresh in
            asked.withLock { $0.append(refresh) }
            return "not-the-token"
        }
        let error = try await answer(of: verifier)
        XCTAssertEqual(error?.kind, .unauthorized)
        XCTAssertEqual(error?.recovery, .signIn)
        XCTAssertEqual(asked.withLock { $0 }, [false, true])
        // A refresh that brings the right one is all it takes.
        let token = try XCTUnwrap(try ready.guarded.token)
        let renewed = try self.verifier(try ready.guarded) { refresh in refresh ? token : "stale-token" }
        let session = try await engine(try ready.draft).openSession(verifier: renewed, options: options(.exact))
        let reply = try await session.respond(to: try ready.questions[0])
        XCTAssertFalse(reply.text.isEmpty)
    }

    func test_a_token_provider_that_throws_is_an_error_not_a_crash() async throws {
        let denied = try verifier(try ready.guarded) { _ in throw TokenError.Denied(reason: "signed out") }
        let unauthorized = try await answer(of: denied)
        XCTAssertEqual(unauthorized?.kind, .unauthorized)
        XCTAssertEqual(unauthorized?.recovery, .signIn)

        struct Own: Error {}
        let failing = try verifier(try ready.guarded) { _ in throw Own() }
        let offline = try await answer(of: failing)
        XCTAssertEqual(offline?.kind, .offline)
        XCTAssertEqual(offline?.isRetryable, true)
    }

    func test_what_a_token_provider_throws_is_not_repeated() async throws {
        struct Own: Error { let token: String }
        final class Throwing: TokenProvider {
            private let own: Own

            init(_ own: Own) {
                self.own = own
            }

            func token(refresh: Bool) async throws -> String { throw own }
        }
        let place = try ready.guarded
        let token = try XCTUnwrap(place.token)
        let options = RemoteOptions(endpoint: place.url, trust: .fingerprint(sha256: place.fingerprint))
        let error = try await answer(of: UhlmVerifier(options: options, tokens: Throwing(Own(token: token))))
        XCTAssertEqual(error?.kind, .offline)
        XCTAssertEqual(error.map { String(reflecting: $0).contains(token) }, false)
    }

    private func answer(of verifier: UhlmVerifier) async throws -> UhlmError? {
        let options = try options(.exact, offline: .fail)
        let session = try await engine(try ready.draft).openSession(verifier: verifier, options: options)
        let question = try ready.questions[0]
        return await error { try await session.respond(to: question) }
    }

    func test_use_after_close_is_an_error() async throws {
        let session = try await alone(try ready.draft)
        let question = try ready.questions[0]
        session.shutDown()
        session.shutDown()
        let calls: [@Sendable () async throws -> Void] = [
            { for try await _ in session.generate(question) {} },
            { for try await _ in session.generateText(question) {} },
            { _ = try await session.respond(to: question) },
            { _ = try session.start(prompt: .chat(text: question), options: GenerationOptions()) },
            { _ = try session.messages() },
            { try session.setMessages(messages: []) },
            { try session.reset() },
            { _ = try session.status() },
            { try await session.saveCalibration(path: "unused") },
        ]
        for (index, call) in calls.enumerated() {
            let error = await error(of: call)
            XCTAssertEqual(error?.kind, .sessionClosed, "call \(index)")
            XCTAssertEqual(error?.recovery, .openAgain)
        }
        for await status in session.statuses { XCTFail("\(status)") }
    }

    func test_a_busy_server_is_not_out_of_reach() async throws {
        let models = try ready.models
        let verifier = try UhlmVerifier(
            options: RemoteOptions(endpoint: models.busyVerifier, trust: .pem(roots: models.roots)))
        let (draft, question) = (try await engine(try ready.draft), try ready.questions[0])
        func open(_ offline: OfflinePolicy) async throws -> UhlmSession {
            try await draft.openSession(verifier: verifier, options: options(.exact, offline: offline))
        }
        let failing = try await open(.fail)
        for error in [
            await error(of: { try await verifier.info() }),
            await error(of: { try await failing.respond(to: question) }),
        ] {
            XCTAssertEqual(error?.kind, .serverBusy)
            XCTAssertEqual(error?.recovery, .tryAgain)
            XCTAssertEqual(error?.isRetryable, true)
        }
        let session = try await open(.goOn)
        let seen = try await collect(session.generate(question))
        XCTAssertTrue(seen.states.contains { $0.link != .online && $0.cause == .busy }, "\(seen.states)")
        XCTAssertEqual(try session.status().cause, .busy)
    }
}
