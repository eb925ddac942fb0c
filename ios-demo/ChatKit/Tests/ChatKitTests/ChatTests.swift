import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// Against the real library, the demo pair and a real server on loopback.
final class ChatTests: XCTestCase, @unchecked Sendable {
    @MainActor
    func test_a_reply_is_streamed_with_its_origins_and_kept() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        let reply = try await app.say(ready.questions[0], consent: .conversation)
        XCTAssertNil(try app.chat.problem)
        XCTAssertEqual(reply.end, .complete)
        XCTAssertFalse(reply.text.isEmpty)
        XCTAssertTrue(reply.runs.allSatisfy { [.verified, .target].contains($0.origin) }, "\(reply.runs)")
        let cost = try XCTUnwrap(reply.cost)
        XCTAssertGreaterThan(cost.bytes, 0)
        XCTAssertEqual(cost.shareAsked, 1)
        XCTAssertNotNil(cost.roundTrip)
        XCTAssertEqual(try app.chat.line?.parts.count, 5)
        let stored = try await app.stored()
        XCTAssertEqual(stored, try app.chat.conversation)
        XCTAssertEqual(stored.agreedTo, app.model.settings.server)
        XCTAssertEqual(app.model.conversations.map(\.title), [stored.title])
        XCTAssertEqual(try app.chat.tail.text, "")
    }

    @MainActor
    func test_text_of_many_scripts_arrives_whole() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(ready.parrot)
        // The parrot has no use for a template; its text does not depend on what is asked.
        let events = try await app.model.openSession(consent: .withheld)
            .generate(.raw(text: "go"), options: GenerationOptions(maxTokens: 512))
        var conversation = Conversation()
        var tail = ProvisionalTail()
        conversation.apply(.question(id: UUID(), asked: Date(), text: "go"))
        for try await event in events {
            if case .committed(let token, let origin) = event {
                conversation.apply(.piece(TextRun(text: token.text, origin: origin)))
            }
            tail.apply(event)
        }
        XCTAssertEqual(conversation.turns[0].reply.text, ready.parrotText)
    }

    @MainActor
    func test_rolled_back_text_never_enters_the_conversation() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        app.model.preferences.settings.temperature = 1
        for question in ready.questions.prefix(12) {
            let chat = try app.chat
            chat.input = question
            chat.send()
            if chat.consentQuestion != nil { chat.answer(.conversation) }
            var committed = ""
            repeat {
                let text = chat.conversation.turns.last?.reply.text ?? ""
                if chat.conversation.turns.last?.question == question {
                    XCTAssertTrue(text.hasPrefix(committed), "committed text was taken back")
                    committed = text
                }
                await Task.yield()
            } while chat.phase != .idle
            XCTAssertNil(chat.problem)
            let known = try await app.stored()
            XCTAssertEqual(known, chat.conversation)
        }
        // Twelve replies at temperature 1: the demo pair disagrees on about a fifth of the tokens. A word that stands
        // in the place of another one follows a rollback.
        XCTAssertTrue(try app.chat.conversation.turns.contains { $0.reply.runs.contains(where: \.corrected) })
    }

    @MainActor
    func test_stop_keeps_what_is_committed_and_the_next_message_works() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        let chat = try app.chat
        // Two at least: a reply of the demo model has some tens of tokens.
        chat.input = ready.questions[1]
        chat.send()
        try await eventually("a first word is there") { chat.conversation.turns.last?.reply.text.isEmpty == false }
        chat.stop()
        await chat.settled()
        let reply = try XCTUnwrap(chat.conversation.turns.last).reply
        XCTAssertTrue([.stopped, .complete].contains(reply.end), "\(String(describing: reply.end))")
        XCTAssertNil(chat.problem)
        let stored = try await app.stored()
        XCTAssertEqual(stored.turns.last?.reply, reply)
        let next = try await app.say(ready.questions[2])
        XCTAssertEqual(next.end, .complete)
    }

    @MainActor
    func test_stopping_a_model_that_is_still_loading_is_a_stopped_reply_that_can_be_tried_again() async throws {
        let app = try await App()
        let chat = try app.chat
        chat.input = "One"
        chat.send()
        chat.stop()
        await chat.settled()
        XCTAssertEqual(chat.conversation.turns.last?.reply.end, .stopped)
        XCTAssertNil(chat.problem)
        XCTAssertTrue(chat.canRetry)
        chat.retry()
        await chat.settled()
        XCTAssertEqual(chat.conversation.turns.count, 1)
        XCTAssertEqual(chat.conversation.turns[0].reply.end, .complete)
    }

    @MainActor
    func test_without_consent_the_person_is_asked_and_nothing_is_sent() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        let chat = try app.chat
        chat.input = ready.questions[0]
        chat.send()
        let question = try XCTUnwrap(chat.consentQuestion)
        XCTAssertEqual(question.endpoint, ready.server.url)
        XCTAssertTrue(question.allowsMessageAlone)
        XCTAssertEqual(chat.phase, .idle)
        XCTAssertTrue(chat.conversation.turns.isEmpty)
        chat.answer(.cancel)
        XCTAssertEqual(chat.input, ready.questions[0])

        let alone = try await app.say(ready.questions[0], consent: .deviceOnly)
        XCTAssertTrue(alone.runs.allSatisfy { $0.origin == .draft }, "\(alone.runs)")
        XCTAssertEqual(chat.conversation.sent, [])

        // What the device answered alone would go along, so one message cannot be agreed to any more.
        chat.input = ready.questions[1]
        chat.send()
        XCTAssertEqual(chat.consentQuestion?.allowsMessageAlone, false)
        XCTAssertEqual(chat.consentQuestion?.earlierTurns, 1)
        chat.answer(.conversation)
        await chat.settled()
        XCTAssertNil(chat.problem)
        let sent = chat.conversation.sent
        XCTAssertGreaterThan(sent.map(\.bytes).reduce(0, +), 0)
        XCTAssertTrue(sent.compactMap(\.text).joined().contains(ready.questions[1]))
        await chat.clearSent()
        XCTAssertEqual(chat.conversation.sent, [])
        let stored = try await app.stored()
        XCTAssertEqual(stored.sent, [])
    }

    @MainActor
    func test_the_record_of_what_was_sent_outlives_the_session_and_the_app() async throws {
        let ready = try Fixture.shared.ready
        let folder = try Folder()
        let one = try await App(server: ready.server, folder: folder)
        try await one.say(ready.questions[0], consent: .conversation)
        let id = try one.chat.conversation.id
        let sent = try one.chat.conversation.sent
        XCTAssertEqual(sent.first?.kind, .open)
        XCTAssertGreaterThan(sent.count, 1)
        // Another conversation: the session of this one ends.
        one.model.startConversation()
        await one.model.openConversation(id)
        XCTAssertEqual(try one.chat.conversation.sent, sent)
        let two = try await App(server: ready.server, folder: folder)
        await two.model.openConversation(id)
        let read = try two.chat.conversation.sent
        XCTAssertEqual(read.map(\.text), sent.map(\.text))
        // What is sent from now on comes behind it, once.
        try await two.say(ready.questions[1])
        let more = try two.chat.conversation.sent
        XCTAssertEqual(Array(more.prefix(read.count)), read)
        XCTAssertGreaterThan(more.count, read.count)
        XCTAssertEqual(Set(more.map(\.at)).count, more.count)
    }

    @MainActor
    func test_a_reply_is_written_to_its_end_while_another_conversation_is_on_the_screen() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        let first = try app.chat
        first.input = ready.questions[1]
        first.send()
        try await eventually("a first word is there") { first.conversation.turns.last?.reply.text.isEmpty == false }
        app.model.startConversation()
        XCTAssertTrue(app.model.isWriting(first.conversation.id))
        // It is the same one when it comes back, not what is on the disk so far.
        await app.model.openConversation(first.conversation.id)
        XCTAssertTrue(try app.chat === first)
        app.model.startConversation()
        let other = try await app.say(ready.questions[2])
        XCTAssertEqual(other.end, .complete)
        await first.settled()
        XCTAssertEqual(first.conversation.turns.last?.reply.end, .complete)
        XCTAssertNil(first.problem)
        try await eventually("it is over") { !app.model.isWriting(first.conversation.id) }
        await app.model.openConversation(first.conversation.id)
        XCTAssertEqual(try app.chat.conversation.turns.last?.reply, first.conversation.turns.last?.reply)
    }

    @MainActor
    func test_consent_for_one_message_after_the_other_is_asked_each_time() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        for question in ready.questions.prefix(2) {
            let reply = try await app.say(question, consent: .thisMessage)
            XCTAssertNil(try app.chat.problem)
            XCTAssertNil(try app.chat.consentQuestion)
            XCTAssertEqual(reply.end, .complete)
        }
        XCTAssertFalse(try app.chat.mayBeSent)
    }

    @MainActor
    func test_withdrawn_consent_is_asked_for_again() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        try await app.say(ready.questions[0], consent: .conversation)
        let before = try app.chat.conversation.sent
        try await app.chat.withdrawConsent()
        let chat = try app.chat
        chat.input = ready.questions[1]
        chat.send()
        XCTAssertNotNil(chat.consentQuestion)
        XCTAssertEqual(chat.conversation.sent, before)
        let stored = try await app.stored()
        XCTAssertNil(stored.agreedTo)
        XCTAssertTrue(stored.isWithdrawn)
    }

    @MainActor
    func test_offline_the_device_goes_on_and_its_words_are_unverified() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.weather)
        try await app.say(ready.questions[0], consent: .conversation)
        try Fixture.shared.weather(.resets)
        var unverified = false
        for question in ready.questions.dropFirst().prefix(6) where !unverified {
            let reply = try await app.say(question)
            XCTAssertEqual(reply.end, .complete)
            unverified = reply.runs.contains { $0.origin == .unverified }
        }
        XCTAssertTrue(unverified)
        let chat = try app.chat
        XCTAssertNil(chat.problem)
        XCTAssertNotEqual(chat.link, .online)
        XCTAssertTrue([.serverAway, .unsteady].contains(app.model.banner), "\(String(describing: app.model.banner))")

        try Fixture.shared.weather(.clear)
        app.model.becameActive()
        try await eventually("the banner is gone") { app.model.banner == nil }
    }

    @MainActor
    func test_where_the_person_wants_to_wait_the_reply_comes_with_the_connection() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.weather)
        app.model.preferences.settings.whenOffline = .wait
        try await app.say(ready.questions[0], consent: .conversation)
        try Fixture.shared.weather(.resets)
        let chat = try app.chat
        chat.input = ready.questions[1]
        chat.send()
        try await eventually("the failure is noticed") { app.model.banner != nil }
        XCTAssertEqual(chat.phase, .writing)
        try Fixture.shared.weather(.clear)
        app.model.becameActive()
        await chat.settled()
        XCTAssertNil(chat.problem)
        let reply = try XCTUnwrap(chat.conversation.turns.last).reply
        XCTAssertEqual(reply.end, .complete)
        XCTAssertTrue(reply.runs.allSatisfy { [.verified, .target].contains($0.origin) }, "\(reply.runs)")
        XCTAssertNil(app.model.banner)
    }

    @MainActor
    func test_where_offline_is_an_error_the_reply_can_be_tried_again() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.weather)
        app.model.preferences.settings.whenOffline = .fail
        try Fixture.shared.weather(.resets)
        let reply = try await app.say(ready.questions[0], consent: .conversation)
        let chat = try app.chat
        XCTAssertEqual(reply.end, .failed)
        XCTAssertEqual(chat.problem?.recovery, .waitForNetwork)
        try Fixture.shared.weather(.clear)
        app.model.becameActive()
        chat.retry()
        await chat.settled()
        XCTAssertNil(chat.problem)
        XCTAssertEqual(chat.conversation.turns.count, 1)
        XCTAssertEqual(chat.conversation.turns[0].reply.end, .complete)
    }

    @MainActor
    func test_a_server_that_wants_a_key_gets_it_and_says_so_without() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.guarded)
        try await app.say(ready.questions[0], consent: .conversation)
        let chat = try app.chat
        XCTAssertEqual(chat.problem?.recovery, .signIn)
        app.model.preferences.setSecret(.endpointKey, to: try XCTUnwrap(ready.guarded.token))
        app.model.keysChanged()
        chat.retry()
        await chat.settled()
        XCTAssertNil(chat.problem)
        XCTAssertEqual(chat.conversation.turns.last?.reply.end, .complete)
    }

    @MainActor
    func test_after_a_restart_the_conversation_goes_on() async throws {
        let ready = try Fixture.shared.ready
        let folder = try Folder()
        let one = try await App(server: ready.server, folder: folder)
        try await one.say(ready.questions[0], consent: .conversation)
        let first = try one.chat.conversation
        let two = try await App(server: ready.server, folder: folder)
        XCTAssertEqual(two.model.conversations.map(\.id), [first.id])
        await two.model.openConversation(first.id)
        XCTAssertEqual(try two.chat.conversation, first)
        // The whole conversation was agreed to before.
        let reply = try await two.say(ready.questions[1])
        XCTAssertNil(try two.chat.problem)
        XCTAssertEqual(reply.end, .complete)
        let session = try await two.stored()
        XCTAssertEqual(session.turns.count, 2)
        await two.model.deleteConversation(first.id)
        XCTAssertTrue(two.model.conversations.isEmpty)
        XCTAssertNotEqual(try two.chat.conversation.id, first.id)
    }

    @MainActor
    func test_without_a_model_the_app_says_so() async throws {
        let app = try await App()
        await app.model.deleteModel(app.model.settings.model)
        let reply = try await app.say("Hello?")
        XCTAssertEqual(reply.end, .failed)
        XCTAssertEqual(try app.chat.problem?.recovery, .provideModel)
    }

    @MainActor
    func test_a_server_that_was_agreed_to_is_not_asked_about_again_unless_it_is_taken_back() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        try await app.say(ready.questions[0], consent: .server)
        XCTAssertEqual(app.model.settings.agreedServers, [app.model.settings.server])
        app.model.startConversation()
        let reply = try await app.say(ready.questions[1])
        XCTAssertNil(try app.chat.problem)
        XCTAssertTrue(reply.runs.allSatisfy { [.verified, .target].contains($0.origin) }, "\(reply.runs)")
        try await app.chat.withdrawConsent()
        let chat = try app.chat
        chat.input = ready.questions[2]
        chat.send()
        XCTAssertNotNil(chat.consentQuestion)
        chat.answer(.cancel)

        // What was agreed for one server is nothing for another.
        app.model.startConversation()
        app.model.preferences.settings.endpoint = ready.weather.url
        app.model.preferences.settings.fingerprint = ready.weather.fingerprint
        let other = try app.chat
        other.input = ready.questions[0]
        other.send()
        XCTAssertNotNil(other.consentQuestion)
    }

    @MainActor
    func test_what_was_agreed_for_one_server_is_asked_about_for_another() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        try await app.say(ready.questions[0], consent: .conversation)
        app.model.preferences.settings.endpoint = ready.weather.url
        app.model.preferences.settings.fingerprint = ready.weather.fingerprint
        let chat = try app.chat
        chat.input = ready.questions[1]
        chat.send()
        XCTAssertEqual(chat.consentQuestion?.endpoint, ready.weather.url)
        // It would read what was agreed for the other one alone.
        XCTAssertEqual(chat.consentQuestion?.allowsMessageAlone, false)
    }

    @MainActor
    func test_a_message_is_edited_and_a_reply_written_again() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        for question in ready.questions.prefix(2) { try await app.say(question) }
        let chat = try app.chat
        let use = try XCTUnwrap(chat.use)
        XCTAssertGreaterThan(use.tokens, 0)
        XCTAssertFalse(chat.isNearlyFull)
        chat.edit(chat.conversation.turns[0].id)
        XCTAssertEqual(chat.input, ready.questions[0])
        chat.input = ready.questions[3]
        chat.send()
        await chat.settled()
        XCTAssertNil(chat.editing)
        XCTAssertEqual(chat.conversation.turns.map(\.question), [ready.questions[3]])
        let first = chat.conversation.turns[0].reply
        XCTAssertEqual(first.end, .complete)
        chat.retry()
        await chat.settled()
        XCTAssertEqual(chat.conversation.turns.count, 1)
        // At temperature 0, with the same messages before it, it is the same.
        XCTAssertEqual(chat.conversation.turns[0].reply.text, first.text)
        let stored = try await app.stored()
        XCTAssertEqual(stored, chat.conversation)
        XCTAssertTrue(stored.transcript.hasPrefix("# "))
        XCTAssertTrue(stored.transcript.contains("> \(ready.questions[3])\n\n\(first.text)"), stored.transcript)
    }

    @MainActor
    func test_conversations_are_found_by_what_was_said_in_them() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App()
        for question in ready.questions.prefix(2) {
            app.model.startConversation()
            try await app.say(question)
        }
        let all = app.model.conversations
        XCTAssertEqual(all.count, 2)
        XCTAssertEqual(app.model.listed, all)
        await app.model.search(ready.questions[0].uppercased())
        XCTAssertEqual(app.model.listed, [all[1]])
        await app.model.search("no such words")
        XCTAssertEqual(app.model.listed, [])
        await app.model.search(" ")
        XCTAssertEqual(app.model.listed, all)
    }
}
