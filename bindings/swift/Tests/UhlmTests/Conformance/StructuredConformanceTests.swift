import XCTest

@testable import Uhlm

/// `tests/conformance.md`: a reply has the form that was asked for.
final class StructuredConformanceTests: Suite {
    private struct Choice: Decodable, Equatable {
        let color: String
        let share: Int
    }

    private static let schema = #"""
        {"type": "object", "required": ["color", "share"], "additionalProperties": false, "properties":
        {"color": {"enum": ["red", "gr\u00fcn"]}, "share": {"type": "integer", "minimum": 0, "maximum": 99}}}
        """#

    private func formed(_ grammar: Grammar, _ tokens: UInt32) -> GenerationOptions {
        var options = GenerationOptions(maxTokens: tokens)
        options.grammar = grammar
        return options
    }

    func test_a_reply_has_the_form_that_was_asked_for() async throws {
        for mode in [Mode.exact, .remoteOnly, .deviceOnly] {
            var options = try options(mode)
            options.sampling = SamplingParams()
            let session = try await pair(options)
            let value = try await session.respond(
                to: "Which?", as: Choice.self, schema: Self.schema, options: GenerationOptions(maxTokens: 120))
            XCTAssertTrue(["red", "gr\u{fc}n"].contains(value.color) && (0...99).contains(value.share), "\(value)")
            let choices = formed(.choices(texts: ["yes", "no"]), 20)
            let choice = try await session.respond(to: "Well?", options: choices).text
            XCTAssertTrue(["yes", "no"].contains(choice), choice)
            // A limit cuts it: the error has the text so far.
            do {
                _ = try await session.respond(to: "Which?", options: formed(.jsonSchema(schema: Self.schema), 2))
                XCTFail("a whole value in two tokens")
            } catch let cut as IncompleteReply {
                XCTAssertEqual(cut.finish, .maxTokens)
                XCTAssertTrue(cut.text.hasPrefix("{"), cut.text)
            }
            do {
                _ = try await session.respond(to: "Well?", options: formed(.regex(pattern: "("), 20))
                XCTFail("a grammar that is not valid")
            } catch let error as UhlmError {
                XCTAssertEqual(error.kind, .invalidOptions)
                XCTAssertEqual(error.recovery, .fixOptions)
            }
        }
    }
}
