import Foundation
import Uhlm

/// One line of a conversation's file, and one change of a ``Conversation``.
public enum LogEntry: Codable, Sendable, Equatable {
    /// The first line.
    case head(id: UUID, created: Date)
    /// Another title.
    case title(String)
    /// Whether all of it may be sent. What earlier versions wrote names no server: for those it is asked again.
    case consent(Bool)
    /// All of it may be sent to this server, as ``ChatSettings/server`` names it.
    case agreed(String)
    /// The person said something; an empty reply begins.
    case question(id: UUID, asked: Date, text: String)
    /// The last question is answered once more, from the beginning.
    case again
    /// Text that was committed.
    case piece(TextRun)
    /// The model called a tool.
    case called(id: String, name: String, arguments: String)
    /// What a call got.
    case answered(id: String, content: String, kind: Answer.Kind)
    /// The model wrote what looks like a call and is none.
    case miscalled(text: String, reason: String)
    /// Text that the model thought before the reply.
    case thought(String)
    /// Only so many turns stand: what followed them is said in another way.
    case cut(Int)
    /// The reply is over.
    case end(ReplyEnd, ReplyCost?)
    /// A request left the device.
    case sent(SentEntry)
    /// What was sent is forgotten.
    case sentForgotten

    /// The fewest lines that make `conversation`.
    static func lines(of conversation: Conversation) -> [LogEntry] {
        var lines = [LogEntry.head(id: conversation.id, created: conversation.created), .title(conversation.title)]
        if let server = conversation.agreedTo { lines.append(.agreed(server)) }
        if conversation.isWithdrawn { lines.append(.consent(false)) }
        for turn in conversation.turns {
            lines.append(.question(id: turn.id, asked: turn.asked, text: turn.question))
            if let reasoning = turn.reply.reasoning { lines.append(.thought(reasoning)) }
            for part in turn.reply.parts {
                switch part {
                case .words(let words): lines += words.runs.map(LogEntry.piece)
                case .asked(let asked): lines += Self.lines(of: asked)
                }
            }
            if let end = turn.reply.end { lines.append(.end(end, turn.reply.cost)) }
        }
        return lines + conversation.sent.map(LogEntry.sent)
    }

    /// The answers of a round stand behind all its calls: a call behind an answer would begin another round.
    private static func lines(of asked: [Asked]) -> [LogEntry] {
        var (lines, answers, round) = ([LogEntry](), [LogEntry](), -1)
        for one in asked {
            switch one {
            case .miscall(let miscall):
                lines.append(.miscalled(text: miscall.text, reason: miscall.reason))
            case .call(let call):
                if call.round != round {
                    lines += answers
                    (answers, round) = ([], call.round)
                }
                lines.append(.called(id: call.id, name: call.name, arguments: call.arguments))
                if let answer = call.answer {
                    answers.append(.answered(id: call.id, content: answer.content, kind: answer.kind))
                }
            }
        }
        return lines + answers
    }
}
