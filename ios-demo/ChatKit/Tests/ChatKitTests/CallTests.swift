import Foundation
import Uhlm
import XCTest

@testable import ChatKit

/// Calls of tools in a conversation, against the real library with a model that calls `get_weather` in every reply.
final class CallTests: XCTestCase, @unchecked Sendable {
    @MainActor
    private final class Surroundings: ChatHost {
        var settings = ChatSettings()
        var deviceState = DeviceState()
        var tools: [Tool] = []
        let store: ConversationStore
        let folder: Folder
        private let engine: UhlmEngine

        init() async throws {
            folder = try Folder()
            store = try ConversationStore(folder: folder.url)
            let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
            engine = try await UhlmEngine.load(
                options: ModelOptions(path: Fixture.shared.ready.caller, chatTemplate: template))
            settings.usesTools = true
            settings.maxTokens = 200
        }

        func openSession(consent: Consent) async throws -> any UhlmSessionProtocol {
            try await engine.openSession(options: SessionOptions(mode: .deviceOnly))
        }

        func conversationChanged(_ id: UUID) async {}
        func agree(to server: String) {}

        func chat() -> ChatModel { ChatModel(Conversation(), isStored: false, store: store, host: self) }
    }

    private func weather(_ run: @escaping @Sendable (String) async throws -> String) -> Tool {
        Tool(
            name: "get_weather", description: "Tells the weather.",
            parameters: #"{"type": "object", "properties": {"city": {"type": "string"}}}"#, run: run)
    }

    @MainActor
    private func calls(_ chat: ChatModel) -> [Call] {
        chat.conversation.turns.flatMap(\.reply.asked).compactMap { if case .call(let call) = $0 { call } else { nil } }
    }

    @MainActor
    private func answerEach(_ chat: ChatModel, _ allowed: [Bool]) async throws {
        for isAllowed in allowed {
            try await eventually("it asks") { chat.callQuestion != nil || chat.phase == .idle }
            guard let question = chat.callQuestion else { return XCTFail("nothing was asked") }
            XCTAssertEqual(question.call.values, "city: Paris")
            XCTAssertFalse(question.mayBeSent)
            chat.answerCall(question.id, isAllowed: isAllowed)
            // Late words change nothing.
            chat.answerCall(question.id, isAllowed: !isAllowed)
        }
    }

    @MainActor
    func test_the_person_is_asked_and_what_is_allowed_and_refused_is_kept() async throws {
        let surroundings = try await Surroundings()
        surroundings.tools = [weather { _ in "sunny" }]
        let chat = surroundings.chat()
        chat.input = "weather?"
        chat.send()
        try await answerEach(chat, [true, false])
        try await eventually("a third call waits") { chat.callQuestion != nil }
        chat.stop()
        await chat.settled()
        XCTAssertNil(chat.callQuestion)
        XCTAssertNil(chat.problem)
        let calls = calls(chat)
        XCTAssertEqual(calls.map(\.answer?.kind), [.given, .refused, nil])
        XCTAssertEqual(calls[0].answer?.content, "sunny")
        XCTAssertEqual(calls.map(\.round), [0, 1, 2])
        XCTAssertEqual(chat.conversation.turns[0].reply.end, .stopped)
        let stored = try await surroundings.store.conversation(chat.conversation.id)
        XCTAssertEqual(stored, chat.conversation)
        try await surroundings.store.compact(stored.id)
        let compact = try await surroundings.store.conversation(stored.id)
        XCTAssertEqual(compact, stored)
        // Words stand before their call.
        let lines = stored.transcript.split(separator: "\n").map(String.init)
        XCTAssertEqual(
            Array(lines.dropFirst(2).prefix(4)),
            [
                "I will look.", "- `Asked the tool “get_weather”: sunny`", "I will look.",
                "- `The tool “get_weather” was not allowed.`",
            ])
        XCTAssertEqual(stored.turns[0].reply.words.components(separatedBy: "\n\n").first, "I will look.")
    }

    @MainActor
    func test_without_asking_tools_run_until_the_model_has_had_its_rounds() async throws {
        struct Broken: Error {}
        let surroundings = try await Surroundings()
        surroundings.settings.asksBeforeTools = false
        surroundings.tools = [weather { _ in throw Broken() }]
        let chat = surroundings.chat()
        chat.input = "weather?"
        chat.send()
        await chat.settled()
        XCTAssertNil(chat.problem)
        let calls = calls(chat)
        XCTAssertEqual(calls.first?.answer, Answer(content: "Error: the tool failed", kind: .failed))
        XCTAssertGreaterThan(calls.count, 2)
        XCTAssertEqual(chat.conversation.turns[0].reply.note == nil, chat.conversation.turns[0].reply.end == .complete)
        // The next session is told all of it: no call is without a result, and person and model take turns.
        let messages = chat.conversation.messages(system: "")
        XCTAssertEqual(messages.prefix(4).map(\.role), [.user, .assistant, .tool, .assistant])
        XCTAssertEqual(messages.last?.role, .assistant)
        XCTAssertEqual(messages[1].toolCalls.map(\.id), [calls[0].id])
        XCTAssertEqual(messages[2].toolCallId, calls[0].id)
        let session = try await surroundings.openSession(consent: .withheld)
        try session.setMessages(messages: messages)
        let next = try await session.respond(to: "And now?", options: GenerationOptions(maxTokens: 8))
        XCTAssertFalse(next.text.isEmpty)
    }

    @MainActor
    func test_tools_are_off_unless_the_person_wants_them() async throws {
        let surroundings = try await Surroundings()
        surroundings.tools = [weather { _ in "sunny" }]
        surroundings.settings.usesTools = false
        let chat = surroundings.chat()
        chat.input = "weather?"
        chat.send()
        await chat.settled()
        XCTAssertEqual(calls(chat), [])
        XCTAssertFalse(chat.conversation.usedTools)
        XCTAssertFalse(ChatSettings().usesTools)
        XCTAssertTrue(ChatSettings().asksBeforeTools)
    }

    @MainActor
    func test_a_call_that_cannot_be_read_is_shown_and_harms_nothing() async throws {
        let (events, text) = (
            [
                GenerationEvent.committed(token: TokenText(id: 1, text: "Hm. ", uncertainty: nil), origin: .draft),
                .malformedToolCall(raw: "<tool_call>{", reason: "the JSON ends too early"),
                .committed(token: TokenText(id: 2, text: "So.", uncertainty: nil), origin: .draft),
            ], "Hm. So."
        )
        let surroundings = try await Surroundings()
        let host = OneSession(RecordingSession(events + [ended(text)]))
        let chat = ChatModel(Conversation(), isStored: false, store: surroundings.store, host: host)
        chat.input = "weather?"
        chat.send()
        await chat.settled()
        XCTAssertNil(chat.problem)
        let reply = try XCTUnwrap(chat.conversation.turns.last).reply
        XCTAssertEqual(reply.text, text)
        XCTAssertEqual(
            reply.asked, [.miscall(Miscall(at: 4, text: "<tool_call>{", reason: "the JSON ends too early"))])
        XCTAssertEqual(reply.words, "Hm.\n\nSo.")
        let said = say("tools.malformed")
        XCTAssertTrue(chat.conversation.transcript.hasSuffix("\n\nHm.\n\n- `\(said)`\n\nSo.\n"))
        // Models are not told of it again.
        XCTAssertEqual(chat.conversation.messages(system: "").map(\.content), ["weather?", text])
        let stored = try await surroundings.store.conversation(chat.conversation.id)
        XCTAssertEqual(stored, chat.conversation)
    }

    @MainActor
    func test_consent_says_what_tools_answer() async throws {
        let ready = try Fixture.shared.ready
        let app = try await App(server: ready.server)
        func mentions(_ usesTools: Bool) throws -> Bool? {
            app.model.preferences.settings.usesTools = usesTools
            let chat = try app.chat
            chat.input = ready.questions[0]
            chat.send()
            defer { chat.answer(.cancel) }
            return chat.consentQuestion?.mentionsTools
        }
        XCTAssertEqual(try mentions(false), false)
        XCTAssertEqual(try mentions(true), true)
    }

    @MainActor
    func test_the_question_says_whether_the_answer_may_be_sent_and_is_taken_back_with_the_reply() async throws {
        let server = "https://example.org"
        for (endpoint, isAlone, mayBeSent) in [(server, false, true), (server, true, false), ("", false, false)] {
            let asker = CallAsker()
            var settings = ChatSettings()
            settings.usesTools = true
            settings.endpoint = endpoint
            let box = try XCTUnwrap(asker.toolbox([], settings, isAlone: isAlone))
            let asked = Task { try await box.allows(call: ToolCall(id: "a", name: "calculate", arguments: "{}")) }
            try await eventually("it asks") { asker.question != nil }
            XCTAssertEqual(asker.question?.mayBeSent, mayBeSent)
            XCTAssertEqual(asker.question?.call.question, "Use the calculator?")
            asked.cancel()
            let isAllowed = try await asked.value
            XCTAssertFalse(isAllowed)
            XCTAssertNil(asker.question)
        }
    }

    @MainActor
    func test_a_call_that_waits_where_nobody_looks_is_told_with_its_conversation() async throws {
        let app = try await App()
        try await app.say(Fixture.shared.ready.questions[0])
        let chat = try app.chat
        XCTAssertNil(app.model.waitingCall(isChatSeen: false))
        var settings = ChatSettings()
        settings.usesTools = true
        let box = try XCTUnwrap(chat.asker.toolbox([], settings, isAlone: true))
        let asked = Task { try await box.allows(call: ToolCall(id: "a", name: "calculate", arguments: "{}")) }
        try await eventually("it asks") { chat.callQuestion != nil }
        // The sheet of what is on the screen is enough, unless another screen hides it.
        XCTAssertNil(app.model.waitingCall(isChatSeen: true))
        let waiting = try XCTUnwrap(app.model.waitingCall(isChatSeen: false))
        XCTAssertEqual(waiting.id, chat.conversation.id)
        XCTAssertEqual(waiting.text, say("tools.elsewhere", chat.conversation.title))
        // As it is for a reply that is written while another conversation is on the screen.
        app.model.startConversation()
        app.model.writing[waiting.id] = chat
        XCTAssertEqual(app.model.waitingCall(isChatSeen: true), waiting)
        XCTAssertTrue(app.model.asksToUseTool(waiting.id))
        await app.model.openConversation(waiting.id)
        XCTAssertTrue(try app.chat === chat)
        chat.answerCall("a", isAllowed: true)
        let isAllowed = try await asked.value
        XCTAssertTrue(isAllowed)
        XCTAssertNil(app.model.waitingCall(isChatSeen: false))
    }

    func test_calls_of_one_round_stay_together_when_the_file_is_written_anew() {
        var conversation = Conversation()
        for entry: LogEntry in [
            .question(id: UUID(), asked: Date(timeIntervalSince1970: 1), text: "Both?"),
            .piece(TextRun(text: "I look 👩\u{200D}", origin: .draft)),
            .called(id: "a", name: "calculate", arguments: "{}"),
            .called(id: "b", name: "current_time", arguments: "{}"),
            .answered(id: "b", content: "noon", kind: .given), .answered(id: "a", content: "no", kind: .refused),
            .called(id: "c", name: "current_time", arguments: "{}"),
            .piece(TextRun(text: "👧 again", origin: .draft)),
            .miscalled(text: "{", reason: "cut"), .called(id: "d", name: "calculate", arguments: "{}"),
        ] { conversation.apply(entry) }
        let reply = conversation.turns[0].reply
        XCTAssertEqual(reply.rounds.map { $0.map(\.id) }, [["a", "b"], ["c"], ["d"]])
        XCTAssertTrue(reply.waitsForTool)
        var again = Conversation(id: conversation.id, created: conversation.created)
        LogEntry.lines(of: conversation).forEach { again.apply($0) }
        XCTAssertEqual(again, conversation)
        XCTAssertEqual(reply.parts.count, 4)
        XCTAssertEqual(
            conversation.messages(system: "").map(\.role),
            [.user, .assistant, .tool, .tool, .assistant, .tool, .assistant, .tool, .assistant])
    }
}
