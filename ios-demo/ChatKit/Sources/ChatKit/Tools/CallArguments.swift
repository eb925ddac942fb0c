import Foundation

/// The arguments of a call as the model wrote them.
struct CallArguments {
    private let values: [String: Value]

    /// Nil where the text is no JSON object.
    init?(_ text: String) {
        guard let values = try? JSONDecoder().decode([String: Value].self, from: Data(text.utf8)) else { return nil }
        self.values = values
    }

    /// A value as text, whether the model wrote a number or a text; nil where it is neither, or empty.
    subscript(name: String) -> String? {
        let text = values[name]?.simple
        return text?.allSatisfy(\.isWhitespace) == true ? nil : text
    }

    /// A line for each, those of the app's tools in their order: "expression: 12.5 * 8".
    var lines: String {
        let order = ["zone", "expression", "value", "from", "to"]
        let known = order.filter { values[$0] != nil }
        let names = known + values.keys.filter { !order.contains($0) }.sorted()
        return names.map { "\($0): \(values[$0]?.written ?? "")" }.joined(separator: "\n")
    }

    private enum Value: Codable {
        case none
        case bool(Bool)
        case number(Decimal)
        case text(String)
        case list([Value])
        case object([String: Value])

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            self =
                if value.decodeNil() {
                    .none
                } else if let bool = try? value.decode(Bool.self) {
                    .bool(bool)
                } else if let number = try? value.decode(Decimal.self) {
                    .number(number)
                } else if let text = try? value.decode(String.self) {
                    .text(text)
                } else if let list = try? value.decode([Value].self) {
                    .list(list)
                } else {
                    .object(try value.decode([String: Value].self))
                }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .none: try container.encodeNil()
            case .bool(let bool): try container.encode(bool)
            case .number(let number): try container.encode(number)
            case .text(let text): try container.encode(text)
            case .list(let list): try container.encode(list)
            case .object(let object): try container.encode(object)
            }
        }

        /// Nil where it has no parts, and where it has some.
        var simple: String? {
            switch self {
            case .bool(let bool): "\(bool)"
            case .number(let number): "\(number)"
            case .text(let text): text
            case .none, .list, .object: nil
            }
        }

        var written: String {
            if let simple { return simple }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        }
    }
}
