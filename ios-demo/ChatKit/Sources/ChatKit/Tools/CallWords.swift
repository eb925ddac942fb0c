import Foundation

extension Asked {
    /// What it came to in one line: "Asked the calculator: 12.5 * 8 = 100". The Android app has the same words.
    ///
    /// - Parameter isOver: Whether the reply has ended: a call without an answer then gets none.
    public func line(isOver: Bool = true) -> String {
        let line =
            switch self {
            case .miscall: say("tools.malformed")
            case .call(let call): call.line(isOver: isOver)
            }
        return line.replacing(/\s*[\r\n]+\s*/, with: " ")
    }
}

extension Call {
    /// The question whether the tool may be used.
    public var question: String {
        switch LocalTool(rawValue: name) {
        case .calculator: say("tools.calculate.may")
        case .converter: say("tools.convert.may")
        case .clock: say("tools.time.may")
        case nil: say("tools.other.may", name)
        }
    }

    /// The arguments, a line each. What is no object is shown as it was written.
    public var values: String {
        CallArguments(arguments)?.lines ?? arguments
    }

    fileprivate func line(isOver: Bool) -> String {
        switch answer?.kind {
        case nil: isOver ? say("tools.unanswered", title) : say("tools.asked", title)
        case .given: given(answer?.content ?? "")
        case .failed: say("tools.failed", title, Self.reason(answer?.content ?? ""))
        case .refused: say("tools.refused", title)
        }
    }

    private func given(_ content: String) -> String {
        let arguments = CallArguments(arguments)
        let value = { (name: String) in (arguments?[name] ?? "").trimmingCharacters(in: .whitespacesAndNewlines) }
        return switch LocalTool(rawValue: name) {
        case .calculator: say("tools.calculate.done", value("expression"), content)
        case .converter: say("tools.convert.done", "\(value("value")) \(value("from"))", content)
        case .clock: say("tools.time.done", content)
        case nil: say("tools.other.done", name, content)
        }
    }

    private var title: String {
        switch LocalTool(rawValue: name) {
        case .calculator: say("tools.calculate.name")
        case .converter: say("tools.convert.name")
        case .clock: say("tools.time.name")
        case nil: say("tools.other.name", name)
        }
    }

    private static func reason(_ content: String) -> String {
        let error = "Error: "
        return content.hasPrefix(error) ? String(content.dropFirst(error.count)) : content
    }
}

/// A line as a span of code in Markdown, whose marks are longer than what is like them in the line.
func codeSpan(_ line: String) -> String {
    let longest = line.matches(of: /`+/).map(\.output.count).max() ?? 0
    let marks = String(repeating: "`", count: longest + 1)
    let space = line.hasPrefix("`") || line.hasSuffix("`") ? " " : ""
    return marks + space + line + space + marks
}
