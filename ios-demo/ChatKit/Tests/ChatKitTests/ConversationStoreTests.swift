import Foundation
import Uhlm
import XCTest

@testable import ChatKit

final class ConversationStoreTests: XCTestCase {
    private let folder = Result { try Folder() }

    private func store() throws -> ConversationStore {
        try ConversationStore(folder: folder.get().url)
    }

    private static let entries: [LogEntry] = [
        .question(id: UUID(), asked: Date(timeIntervalSince1970: 1), text: "Wie geht's? 漢字"),
        .piece(TextRun(text: "Gut", origin: .draft)),
        .piece(TextRun(text: ", 👩", origin: .draft)),
        .piece(TextRun(text: "\u{200D}👧", origin: .target)),
        .end(.complete, nil),
        .question(id: UUID(), asked: Date(timeIntervalSince1970: 2), text: "two\nlines"),
        .piece(TextRun(text: "a\nb \"c\"", origin: .unverified)),
    ]

    private func write(_ entries: [LogEntry], to store: ConversationStore) async throws -> Conversation {
        var conversation = Conversation(created: Date(timeIntervalSince1970: 0))
        try await store.add(conversation)
        for entry in entries {
            try await store.append(entry, to: conversation.id)
            conversation.apply(entry)
        }
        return conversation
    }

    func test_a_conversation_comes_back_as_it_was() async throws {
        let written = try await write(Self.entries, to: store())
        let read = try await store().conversation(written.id)
        XCTAssertEqual(read, written)
        XCTAssertEqual(read.turns[0].reply.runs.map(\.text), ["Gut, 👩", "\u{200D}👧"])
        XCTAssertEqual(read.title, "Wie geht's? 漢字")
        XCTAssertNil(read.turns[1].reply.end)
    }

    func test_a_file_that_is_cut_at_any_byte_reads_as_what_was_whole_by_then_and_can_be_written_on() async throws {
        let written = try await write(Self.entries, to: store())
        let file = try folder.get().url.appendingPathComponent("\(written.id.uuidString).chat")
        let whole = try Data(contentsOf: file)
        let head = try XCTUnwrap(whole.firstIndex(of: UInt8(ascii: "\n")))
        let all = written.turns.map(\.reply.text).joined(separator: "|")
        var known = ""
        for length in (head + 1)...whole.count {
            try whole.prefix(length).write(to: file)
            let store = try store()
            let read = try await store.conversation(written.id)
            let text = read.turns.map(\.reply.text).joined(separator: "|")
            XCTAssertTrue(Array(all.utf8).starts(with: text.utf8), "\(text)")
            XCTAssertGreaterThanOrEqual(text.utf8.count, known.utf8.count)
            known = text
            try await store.append(.question(id: UUID(), asked: Date(), text: "on"), to: written.id)
            let next = try await store.conversation(written.id)
            XCTAssertEqual(next.turns.last?.question, "on")
            XCTAssertGreaterThanOrEqual(next.turns.count, read.turns.count + 1)
        }
        XCTAssertEqual(known, all)
    }

    func test_compacting_changes_nothing_but_the_length() async throws {
        let store = try store()
        let written = try await write(Self.entries, to: store)
        let file = try folder.get().url.appendingPathComponent("\(written.id.uuidString).chat")
        let before = try Data(contentsOf: file).count
        try await store.compact(written.id)
        let read = try await store.conversation(written.id)
        XCTAssertEqual(read, written)
        XCTAssertLessThan(try Data(contentsOf: file).count, before)
        try await store.append(.piece(TextRun(text: "!", origin: .target)), to: written.id)
        let after = try await self.store().conversation(written.id)
        XCTAssertEqual(after.turns[1].reply.text, "a\nb \"c\"!")
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder.get().url.path).count, 1)
    }

    func test_words_that_an_earlier_version_called_resampled_or_bonus_were_written_by_the_server() async throws {
        let id = UUID()
        let turn = UUID()
        let lines = [
            #"{"head":{"id":"\#(id.uuidString)","created":0}}"#,
            #"{"question":{"id":"\#(turn.uuidString)","asked":1,"text":"Go"}}"#,
            #"{"piece":{"_0":{"text":"It","origin":"verified"}}}"#,
            #"{"piece":{"_0":{"text":" is","origin":"resampled"}}}"#,
            #"{"piece":{"_0":{"text":" so","origin":"bonus"}}}"#,
            #"{"piece":{"_0":{"text":", now","origin":"draft"}}}"#,
            #"{"piece":{"_0":{"text":" and then","origin":"of a later version"}}}"#,
        ]
        let store = try store()
        let file = try folder.get().url.appendingPathComponent("\(id.uuidString).chat")
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: file)
        let runs = [
            TextRun(text: "It", origin: .verified), TextRun(text: " is so", origin: .target),
            TextRun(text: ", now", origin: .draft), TextRun(text: " and then", origin: .unverified),
        ]
        let read = try await store.conversation(id)
        XCTAssertEqual(read.turns.map(\.reply.runs), [runs])
        // Written anew, it has the names of now.
        try await store.compact(id)
        let written = try String(contentsOf: file, encoding: .utf8)
        XCTAssertTrue(written.contains(#""origin":"target""#), written)
        XCTAssertFalse(written.contains("resampled") || written.contains("bonus"), written)
        let again = try await store.conversation(id)
        XCTAssertEqual(again, read)
    }

    func test_files_can_be_read_by_their_owner_only() async throws {
        let store = try store()
        let written = try await write(Self.entries, to: store)
        try await store.compact(written.id)
        let file = try folder.get().url.appendingPathComponent("\(written.id.uuidString).chat")
        let attributes = try FileManager.default.attributesOfItem(atPath: file.path)
        XCTAssertEqual((attributes[.posixPermissions] as? NSNumber)?.intValue, 0o600)
    }

    func test_the_list_has_titles_and_passes_over_what_is_no_conversation() async throws {
        let store = try store()
        let one = try await write(Self.entries, to: store)
        let two = try await write([.question(id: UUID(), asked: Date(), text: "Second")], to: store)
        try Data("nothing\n".utf8).write(to: folder.get().url.appendingPathComponent("broken.chat"))
        try await store.rename(one.id, to: "Other")
        let list = try await store.summaries()
        XCTAssertEqual(Set(list.map(\.title)), ["Other", "Second"])
        try await store.delete(two.id)
        let left = try await store.summaries()
        XCTAssertEqual(left.map(\.id), [one.id])
        do {
            _ = try await store.conversation(two.id)
            XCTFail("it is still there")
        } catch { XCTAssertEqual(error as? StoreFailure, .missing) }
    }

    func test_a_session_is_told_no_question_without_a_reply() {
        var conversation = Conversation()
        for entry in Self.entries { conversation.apply(entry) }
        conversation.apply(.question(id: UUID(), asked: Date(), text: "unanswered"))
        let messages = conversation.messages(system: "Be brief.")
        XCTAssertEqual(messages.map(\.role), [.system, .user, .assistant, .user, .assistant])
        XCTAssertFalse(messages.contains { $0.content == "unanswered" })
    }
}
