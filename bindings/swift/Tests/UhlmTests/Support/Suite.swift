import Foundation
import XCTest

@testable import Uhlm

/// What the tests against the real library share: the fixture, loaded models, and options that leave nothing to chance.
class Suite: XCTestCase {
    /// Clears the weather before each test, whatever the one before left.
    override func setUp() async throws {
        try Fixture.shared.get().weather(.clear)
    }

    var fixture: Fixture {
        get throws { try Fixture.shared.get() }
    }

    var ready: Fixture.Ready {
        get throws { try fixture.ready }
    }

    func engine(_ path: String) async throws -> UhlmEngine {
        try await Models.shared.engine(path)
    }

    func verifier(
        _ place: Fixture.Place, token: (@Sendable (Bool) async throws -> String)? = nil
    ) throws -> UhlmVerifier {
        let options = RemoteOptions(endpoint: place.url, trust: .fingerprint(sha256: place.fingerprint))
        return if let token { try UhlmVerifier(options: options, token: token) } else {
            try UhlmVerifier(options: options)
        }
    }

    /// Greedy, and with the draft model alone.
    func alone(_ path: String) async throws -> UhlmSession {
        try await engine(path).openSession(options: options(.deviceOnly))
    }

    /// Greedy, with the draft and the target of the demo pair.
    func pair(_ options: SessionOptions? = nil, at place: Fixture.Place? = nil) async throws -> UhlmSession {
        let ready = try ready
        let options = try options ?? self.options(.exact)
        return try await engine(ready.draft)
            .openSession(verifier: verifier(place ?? ready.server), options: options)
    }

    /// Windows of a fixed length, no drafting ahead and one thread, so that two runs do the same; a busy machine is
    /// waited for.
    func options(_ mode: Mode, offline: OfflinePolicy = .wait(seconds: limit)) throws -> SessionOptions {
        SessionOptions(
            mode: mode, sampling: SamplingParams(temperature: 0), calibrationPath: try ready.calibration,
            close: .fixed(tokens: 4), draftAhead: .off, offline: offline, threads: 1, seed: 7, consent: .conversation,
            link: LinkOptions(backOffSeconds: 0.02, maxBackOffSeconds: 0.1))
    }

    func isGenerating(_ session: UhlmSession) throws -> Bool {
        try session.status().generating
    }

    /// Asserts that a session which stopped generates again.
    func assertUsable(
        _ session: UhlmSession, _ prompt: Prompt, file: StaticString = #filePath, line: UInt = #line
    ) async throws {
        try await eventually("the session is free") { try !self.isGenerating(session) }
        let task = Task { try await session.respond(to: prompt, options: GenerationOptions(maxTokens: 3)) }
        let reply = try await value(of: task)
        XCTAssertGreaterThan(reply.statistics.tokens, 0, file: file, line: line)
        XCTAssertNotEqual(reply.finish, .cancelled, file: file, line: line)
    }
}

/// Each model is loaded once for all tests.
private actor Models {
    static let shared = Models()
    private var engines: [String: Task<UhlmEngine, any Error>] = [:]

    func engine(_ path: String) async throws -> UhlmEngine {
        let load = engines[path] ?? Task { try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: path)) }
        engines[path] = load
        return try await load.value
    }
}
