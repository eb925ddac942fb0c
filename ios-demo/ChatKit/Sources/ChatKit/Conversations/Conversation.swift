import Foundation
import Uhlm

/// How a reply ended.
public enum ReplyEnd: String, Codable, Sendable {
    /// The model ended it, or a stop sequence did.
    case complete
    /// It reached the most tokens that were asked for.
    case tooLong
    /// The context of a model is full.
    case contextFull
    /// The person stopped it.
    case stopped
    /// An error ended it.
    case failed

    init(_ finish: FinishReason) {
        self =
            switch finish {
            // Calls that wait at the end are those of a model that called tools in too many rounds.
            case .endOfReply, .stopSequence, .toolCalls: .complete
            case .maxTokens: .tooLong
            case .contextFull: .contextFull
            case .cancelled: .stopped
            }
    }
}

/// One reply of the models.
public struct Reply: Sendable, Equatable {
    /// The committed text, in order.
    public internal(set) var runs: [TextRun] = []
    /// What the model thought before it replied; no part of the reply.
    public internal(set) var reasoning: String?
    /// What it asked of tools, in order.
    public internal(set) var asked: [Asked] = []
    /// How it ended; nil while it is written, and for one whose process ended in the middle.
    public internal(set) var end: ReplyEnd?
    /// What it took; nil until it ended, and where it failed.
    public internal(set) var cost: ReplyCost?

    /// An empty reply that is about to be written.
    public init() {}

    init(runs: [TextRun]) {
        self.runs = runs
    }

    /// All committed text.
    public var text: String { runs.map(\.text).joined() }

    mutating func add(_ run: TextRun) {
        if let last = runs.last, last.origin == run.origin, last.corrected == run.corrected {
            runs[runs.count - 1].text += run.text
        } else {
            runs.append(run)
        }
    }
}

extension Reply {
    /// What lines and colours say, for those who hear the screen: how many words there are of each origin.
    public var spokenOrigins: String {
        let counts = Origin.all.map { origin in
            let texts = runs.filter { $0.origin == origin }.map(\.text)
            return (origin, texts.reduce(0) { $0 + $1.split(whereSeparator: \.isWhitespace).count })
        }
        let said = counts.filter { $0.1 > 0 }.map { origin, words in
            words == 1 ? say("origin.word", origin.title) : say("origin.words", origin.title, words)
        }
        return said.joined(separator: " ")
    }

    /// What is said below a reply that did not end by itself; nil for one that did.
    public var note: String? {
        switch end {
        case .complete: nil
        case .tooLong: say("end.too_long")
        case .contextFull: say("end.context_full")
        case .stopped: say("end.stopped")
        case .failed: say("end.failed")
        case nil: say("end.interrupted")
        }
    }
}

/// What the person asked, and the reply to it.
public struct Turn: Sendable, Equatable, Identifiable {
    /// Its own.
    public let id: UUID
    /// When the person asked.
    public let asked: Date
    /// What the person said.
    public let question: String
    /// The reply; of several attempts the last one.
    public internal(set) var reply: Reply
}

/// What is kept of a conversation. It changes by ``LogEntry`` alone, in memory and on disk alike.
public struct Conversation: Sendable, Equatable, Identifiable {
    /// Its own.
    public let id: UUID
    /// When it began.
    public let created: Date
    /// What the list shows.
    public internal(set) var title: String
    /// The server, as ``ChatSettings/server`` names it, that the person agreed to send all of it to; nil for none.
    public internal(set) var agreedTo: String?
    /// Whether the person took back that it may be sent: from then on it is asked for, whatever the settings say.
    public internal(set) var isWithdrawn = false
    /// Questions and replies, in order.
    public internal(set) var turns: [Turn] = []
    /// What left the device of it, in order.
    public internal(set) var sent: [SentEntry] = []

    /// A conversation in which nothing was said yet.
    public init(id: UUID = UUID(), created: Date = Date(), title: String = "") {
        self.id = id
        self.created = created
        self.title = title
    }

    /// Whether the person agreed to send all of it to the server that is set.
    public func mayBeSent(_ settings: ChatSettings) -> Bool {
        if agreedTo == settings.server { return true }
        return !isWithdrawn && settings.agreedServers.contains(settings.server)
    }

    /// Whether a tool was asked for anything in it.
    public var usedTools: Bool { turns.contains { !$0.reply.asked.isEmpty } }

    /// What a session is told of it. A question without any reply is left out: chat templates want the roles to
    /// alternate.
    public func messages(system: String) -> [Message] {
        let system = system.isEmpty ? [] : [Message(role: .system, content: system)]
        return system + turns.flatMap(\.messages)
    }

    mutating func apply(_ entry: LogEntry) {
        switch entry {
        case .title(let title):
            self.title = title
        case .consent(let given):
            agreedTo = nil
            isWithdrawn = !given
        case .agreed(let server):
            agreedTo = server
            isWithdrawn = false
        case .question(let id, let asked, let text):
            if title.isEmpty { title = Self.title(of: text) }
            turns.append(Turn(id: id, asked: asked, question: text, reply: Reply()))
        case .again:
            changeReply { $0 = Reply() }
        case .piece(let run):
            changeReply { $0.add(run) }
        case .called(let id, let name, let arguments):
            changeReply { $0.add((id, name, arguments)) }
        case .answered(let id, let content, let kind):
            changeReply { $0.answer(id, Answer(content: content, kind: kind)) }
        case .miscalled(let text, let reason):
            changeReply { $0.addMiscall(text, reason: reason) }
        case .thought(let text):
            changeReply { $0.reasoning = ($0.reasoning ?? "") + text }
        case .cut(let count):
            turns = Array(turns.prefix(count))
        case .end(let end, let cost):
            changeReply { reply in
                reply.end = end
                reply.cost = cost
            }
        case .sent(let entry):
            sent.append(entry)
        case .sentForgotten:
            sent = []
        case .head:
            break
        }
    }

    /// For what a session knows before the last question is put to it.
    mutating func dropLastTurn() {
        _ = turns.popLast()
    }

    private mutating func changeReply(_ change: (inout Reply) -> Void) {
        if !turns.isEmpty { change(&turns[turns.count - 1].reply) }
    }

    /// The first line, cut at a word.
    private static func title(of text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? text
        if line.count <= 48 { return line }
        let cut = line.prefix(48)
        return (cut.lastIndex(of: " ").map { cut[..<$0] } ?? cut) + "…"
    }
}

extension Turn {
    /// The question, and the reply with each round of calls and results in a place of its own; nothing for a question
    /// without any reply.
    fileprivate var messages: [Message] {
        let rounds = reply.rounds
        if reply.text.isEmpty, rounds.isEmpty { return [] }
        var messages = [Message(role: .user, content: question)]
        var from = 0
        for calls in rounds {
            let end = calls[0].at
            let made = calls.map { ToolCall(id: $0.id, name: $0.name, arguments: $0.arguments) }
            messages.append(Message(role: .assistant, content: reply.text(from: from, until: end), toolCalls: made))
            messages += calls.map { call in
                // No call may be without a result, which one has that the reply did not wait for.
                Message(
                    role: .tool, content: call.answer?.content ?? "Error: it was cancelled", toolCallId: call.id,
                    toolName: call.name)
            }
            from = end
        }
        // Also where it is empty: person and model take turns.
        messages.append(Message(role: .assistant, content: reply.text(from: from, until: .max)))
        return messages
    }
}
