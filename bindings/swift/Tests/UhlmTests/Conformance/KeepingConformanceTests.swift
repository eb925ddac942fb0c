import Foundation
import XCTest

@testable import Uhlm

/// `tests/conformance.md`: sessions that are saved and restored, and what is read ahead of a message.
final class KeepingConformanceTests: Suite {
    func test_a_saved_session_goes_on_where_it_stood() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("chat.uhlm")
        var alone = try options(.deviceOnly)
        alone.sampling = SamplingParams()
        let (engine, options, questions) = (try await engine(ready.draft), alone, try ready.questions)
        func restore() async throws -> UhlmSession {
            try await engine.restoreSession(path: file.path, options: options)
        }
        let missing = await error { try await restore() }
        XCTAssertEqual(missing?.kind, .savedSession(fault: .missing))
        let session = try await engine.openSession(options: options)
        let few = GenerationOptions(maxTokens: 60)
        _ = try await session.respond(to: questions[0], options: few)
        try await session.save(path: file.path)
        let restored = try await restore()
        XCTAssertEqual(try restored.messages(), try session.messages())
        let (found, expected) = (
            try await restored.respond(to: questions[1], options: few).text,
            try await session.respond(to: questions[1], options: few).text
        )
        XCTAssertEqual(found, expected)
        var bytes = try Data(contentsOf: file)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: file)
        let damaged = await error { try await restore() }
        XCTAssertEqual(damaged?.kind, .savedSession(fault: .damaged))
        session.shutDown()
        let closed = await error { try await session.save(path: file.path) }
        XCTAssertEqual(closed?.kind, .sessionClosed)
    }

    func test_what_is_known_is_read_ahead_of_a_message() async throws {
        var options = try options(.exact)
        options.instructions = String(repeating: "Answer in one short sentence. ", count: 8)
        let (cold, warm, question) = (try await pair(options), try await pair(options), try ready.questions[0])
        let tokens = try await warm.prewarm(beginning: "Please")
        XCTAssertGreaterThan(tokens, 30)
        let few = GenerationOptions(maxTokens: 40)
        let (reply, expected) = (
            try await warm.respond(to: question, options: few), try await cold.respond(to: question, options: few)
        )
        XCTAssertEqual(reply.text, expected.text)
        XCTAssertGreaterThan(reply.statistics.reusedTokens, 30)
        warm.shutDown()
        let closed = await error { try await warm.prewarm() }
        XCTAssertEqual(closed?.kind, .sessionClosed)
    }
}
