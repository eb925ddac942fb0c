import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

/// The session's tools, which the framework runs.
final class ToolCallingTests: XCTestCase {
    private let parameters = #"{"type": "object", "properties": {"city": {"type": "string"}}}"#

    private func weather() throws -> Transcript.ToolDefinition {
        Transcript.ToolDefinition(
            name: "get_weather", description: "Tells the weather.", parameters: try schema(parameters))
    }

    private func output(_ id: String, _ words: String) -> Transcript.Entry {
        .toolOutput(.init(id: id, toolName: "get_weather", segments: text(words)))
    }

    private func calls(_ id: String, _ arguments: String) throws -> Transcript.Entry {
        let arguments = try GeneratedContent(json: arguments)
        return .toolCalls(.init([Transcript.ToolCall(id: id, toolName: "get_weather", arguments: arguments)]))
    }

    func test_the_model_is_told_of_the_tools_and_its_calls_are_sent_on() async throws {
        let session = FakeSession([
            committed("I will look."), committed(""), committed(""), called("a1", "get_weather", #"{"city": "Paris"}"#),
            committed(""), called("a2", "get_weather", "{}"), finished(.toolCalls, "I will look."),
        ])
        let events = try await respond(model(session), to: request([prompt("Weather?")], tools: [weather()]))
        let asked = try XCTUnwrap(session.options.first).tools
        XCTAssertEqual(asked.definitions.map(\.name), ["get_weather"])
        XCTAssertEqual(asked.definitions.map(\.description), ["Tells the weather."])
        XCTAssertEqual(asked.definitions.map(\.parameters), [try schema(parameters).jsonText()])
        // The framework runs them: the generation ends with the calls.
        XCTAssertNil(asked.usage)
        XCTAssertEqual(events.compactMap(\.response?.text), ["I will look."])
        let called = events.compactMap(\.toolCalls?.call)
        XCTAssertEqual(called.map(\.id), ["a1", "a2"])
        XCTAssertEqual(called.map(\.action.arguments), [#"{"city": "Paris"}"#, "{}"])
        XCTAssertEqual(called.map(\.action.tokenCount), [2, 1])
        XCTAssertEqual(Set(events.filter { $0.toolCalls != nil }.map(\.entryID)).count, 1)
        XCTAssertEqual(events.last?.toolCalls?.usage?.output.totalTokenCount, 3)
    }

    func test_the_outputs_of_tools_are_what_the_model_goes_on_with() async throws {
        let session = FakeSession([finished(.endOfReply)])
        try await respond(
            model(session),
            to: request(
                [
                    prompt("Weather?"), response("I will look."), calls("a1", #"{"city": "Paris"}"#),
                    output("a1", "sunny"), response("Sunny."), prompt("And now?"), calls("a2", "{}"),
                    output("a2", "rain"),
                ],
                tools: [weather()]))
        let call = { (id: String, arguments: String) in ToolCall(id: id, name: "get_weather", arguments: arguments) }
        XCTAssertEqual(
            session.history,
            [
                Message(role: .user, content: "Weather?"),
                Message(
                    role: .assistant, content: "I will look.", toolCalls: [call("a1", #"{"city": "Paris"}"#)]),
                Message(role: .tool, content: "sunny", toolCallId: "a1", toolName: "get_weather"),
                Message(role: .assistant, content: "Sunny."), Message(role: .user, content: "And now?"),
                Message(role: .assistant, content: "", toolCalls: [call("a2", "{}")]),
            ])
        XCTAssertEqual(
            session.prompts,
            [.toolResults(results: [ToolResult(id: "a2", name: "get_weather", content: "rain")])])
    }

    func test_a_reply_with_a_schema_calls_nothing_and_shows_the_schema_where_the_person_asked() async throws {
        let session = FakeSession([finished(.endOfReply, isWhole: true)])
        let entries = [prompt("Weather?"), try calls("a1", "{}"), output("a1", "sunny")]
        try await respond(model(session), to: request(entries, tools: [weather()], schema: schema(parameters)))
        XCTAssertEqual(session.options.first?.tools.definitions, [])
        XCTAssertNotNil(session.options.first?.grammar)
        XCTAssertTrue(session.history[0].content.hasPrefix("Weather?\n\nAnswer with JSON"), "\(session.history)")
    }

    func test_tools_are_offered_required_or_left_out_as_the_request_says() async throws {
        let session = FakeSession([finished(.endOfReply, isWhole: true)])
        for mode in [FoundationModels.GenerationOptions.ToolCallingMode.allowed, .required, .disallowed] {
            try await respond(
                model(session),
                to: request([prompt("Hi")], tools: [weather()], options: .init(toolCallingMode: mode)))
        }
        XCTAssertEqual(session.options.map(\.tools.definitions.count), [1, 1, 0])
        XCTAssertEqual(session.options.map(\.tools.choice), [nil, .required, nil])
        // A call that is required goes before the schema.
        let both = try request(
            [prompt("Hi")], tools: [weather()], schema: schema(parameters), options: .init(toolCallingMode: .required))
        try await respond(model(session), to: both)
        XCTAssertNil(session.options.last?.grammar)
        XCTAssertEqual(session.options.last?.tools.choice, .required)
    }

    func test_what_only_looks_like_a_call_is_an_empty_reply_and_no_call() async throws {
        let session = FakeSession([
            committed(""), .malformedToolCall(raw: "{", reason: "it is no JSON"), finished(.endOfReply),
        ])
        let events = try await respond(model(session), to: request([prompt("Hi")], tools: [weather()]))
        XCTAssertEqual(events.compactMap(\.response?.text), [""])
        XCTAssertEqual(events.compactMap(\.toolCalls), [])
    }
}
