import Foundation
import Uhlm

/// The names by which a model calls the app's tools. The Android app has the same, with the same arguments.
enum LocalTool: String, CaseIterable {
    case clock = "current_time"
    case calculator = "calculate"
    case converter = "convert_units"
}

/// The tools of this device. None changes anything, and none leaves the device.
public func localTools(now: @escaping @Sendable () -> Date = Date.init) -> [Tool] {
    [
        tool(
            .clock, "Tells the current date, day of the week and time.",
            #"""
            {"type": "object", "properties": {"zone": {"type": "string", "description":
             "IANA time zone, such as Europe/Berlin; left out: the person's own"}}}
            """#
        ) { try dayAndTime(now(), zone: $0["zone"]) },
        tool(
            .calculator, "Calculates an arithmetic expression exactly.",
            #"""
            {"type": "object", "properties": {"expression": {"type": "string", "description":
             "numbers, + - * / ^ % and parentheses, such as (12.5 + 3) * 8; % divides by 100"}},
             "required": ["expression"]}
            """#
        ) { try calculate($0.needed("expression")) },
        tool(.converter, "Converts lengths, masses and temperatures between units.", converterSchema) {
            try convert($0.needed("value"), from: $0.needed("from"), to: $0.needed("to"))
        },
    ]
}

private var converterSchema: String {
    let symbols = MeasuringUnit.all.map { "\"\($0.symbol)\"" }.joined(separator: ", ")
    return #"{"type": "object", "properties": {"value": {"type": "number"}, "from": {"enum": ["# + symbols
        + #"]}, "to": {"enum": ["# + symbols + #"]}}, "required": ["value", "from", "to"]}"#
}

private func tool(
    _ name: LocalTool, _ description: String, _ schema: String,
    run: @escaping @Sendable (CallArguments) throws -> String
) -> Tool {
    Tool(name: name.rawValue, description: description, parameters: schema) { text in
        do {
            guard let arguments = CallArguments(text) else {
                throw CannotCalculate("the arguments are no JSON object")
            }
            return try run(arguments)
        } catch let failure as CannotCalculate {
            throw ToolError.Failed(reason: failure.reason)
        }
    }
}

extension CallArguments {
    fileprivate func needed(_ name: String) throws -> String {
        guard let value = self[name] else { throw CannotCalculate("'\(name)' is missing") }
        return value
    }
}
