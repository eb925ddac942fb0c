import Foundation

extension Conversation {
    /// The conversation as a Markdown text to share or to keep: messages quoted, replies as they were written. The
    /// Android app writes the same.
    public var transcript: String {
        var parts = ["# \(title)"]
        for turn in turns {
            let lines = turn.question.split(separator: "\n", omittingEmptySubsequences: false)
            parts.append(lines.map { $0.isEmpty ? ">" : "> \($0)" }.joined(separator: "\n"))
            let reply = turn.reply.text.trimmingCharacters(in: .whitespacesAndNewlines)
            if !reply.isEmpty { parts.append(reply) }
        }
        return parts.joined(separator: "\n\n") + "\n"
    }
}
