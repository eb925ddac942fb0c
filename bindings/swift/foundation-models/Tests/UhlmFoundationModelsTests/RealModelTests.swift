import Foundation
import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

/// Against the real library, its small models and a real verifier.
final class RealModelTests: XCTestCase {
    private struct Person: Decodable {
        let name: String
        let age: Int
    }

    private func verifier(_ ready: Fixture.Ready) throws -> UhlmVerifier {
        try UhlmVerifier(
            options: RemoteOptions(
                endpoint: ready.server.url, trust: .fingerprint(sha256: ready.server.fingerprint)))
    }

    func test_a_reply_to_a_schema_is_a_value_of_it_alone_and_with_the_verifier() async throws {
        let ready = try Fixture.ready
        let engine = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: ready.draft))
        let person = try schema(
            #"""
            {"type": "object", "x-order": ["name", "age"], "additionalProperties": false, "required": ["age", "name"],
            "properties": {"age": {"type": "integer", "minimum": 0, "maximum": 99},
            "name": {"type": "string", "maxLength": 8}}}
            """#)
        for mode in [Mode.deviceOnly, .exact] {
            let model = UhlmLanguageModel(
                engine: engine, verifier: mode == .exact ? try verifier(ready) : nil,
                options: SessionOptions(mode: mode, consent: .conversation))
            let events = try await respond(model, to: request([prompt("Mara is 31.")], schema: person))
            let json = events.compactMap(\.response?.text).joined()
            let value = try JSONDecoder().decode(Person.self, from: Data(json.utf8))
            XCTAssertTrue((0...99).contains(value.age) && value.name.count <= 8, json)
            XCTAssertTrue(json.hasPrefix(#"{"name": "#), json)
            XCTAssertGreaterThan(events.last?.response?.usage?.output.totalTokenCount ?? 0, 0)
        }
    }

    func test_a_schema_that_is_none_is_refused_before_the_first_token() async throws {
        let ready = try Fixture.ready
        let engine = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: ready.draft))
        let model = UhlmLanguageModel(engine: engine, options: SessionOptions(mode: .deviceOnly))
        let error = await failure(model, to: try request([prompt("Hi")], schema: schema(#"{"type": "nonsense"}"#)))
        guard case LanguageModelError.unsupportedGenerationGuide? = error else {
            return XCTFail("\(String(describing: error))")
        }
    }

    func test_a_call_that_is_required_comes_and_keeps_to_the_tool_s_schema() async throws {
        let ready = try Fixture.ready
        let engine = try await UhlmEngine.load(contentsOf: URL(fileURLWithPath: ready.draft))
        let tool = Transcript.ToolDefinition(
            name: "get_weather", description: "Tells the weather.",
            parameters: try schema(
                #"""
                {"type": "object", "x-order": ["city"], "additionalProperties": false, "required": ["city"],
                "properties": {"city": {"enum": ["Paris", "Rome"]}}}
                """#))
        let options = FoundationModels.GenerationOptions(toolCallingMode: .required)
        let model = UhlmLanguageModel(engine: engine, options: SessionOptions(mode: .deviceOnly))
        let events = try await respond(model, to: request([prompt("Hi")], tools: [tool], options: options))
        let call = try XCTUnwrap(events.compactMap(\.toolCalls?.call).first)
        XCTAssertEqual(call.name, "get_weather")
        let arguments = try JSONDecoder().decode([String: String].self, from: Data(call.action.arguments.utf8))
        XCTAssertTrue(["Paris", "Rome"].contains(arguments["city"]), "\(arguments)")
    }

    func test_a_call_and_its_output_make_a_round() async throws {
        let ready = try Fixture.ready
        let template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
        let caller = try await UhlmEngine.load(
            options: ModelOptions(path: ready.caller, chatTemplate: template))
        let model = UhlmLanguageModel(engine: caller, options: SessionOptions(mode: .deviceOnly))
        let tool = Transcript.ToolDefinition(
            name: "get_weather", description: "Tells the weather.", parameters: try schema(#"{"type": "object"}"#))
        let first = try await respond(model, to: request([prompt("weather?")], tools: [tool]))
        let call = try XCTUnwrap(first.compactMap(\.toolCalls?.call).first)
        XCTAssertEqual([call.name, call.action.arguments], ["get_weather", #"{"city": "Paris"}"#])
        let said = first.compactMap(\.response?.text).joined()
        let arguments = try GeneratedContent(json: call.action.arguments)
        let second = try await respond(
            model,
            to: request(
                [
                    prompt("weather?"), response(said),
                    .toolCalls(.init([Transcript.ToolCall(id: call.id, toolName: call.name, arguments: arguments)])),
                    .toolOutput(.init(id: call.id, toolName: call.name, segments: text("sunny"))),
                ],
                tools: [tool]))
        // This model calls in every reply.
        XCTAssertEqual(second.compactMap(\.toolCalls?.call).map(\.name), ["get_weather"])
        XCTAssertNotEqual(second.compactMap(\.toolCalls?.call).map(\.id), [call.id])
    }
}
