import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// The list of conversations, and what becomes of one that is left.
final class ConversationListTests: XCTestCase, @unchecked Sendable {
    @MainActor
    private func two(_ app: App) async throws -> (older: UUID, newer: UUID) {
        let questions = try Fixture.shared.ready.questions
        try await app.say(questions[0])
        let older = try app.chat.conversation.id
        app.model.startConversation()
        try await app.say(questions[1])
        return (older, try app.chat.conversation.id)
    }

    @MainActor
    func test_another_title_is_that_of_the_open_conversation_too_and_leaves_the_order_as_it_is() async throws {
        let app = try await App()
        let (older, newer) = try await two(app)
        await app.model.renameConversation(newer, to: " Sums\n")
        XCTAssertEqual(try app.chat.conversation.title, "Sums")
        XCTAssertTrue(try app.chat.conversation.transcript.hasPrefix("# Sums\n"))
        await app.model.renameConversation(older, to: "First")
        XCTAssertEqual(app.model.conversations.map(\.title), ["Sums", "First"])
        // A title of nothing is none.
        await app.model.renameConversation(older, to: " ")
        XCTAssertEqual(app.model.conversations.map(\.title), ["Sums", "First"])
        XCTAssertNil(app.model.problem)
        // What is said next is kept with it.
        try await app.say(Fixture.shared.ready.questions[2])
        let stored = try await app.stored()
        XCTAssertEqual(stored, try app.chat.conversation)
        XCTAssertEqual(stored.title, "Sums")
    }

    @MainActor
    func test_a_conversation_that_is_written_out_of_sight_has_its_new_title_when_it_comes_back() async throws {
        let app = try await App(Fixture.shared.ready.heavy)
        let chat = try await app.catchReply()
        app.model.startConversation()
        await app.model.renameConversation(chat.conversation.id, to: "Long")
        XCTAssertEqual(chat.conversation.title, "Long")
        chat.stop()
        await chat.settled()
        await app.model.openConversation(chat.conversation.id)
        XCTAssertEqual(try app.chat.conversation.title, "Long")
        XCTAssertEqual(app.model.conversations.map(\.title), ["Long"])
    }

    @MainActor
    func test_what_was_found_follows_what_is_removed_and_renamed() async throws {
        let app = try await App()
        let (older, newer) = try await two(app)
        await app.model.renameConversation(older, to: "apples")
        await app.model.renameConversation(newer, to: "apples, too")
        await app.model.search("APPLES")
        XCTAssertEqual(app.model.listed.map(\.id), [newer, older])
        await app.model.renameConversation(older, to: "pears")
        XCTAssertEqual(app.model.listed.map(\.id), [newer])
        await app.model.renameConversation(older, to: "more apples")
        XCTAssertEqual(app.model.listed.map(\.title), ["apples, too", "more apples"])
        await app.model.deleteConversation(newer)
        XCTAssertEqual(app.model.listed.map(\.title), ["more apples"])
    }

    @MainActor
    func test_what_was_typed_waits_in_its_conversation_while_others_are_looked_at() async throws {
        let app = try await App()
        let (older, newer) = try await two(app)
        try app.chat.input = "half a"
        await app.model.openConversation(older)
        XCTAssertEqual(try app.chat.input, "")
        let turn = try XCTUnwrap(app.chat.conversation.turns.first)
        try app.chat.edit(turn.id)
        try app.chat.input = "said in another way"
        app.model.startConversation()
        XCTAssertEqual(try app.chat.input, "")
        try app.chat.input = "not kept yet"
        let new = try app.chat
        // There is one new conversation: what was typed there stays.
        app.model.startConversation()
        XCTAssertTrue(try app.chat === new)
        await app.model.openConversation(newer)
        XCTAssertEqual(try app.chat.input, "half a")
        XCTAssertNil(try app.chat.editing)
        await app.model.openConversation(older)
        XCTAssertEqual(try app.chat.input, "said in another way")
        XCTAssertEqual(try app.chat.editing, 0)
        app.model.startConversation()
        XCTAssertEqual(try app.chat.input, "not kept yet")
        // What was sent is typed no more.
        try await app.say("Hello")
        app.model.startConversation()
        XCTAssertEqual(try app.chat.input, "")
        XCTAssertEqual(app.model.drafts.keys.compactMap(\.self).count, 2)
        await app.model.deleteConversation(newer)
        XCTAssertEqual(app.model.drafts.keys.compactMap(\.self), [older])
    }

    @MainActor
    func test_what_is_typed_while_a_reply_is_written_waits_too() async throws {
        let app = try await App(Fixture.shared.ready.heavy)
        let chat = try await app.catchReply()
        chat.input = "and then"
        app.model.startConversation()
        chat.stop()
        await chat.settled()
        try await eventually("it is let go") { !app.model.isWriting(chat.conversation.id) }
        await app.model.openConversation(chat.conversation.id)
        XCTAssertFalse(try app.chat === chat)
        XCTAssertEqual(try app.chat.input, "and then")
    }

    @MainActor
    func test_a_message_that_waits_for_consent_is_not_lost_where_another_conversation_is_opened() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        try await app.say(ready.questions[0], consent: .deviceOnly)
        let id = try app.chat.conversation.id
        let chat = try app.chat
        chat.input = ready.questions[1]
        chat.send()
        XCTAssertNotNil(chat.consentQuestion)
        app.model.startConversation()
        await app.model.openConversation(id)
        XCTAssertEqual(try app.chat.input, ready.questions[1])
        XCTAssertEqual(try app.chat.conversation.turns.count, 1)
    }

    func test_a_file_of_a_conversation_has_a_name_that_file_systems_take() {
        for (title, name) in [
            ("What is 2/3: \"more\"?", "What is 2 3 more.md"), ("Grüße 👩 _a-b_", "Grüße _a-b_.md"),
            ("../..", "conversation.md"), ("", "conversation.md"),
        ] {
            XCTAssertEqual(Conversation(title: title).fileName, name)
        }
    }
}
