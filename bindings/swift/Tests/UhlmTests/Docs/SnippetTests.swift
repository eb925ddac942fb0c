import Foundation
import XCTest

@testable import Uhlm

/// docs/swift.md says nothing that does not compile, and little that does not run.
final class SnippetTests: Suite {
    func test_every_snippet_of_the_page_is_compiled_here() throws {
        let here = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        let compiled = try String(contentsOf: here.appendingPathComponent("Snippets.swift"), encoding: .utf8)
        let root = (0..<5).reduce(here) { folder, _ in folder.deletingLastPathComponent() }
        let page = try String(contentsOf: root.appendingPathComponent("docs/swift.md"), encoding: .utf8)
        let snippets = page.components(separatedBy: "```swift\n").dropFirst().map {
            $0.components(separatedBy: "```")[0].replacingOccurrences(of: "import Uhlm\n\n", with: "")
        }
        XCTAssertGreaterThan(snippets.count, 6)
        for snippet in snippets {
            XCTAssertTrue(compiled.contains(snippet), "not in Snippets.swift:\n\(snippet)")
        }
    }

    func test_the_five_minute_start_runs() async throws {
        let ready = try ready
        try await chat(
            model: URL(fileURLWithPath: ready.draft), server: ready.server.url, fingerprint: ready.server.fingerprint)
    }

    func test_the_other_snippets_run() async throws {
        let ready = try ready
        let session = try await pair()
        let question = ready.questions[0]
        try await show(session, question)
        let text = try await answer(session, question)
        XCTAssertFalse(text.isEmpty)
        try session.reset()
        let (reply, again) = try await twice(session, question)
        XCTAssertEqual(reply, again)
        try session.reset()
        // The demo model calls nothing by itself.
        let dry = try await umbrella(session) { _ in "rain" }
        XCTAssertTrue(dry.hasPrefix("[]"), dry)
        let offline = failed(.offline, retryable: true, recovery: .waitForNetwork)
        XCTAssertEqual(explain(offline), "You are offline.")
        let damaged = failed(.engineFailed, recovery: .freeMemory)
        XCTAssertTrue(explain(damaged).hasPrefix("The model failed."))
        let tooLong = failed(.promptTooLong(tokens: 300, reply: 16, capacity: 256))
        XCTAssertTrue(explain(tooLong).contains("256"))
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let models = ready.models
        let model = try await download(
            models.whole, sha256: models.wholeSha256, into: folder, trust: .pem(roots: models.roots))
        XCTAssertEqual(model?.sha256, models.wholeSha256)
        let careful = try await careful(try await engine(ready.draft), try verifier(ready.server))
        let whole = try await careful.respond(to: question)
        XCTAssertFalse(whole.text.isEmpty)
        let watched = Task { await watch(session) }
        session.shutDown()
        try await value(of: Task { () throws in await watched.value })
    }

    func test_the_chat_of_the_page_shows_a_reply() async throws {
        let session = try await pair()
        let question = try ready.questions[0]
        let chat = Chat()
        await chat.send(question, to: session)
        try await eventually("it has written") {
            let text = await chat.text
            return try !text.isEmpty && !session.status().generating
        }
        await chat.stop()
        _ = try signedIn(to: try ready.guarded.url, Account { _ in "token" })
    }
}
