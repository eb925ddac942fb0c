import Foundation

extension Conversation {
    /// The conversation as a Markdown text to share or to keep: messages quoted, replies as they were written, with a
    /// line for each call of a tool. The Android app writes the same.
    public var transcript: String {
        var parts = ["# \(title)"]
        for turn in turns {
            let lines = turn.question.split(separator: "\n", omittingEmptySubsequences: false)
            parts.append(lines.map { $0.isEmpty ? ">" : "> \($0)" }.joined(separator: "\n"))
            parts += turn.reply.parts.map(\.transcript).filter { !$0.isEmpty }
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// A name for a file with it: its title, without what file systems refuse.
    public var fileName: String {
        let plain = title.map { $0.isLetter || $0.isNumber || " -_".contains($0) ? $0 : " " }
        let words = String(plain).split(separator: " ")
        return (words.isEmpty ? "conversation" : words.joined(separator: " ")) + ".md"
    }
}

extension ReplyPart {
    fileprivate var transcript: String {
        switch self {
        case .words(let words): words.text.trimmingCharacters(in: .whitespacesAndNewlines)
        case .asked(let asked): asked.map { "- " + codeSpan($0.line()) }.joined(separator: "\n")
        }
    }
}
