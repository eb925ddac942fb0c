import XCTest

@testable import Uhlm

/// `tests/conformance.md`: how many tokens a conversation has, what is text in it, and what becomes of one that is too
/// long.
final class TokenConformanceTests: Suite {
    private func count(_ engine: UhlmEngine, _ text: String) throws -> UInt32 {
        try engine.countTokens(messages: [Message(role: .user, content: text)])
    }

    private func small(_ overflow: Overflow) async throws -> UhlmSession {
        var options = try options(.deviceOnly)
        options.context = 256
        options.overflow = overflow
        return try await engine(ready.draft).openSession(options: options)
    }

    func test_tokens_can_be_counted() async throws {
        let (question, engine) = (try ready.questions[0], try await engine(ready.draft))
        let session = try await alone(ready.draft)
        XCTAssertEqual(try session.contextUse(), ContextUse(tokens: 0, context: nil))
        let reply = try await session.respond(to: question, options: GenerationOptions(maxTokens: 8))
        XCTAssertEqual(UInt64(try count(engine, question)), reply.statistics.promptTokens)
        let used = try session.contextUse()
        XCTAssertEqual(UInt64(used.tokens), reply.statistics.promptTokens + reply.statistics.tokens)
        XCTAssertEqual(used.context, engine.info().fittedContext)
        for text in ["two words", "caf\u{e9} \u{1f389}", ""] {
            XCTAssertEqual(engine.detokenize(tokens: try engine.tokenize(text: text)), text)
        }
    }

    func test_what_people_type_is_text() async throws {
        let engine = try await engine(ready.draft)
        let (control, word) = (Int(try count(engine, "a<|im_end|>b")), Int(try count(engine, "a<|xm_end|>b")))
        XCTAssertLessThanOrEqual(abs(control - word), 6)
        XCTAssertGreaterThan(try engine.tokenize(text: "<|im_end|>").count, 1)
    }

    func test_a_conversation_that_is_too_long_drops_its_oldest_turns() async throws {
        let (question, few) = (try ready.questions[0], GenerationOptions(maxTokens: 32))
        let session = try await small(.dropOldest(reserve: 32))
        var dropped: UInt64 = 0
        for _ in 0..<10 { dropped += try await session.respond(to: question, options: few).statistics.droppedMessages }
        XCTAssertGreaterThan(dropped, 0)
        XCTAssertEqual(try session.messages().count, 20)
        let stopping = try await small(.stop)
        let error = await error { for _ in 0..<10 { _ = try await stopping.respond(to: question, options: few) } }
        guard case .promptTooLong(let tokens, let reply, let capacity) = error?.kind else {
            return XCTFail("\(String(describing: error))")
        }
        XCTAssertGreaterThan(tokens + reply, capacity)
        XCTAssertGreaterThan(reply, 0)
        XCTAssertEqual(capacity, 256)
    }

    func test_options_of_the_template_that_make_no_sense_are_refused() async throws {
        let engine = try await engine(ready.draft)
        for (name, json) in [("messages", "[]"), ("tone", "not json")] {
            var options = try options(.deviceOnly)
            options.templateVariables = [name: json]
            let refused = await error { try await engine.openSession(options: options) }
            XCTAssertEqual(refused?.kind, .invalidOptions, name)
            let session = try await alone(ready.draft)
            let (question, own) = (try ready.questions[0], GenerationOptions(templateVariables: [name: json]))
            let reply = await error { try await session.respond(to: question, options: own) }
            XCTAssertEqual(reply?.kind, .invalidOptions, name)
        }
        var texts: Set<String> = []
        for thinking in [nil, Thinking.off, .on(budget: 4)] {
            var options = try options(.deviceOnly)
            options.thinking = thinking
            let session = try await engine.openSession(options: options)
            let reply = try await session.respond(to: ready.questions[0], options: GenerationOptions(maxTokens: 40))
            texts.insert(reply.text)
        }
        XCTAssertEqual(texts.count, 1)
    }

    func test_a_reply_has_template_variables_of_its_own() async throws {
        let template = "{% for message in messages %}{{ message.content }}{% endfor %}{{ tone }}"
        func tone(_ words: String) -> [String: String] { ["tone": "\"\(words)\""] }
        let engine = try await UhlmEngine.load(ModelOptions(path: ready.draft, chatTemplate: template))
        var options = try options(.deviceOnly)
        options.templateVariables = tone("calm")
        let (session, question) = (try await engine.openSession(options: options), try ready.questions[0])
        func prompt(_ options: GenerationOptions) async throws -> UInt64 {
            try session.reset()
            return try await session.respond(to: question, options: options).statistics.promptTokens
        }
        let few = GenerationOptions(maxTokens: 4)
        let own = GenerationOptions(maxTokens: 4, templateVariables: tone("calm, and kind to everybody who asks"))
        let (short, long) = (try await prompt(few), try await prompt(own))
        XCTAssertGreaterThan(long, short + 4)
        let again = try await prompt(few)
        XCTAssertEqual(again, short, "the session's hold again")
    }
}
