#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import Foundation
import FoundationModels

@available(iOS 27.0, macOS 27.0, *)
extension GenerationSchema {
    /// The schema as JSON, its properties in the order in which they are declared: a reply has them in the order of
    /// this text. The framework encodes them in any order and tells the declared one in `x-order`.
    ///
    /// - Throws: `EncodingError` or `DecodingError` if the schema's own encoding fails.
    func jsonText() throws -> String {
        let encoded = try JSONEncoder().encode(self)
        return try JSONDecoder().decode(SchemaValue.self, from: encoded).schema()
    }
}

/// A value of JSON, to be written again.
private enum SchemaValue: Decodable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case list([SchemaValue])
    case object([String: SchemaValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        self =
            if value.decodeNil() {
                .null
            } else if let bool = try? value.decode(Bool.self) {
                .bool(bool)
            } else if let integer = try? value.decode(Int64.self) {
                .integer(integer)
            } else if let number = try? value.decode(Double.self) {
                .number(number)
            } else if let string = try? value.decode(String.self) {
                .string(string)
            } else if let list = try? value.decode([SchemaValue].self) {
                .list(list)
            } else {
                .object(try value.decode([String: SchemaValue].self))
            }
    }

    /// Writes it as a schema, or a list of schemas: what it says of the order is heeded, and not repeated.
    func schema() throws -> String {
        switch self {
        case .list(let schemas):
            return "[" + (try schemas.map { try $0.schema() }.joined(separator: ", ")) + "]"
        case .object(let fields):
            let order: [String] =
                if case .list(let names)? = fields["x-order"] { names.compactMap(\.text) } else { [] }
            return try Self.object(fields.filter { $0.key != "x-order" }, order: []) { key, value in
                switch (key, value) {
                case ("properties", .object(let properties)):
                    try Self.object(properties, order: order) { try $1.schema() }
                case ("$defs", .object(let definitions)):
                    try Self.object(definitions, order: []) { try $1.schema() }
                case ("enum", _), ("const", _), ("default", _), ("examples", _), ("required", _):
                    try value.data()
                default:
                    try value.schema()
                }
            }
        default:
            return try data()
        }
    }

    /// Writes it as it is.
    private func data() throws -> String {
        switch self {
        case .null: "null"
        case .bool(let bool): "\(bool)"
        case .integer(let integer): "\(integer)"
        case .number(let number): "\(number)"
        case .string(let string): try Self.quoted(string)
        case .list(let values): "[" + (try values.map { try $0.data() }.joined(separator: ", ")) + "]"
        case .object(let fields): try Self.object(fields, order: []) { try $1.data() }
        }
    }

    private var text: String? {
        if case .string(let string) = self { string } else { nil }
    }

    /// Writes an object: first the fields that have a place in `order`, then the others by name, so that one schema is
    /// one text.
    private static func object(
        _ fields: [String: SchemaValue], order: [String], write: (String, SchemaValue) throws -> String
    ) throws -> String {
        let named = order.filter { fields[$0] != nil }
        let keys = named + fields.keys.filter { !named.contains($0) }.sorted()
        let written = try keys.compactMap { key in
            try fields[key].map { "\(try quoted(key)): \(try write(key, $0))" }
        }
        return "{" + written.joined(separator: ", ") + "}"
    }

    private static func quoted(_ string: String) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return String(decoding: try encoder.encode(string), as: UTF8.self)
    }
}

#endif
