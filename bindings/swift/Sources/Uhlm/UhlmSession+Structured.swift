import Foundation

/// A reply that was to have a form ended before it was whole: a limit cut it.
public struct IncompleteReply: Error, Sendable, Equatable {
    /// Text that was written.
    public let text: String
    /// Reason for the end.
    public let finish: FinishReason

    /// Makes the error of its parts.
    public init(text: String, finish: FinishReason) {
        self.text = text
        self.finish = finish
    }
}

extension UhlmSessionProtocol {
    /// Generates the reply to the person's next message as a value: the model can write nothing but JSON that the
    /// schema describes.
    ///
    /// ```swift
    /// struct Person: Decodable { let name: String, age: Int }
    /// let schema = #"""
    ///     {"type": "object", "required": ["name", "age"], "additionalProperties": false,
    ///      "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
    ///     """#
    /// let person = try await session.respond(to: "Mara is 31.", as: Person.self, schema: schema)
    /// ```
    ///
    /// - Parameters:
    ///   - message: The person's message.
    ///   - type: The type of the value.
    ///   - schema: The JSON schema of the value.
    ///   - options: The options of this reply; its grammar is the schema.
    ///   - decoder: What reads the value.
    /// - Returns: The value.
    /// - Throws: ``IncompleteReply`` if a limit cuts the reply, `DecodingError` if the schema does not fit the type,
    ///   ``UhlmError``, or `CancellationError`.
    public func respond<Value: Decodable>(
        to message: String, as type: Value.Type, schema: String, options: GenerationOptions = GenerationOptions(),
        decoder: JSONDecoder = JSONDecoder()
    ) async throws -> Value {
        var options = options
        options.grammar = .jsonSchema(schema: schema)
        let reply = try await respond(to: message, options: options)
        // A session that is shut down meanwhile ends a reply without an error.
        guard reply.statistics.grammarComplete == true else {
            throw IncompleteReply(text: reply.text, finish: reply.finish)
        }
        return try decoder.decode(Value.self, from: Data(reply.text.utf8))
    }
}
