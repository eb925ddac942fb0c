import XCTest

@testable import Uhlm

/// Tools that a model calls, and who runs them.
final class ToolConformanceTests: Suite {
    private let schema = #"{"type": "object", "properties": {"city": {"type": "string"}}}"#

    /// A session of a model that calls `get_weather` in every reply.
    private func caller() async throws -> UhlmSession {
        let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
        let caller = try await UhlmEngine.load(
            options: ModelOptions(path: try ready.caller, chatTemplate: template))
        return try await caller.openSession(options: try options(.deviceOnly))
    }

    private func weather(_ run: @escaping @Sendable (String) async throws -> String) -> Tool {
        Tool(name: "get_weather", description: "Tells the weather.", parameters: schema, run: run)
    }

    private func once(_ box: Toolbox) -> GenerationOptions {
        var tools = box.tools
        tools.maxRounds = 1
        return GenerationOptions(tools: tools)
    }

    private func results(_ session: UhlmSession, _ options: GenerationOptions) async throws -> [ToolResult] {
        var results: [ToolResult] = []
        for try await event in session.generate("weather?", options: options) {
            if case .toolResult(let result) = event { results.append(result) }
        }
        return results
    }

    private func assertInvalid(_ session: UhlmSession, _ prompt: Prompt, _ options: GenerationOptions) async {
        do {
            _ = try await session.respond(to: prompt, options: options)
            XCTFail("it was not refused")
        } catch {
            XCTAssertEqual((error as? UhlmError)?.kind, .invalidOptions)
        }
    }

    func test_a_call_of_a_tool_ends_the_reply_and_its_result_goes_on() async throws {
        let session = try await caller()
        let definition = ToolDefinition(name: "get_weather", description: "Tells the weather.", parameters: schema)
        let manual = GenerationOptions(tools: Tools(definitions: [definition]))
        let first = try await session.respond(to: "weather?", options: manual)
        let call = try XCTUnwrap(first.toolCalls.first)
        XCTAssertEqual([call.name, call.arguments], ["get_weather", #"{"city": "Paris"}"#])
        XCTAssertEqual(first.text, "I will look.\n")
        XCTAssertEqual(first.finish, .toolCalls)
        let result = { (id: String) in ToolResult(id: id, name: "get_weather", content: "sunny") }
        await assertInvalid(session, .toolResults(results: [result("another")]), manual)
        var broken = manual
        broken.tools.definitions[0].parameters = "{"
        await assertInvalid(session, .chat(text: "again"), broken)
        let second = try await session.respond(to: .toolResults(results: [result(call.id)]), options: manual)
        XCTAssertEqual(second.toolCalls.map(\.name), ["get_weather"])
        XCTAssertEqual(try session.messages().map(\.role), [.user, .assistant, .tool, .assistant])
    }

    func test_tools_are_run_and_one_that_fails_is_a_result() async throws {
        struct Secret: Error {}
        let session = try await caller()
        let asked = Locked<[String]>([])
        let box = Toolbox([
            weather { arguments in
                let count = asked.withLock { asked in
                    asked.append(arguments)
                    return asked.count
                }
                if count == 2 { throw Secret() }
                return "sunny"
            }
        ])
        await assertInvalid(session, .chat(text: "weather?"), once(box))
        session.setToolRunner(runner: box)
        let told = try await results(session, once(box))
        XCTAssertEqual(asked.withLock { $0 }, [#"{"city": "Paris"}"#])
        XCTAssertEqual(told.map(\.content), ["sunny"])
        XCTAssertEqual(try session.messages()[2].content, "sunny")
        try session.reset()
        let failed = try await results(session, once(box))
        XCTAssertEqual(failed.map(\.content), ["Error: the tool failed"])
        XCTAssertEqual(failed.map(\.isFailure), [true])
    }

    func test_a_reply_is_a_call_where_it_has_to_be_one() async throws {
        let session = try await caller()
        let city = #""properties": {"city": {"const": "Rome"}}, "required": ["city"]"#
        let rome = #"{"type": "object", \#(city), "additionalProperties": false}"#
        let definition = ToolDefinition(name: "get_weather", description: "Tells the weather.", parameters: rome)
        let forced = { (choice: ToolChoice) in
            GenerationOptions(tools: Tools(definitions: [definition], choice: choice))
        }
        for choice in [ToolChoice.required, .named(name: "get_weather")] {
            try session.reset()
            let reply = try await session.respond(to: "weather?", options: forced(choice))
            XCTAssertEqual(reply.toolCalls.map(\.arguments), [#"{"city": "Rome"}"#])
            XCTAssertEqual(reply.text, "")
            XCTAssertEqual(reply.finish, .toolCalls)
        }
        try session.reset()
        await assertInvalid(session, .chat(text: "again"), forced(.named(name: "get_rich")))
    }

    func test_a_call_that_is_not_allowed_is_not_run() async throws {
        struct Ran: Error {}
        let session = try await caller()
        let box = Toolbox([weather { _ in throw Ran() }], ask: { $0.name != "get_weather" })
        session.setToolRunner(runner: box)
        let told = try await results(session, once(box))
        XCTAssertEqual(told.map(\.isFailure), [true])
        XCTAssertTrue(told.first?.content.contains("did not allow") ?? false, "\(told)")
    }
}
