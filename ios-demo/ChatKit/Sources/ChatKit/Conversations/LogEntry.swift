import Foundation
import Uhlm

/// One line of a conversation's file, and one change of a ``Conversation``.
public enum LogEntry: Codable, Sendable, Equatable {
    /// The first line.
    case head(id: UUID, created: Date)
    /// Another title.
    case title(String)
    /// Whether all of it may be sent to the server.
    case consent(Bool)
    /// The person said something; an empty reply begins.
    case question(id: UUID, asked: Date, text: String)
    /// The last question is answered once more, from the beginning.
    case again
    /// Text that was committed.
    case piece(TextRun)
    /// The reply is over.
    case end(ReplyEnd, ReplyCost?)
    /// A request left the device.
    case sent(SentEntry)
    /// What was sent is forgotten.
    case sentForgotten

    /// The fewest lines that make `conversation`.
    static func lines(of conversation: Conversation) -> [LogEntry] {
        var lines = [LogEntry.head(id: conversation.id, created: conversation.created), .title(conversation.title)]
        if conversation.mayBeSent { lines.append(.consent(true)) }
        for turn in conversation.turns {
            lines.append(.question(id: turn.id, asked: turn.asked, text: turn.question))
            lines += turn.reply.runs.map(LogEntry.piece)
            if let end = turn.reply.end { lines.append(.end(end, turn.reply.cost)) }
        }
        return lines + conversation.sent.map(LogEntry.sent)
    }
}
