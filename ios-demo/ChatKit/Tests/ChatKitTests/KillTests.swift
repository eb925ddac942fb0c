import Foundation
import XCTest

@testable import ChatKit

/// A process that has no time to say goodbye.
final class KillTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_what_was_committed_is_there_after_kill_9_while_streaming() async throws {
        let ready = try Fixture.shared.ready
        let folder = try Folder()
        var interrupted = 0
        // Four that stand still in the middle of a reply, and two that are met wherever they are.
        for (pieces, isStill) in [(1, true), (2, true), (3, true), (5, true), (25, false), (60, false)] {
            let writer = try Writer(folder: folder.url, model: ready.draft, question: ready.questions[3])
            let told = try writer.killed(after: pieces, standingStill: isStill)
            let store = try ConversationStore(folder: folder.url.appendingPathComponent("conversations"))
            let kept = try await store.conversation(writer.conversation)
            let text = kept.turns.map(\.reply.text).joined(separator: "\u{1}")
            XCTAssertFalse(told.isEmpty)
            XCTAssertTrue(Data(text.utf8).starts(with: told), "told \(told.count) bytes, kept \(text.utf8.count)")
            if kept.turns.last?.reply.end == nil { interrupted += 1 }
        }
        XCTAssertGreaterThan(interrupted, 0)
        // The next start of the app lists all of them and goes on with the last.
        let app = try await App(folder: folder)
        XCTAssertEqual(app.model.conversations.count, 6)
        let last = try XCTUnwrap(app.model.conversations.first)
        await app.model.openConversation(last.id)
        let turns = try app.chat.conversation.turns.count
        let reply = try await app.say(ready.questions[4])
        XCTAssertEqual(reply.end, .complete)
        let stored = try await app.stored()
        XCTAssertEqual(stored.turns.count, turns + 1)
    }
}

/// The process that is killed.
private final class Writer {
    let conversation: UUID
    private let process = Process()
    private let lines: Lines
    private let input = Pipe()

    init(folder: URL, model: String, question: String) throws {
        let output = Pipe()
        process.executableURL = Bundle.main.bundleURL.appendingPathComponent("ChatKitWriter")
        if !FileManager.default.isExecutableFile(atPath: process.executableURL?.path ?? "") {
            // On a Mac the tests are in a bundle beside it.
            process.executableURL = Bundle(for: KillTests.self).bundleURL.deletingLastPathComponent()
                .appendingPathComponent("ChatKitWriter")
        }
        process.arguments = [folder.path, model, question]
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        lines = Lines(output.fileHandleForReading)
        conversation = try XCTUnwrap(lines.next().flatMap(UUID.init))
    }

    /// SIGKILL after so many lines; the text of the last line that was whole.
    func killed(after pieces: Int, standingStill: Bool) throws -> Data {
        let leaves = standingStill ? pieces - 1 : 10_000
        try input.fileHandleForWriting.write(contentsOf: Data(repeating: UInt8(ascii: "\n"), count: leaves))
        var last = Data()
        var count = 0
        while count < pieces, let line = lines.next() {
            last = try XCTUnwrap(Data(base64Encoded: line), line)
            count += 1
        }
        XCTAssertEqual(count, pieces)
        kill(process.processIdentifier, SIGKILL)
        // What it said until then counts, too.
        while let line = lines.next() { last = try XCTUnwrap(Data(base64Encoded: line), line) }
        process.waitUntilExit()
        XCTAssertEqual(process.terminationReason, .uncaughtSignal)
        XCTAssertEqual(process.terminationStatus, SIGKILL)
        return last
    }
}
