import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

/// Replies that keep to a schema.
final class GuidedGenerationTests: XCTestCase {
    /// As the framework encodes a type: the order of properties is told apart from them.
    private let person = #"""
        {"title": "Person", "type": "object", "x-order": ["name", "age"], "additionalProperties": false,
        "required": ["name", "age"], "properties": {"age": {"type": "integer", "minimum": 0},
        "name": {"$ref": "#/$defs/Name"}}, "$defs": {"Name": {"type": "string", "enum": ["b/c", "a\"b"]}}}
        """#
    private let written =
        ##"{"$defs": {"Name": {"enum": ["b/c", "a\"b"], "type": "string"}}, "additionalProperties": false, "##
        + ##""properties": {"name": {"$ref": "#/$defs/Name"}, "age": {"minimum": 0, "type": "integer"}}, "##
        + ##""required": ["name", "age"], "title": "Person", "type": "object"}"##

    func test_a_schema_is_the_grammar_of_the_reply_with_its_properties_in_their_order() async throws {
        let session = FakeSession([finished(.endOfReply, isWhole: true)])
        for _ in 0..<3 {
            try await respond(model(session), to: request([prompt("Mara is 31.")], schema: schema(person)))
        }
        // One text each time, whatever the order in which the framework encodes it.
        XCTAssertEqual(session.options.map(\.grammar), Array(repeating: .jsonSchema(schema: written), count: 3))
    }

    func test_names_and_values_that_look_like_keywords_stay_what_they_are() throws {
        let odd = #"""
            {"type": "object", "properties": {"x-order": {"const": {"z": 1.5, "x-order": [true]}},
            "properties": {"type": "array", "items": {"type": "object", "x-order": ["b", "a"],
            "properties": {"a": {}, "b": {"type": "boolean"}}}}}}
            """#
        XCTAssertEqual(
            try schema(odd).jsonText(),
            #"{"properties": {"properties": {"items": {"properties": {"b": {"type": "boolean"}, "a": {}}, "#
                + #""type": "object"}, "type": "array"}, "#
                + #""x-order": {"const": {"x-order": [true], "z": 1.5}}}, "type": "object"}"#)
    }

    func test_the_model_reads_the_schema_unless_the_request_says_not_to() async throws {
        let session = FakeSession([finished(.endOfReply, isWhole: true)])
        let entries = [prompt("One?"), response("Two."), prompt("Mara is 31.")]
        for isShown in [nil, true, false] {
            let context = ContextOptions(includeSchemaInPrompt: isShown)
            try await respond(model(session), to: request(entries, schema: schema(person), context: context))
        }
        let asked = "Mara is 31."
        let shown = "\(asked)\n\nAnswer with JSON that this schema describes: \(written)"
        XCTAssertEqual(session.prompts, [.chat(text: shown), .chat(text: shown), .chat(text: asked)])
        XCTAssertEqual(session.history.map(\.content), ["One?", "Two."])
    }

    func test_structure_is_streamed_as_the_text_of_one_entry() async throws {
        let session = FakeSession([
            committed(#"{"name": ""#), provisional("x"), committed("b/c"), .rollback(tokens: 1), committed(#"", "#),
            committed(#""age": 31}"#), finished(.endOfReply, isWhole: true),
        ])
        let events = try await respond(model(session), to: request([prompt("Hi")], schema: schema(person)))
        let json = events.compactMap(\.response?.text).joined()
        XCTAssertEqual(json, #"{"name": "b/c", "age": 31}"#)
        XCTAssertEqual(Set(events.map(\.entryID)).count, 1)
        XCTAssertNotNil(events.last?.response?.usage)
    }

    func test_a_value_in_the_transcript_is_its_json() async throws {
        let session = FakeSession([finished(.endOfReply)])
        let value = Transcript.StructuredSegment(source: "Person", content: try GeneratedContent(json: #"{"age": 31}"#))
        let entries = [prompt("Mara is 31."), .response(.init(segments: [.structure(value)])), prompt("And Ben?")]
        try await respond(model(session), to: request(entries))
        XCTAssertEqual(session.history.map(\.content), ["Mara is 31.", #"{"age": 31}"#])
    }

    func test_a_schema_that_cannot_be_kept_to_is_the_framework_s_error() async throws {
        let invalid = UhlmError.Failed(kind: .invalidOptions, reason: "why", retryable: false, recovery: .fixOptions)
        let session = FakeSession([], error: invalid)
        let error = await failure(model(session), to: try request([prompt("Hi")], schema: schema(person)))
        guard case LanguageModelError.unsupportedGenerationGuide(let guide)? = error else {
            return XCTFail("\(String(describing: error))")
        }
        XCTAssertEqual(guide.debugDescription, "why")
        let other = await failure(model(session), to: request([prompt("Hi")]))
        XCTAssertEqual((other as? UhlmError)?.kind, .invalidOptions)
    }

    func test_a_value_that_a_limit_cuts_is_an_error() async throws {
        func cut(_ finish: FinishReason) async throws -> (any Error)? {
            let session = FakeSession([committed("{"), finished(finish, "{", isWhole: false)])
            return await failure(model(session), to: try request([prompt("Hi")], schema: schema(person)))
        }
        let short = try await cut(.maxTokens)
        XCTAssertEqual(short as? IncompleteReply, IncompleteReply(text: "{", finish: .maxTokens))
        guard case LanguageModelError.contextSizeExceeded(let context)? = try await cut(.contextFull) else {
            return XCTFail("another error")
        }
        XCTAssertEqual([context.contextSize, context.tokenCount], [512, 500])
    }
}
