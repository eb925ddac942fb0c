import Foundation

/// What a model asked of a tool while it wrote a reply.
public enum Asked: Sendable, Equatable {
    /// A call.
    case call(Call)
    /// What looked like a call and was none; nothing was done for it.
    case miscall(Miscall)

    /// Where it stands in the reply: the number of code points of its text before it.
    public var at: Int {
        switch self {
        case .call(let call): call.at
        case .miscall(let miscall): miscall.at
        }
    }
}

/// A call of a tool.
public struct Call: Sendable, Equatable, Identifiable {
    /// Where it stands in the reply: the number of code points of its text before it.
    public let at: Int
    /// The calls of one round were made together; the model read their answers before it went on.
    public let round: Int
    /// By which its answer finds it.
    public let id: String
    /// The tool's name.
    public let name: String
    /// A JSON object, as the model wrote it.
    public let arguments: String
    /// What it got; nil while it is waited for, and where the reply ended first.
    public internal(set) var answer: Answer?
}

/// What looked like a call and was none.
public struct Miscall: Sendable, Equatable {
    /// Where it stands in the reply: the number of code points of its text before it.
    public let at: Int
    /// What the model wrote.
    public let text: String
    /// What is wrong with it.
    public let reason: String
}

/// What a call got.
public struct Answer: Sendable, Equatable {
    /// How a call ended: with what the tool says, with its failure, or with the person's no.
    public enum Kind: String, Codable, Sendable {
        case given, failed, refused
    }

    /// What the model reads of it.
    public let content: String
    /// How the call ended.
    public let kind: Kind
}

/// A stretch of a reply, in the order in which it was written.
public enum ReplyPart: Sendable, Equatable {
    /// A reply of these words alone.
    case words(Reply)
    /// What was asked of tools in one place.
    case asked([Asked])
}

extension Reply {
    /// The words, and between them what was asked of tools.
    public var parts: [ReplyPart] {
        var parts: [ReplyPart] = []
        var from = 0
        func addWords(until end: Int) {
            let words = words(from: from, until: end)
            if !words.isEmpty { parts.append(.words(Reply(runs: words))) }
            from = end
        }
        for one in asked {
            if one.at == from, case .asked(let others)? = parts.last {
                parts[parts.count - 1] = .asked(others + [one])
            } else {
                addWords(until: one.at)
                parts.append(.asked([one]))
            }
        }
        addWords(until: .max)
        return parts
    }

    /// Whether a call has no answer yet.
    public var waitsForTool: Bool { calls.contains { $0.answer == nil } }

    /// The words to copy or to share: without the calls, between which the texts are paragraphs.
    public var words: String {
        if asked.isEmpty { return text }
        let texts = parts.map { part in
            if case .words(let words) = part { words.text.trimmingCharacters(in: .whitespacesAndNewlines) } else { "" }
        }
        return texts.filter { !$0.isEmpty }.joined(separator: "\n\n")
    }

    /// The calls, those that were made together in one list.
    var rounds: [[Call]] {
        calls.reduce(into: []) { rounds, call in
            if rounds.last?.first?.round == call.round {
                rounds[rounds.count - 1].append(call)
            } else {
                rounds.append([call])
            }
        }
    }

    /// The text between two places of it, in code points.
    func text(from: Int, until end: Int) -> String {
        words(from: from, until: end).map(\.text).joined()
    }

    mutating func add(_ call: (id: String, name: String, arguments: String)) {
        let at = text.unicodeScalars.count
        let round: Int
        if let last = calls.last {
            // A model that went on, with words or answers, is in the next round.
            let isOver = last.at != at || calls.contains { $0.round == last.round && $0.answer != nil }
            round = isOver ? last.round + 1 : last.round
        } else {
            round = 0
        }
        asked.append(.call(Call(at: at, round: round, id: call.id, name: call.name, arguments: call.arguments)))
    }

    mutating func addMiscall(_ text: String, reason: String) {
        asked.append(.miscall(Miscall(at: self.text.unicodeScalars.count, text: text, reason: reason)))
    }

    mutating func answer(_ id: String, _ answer: Answer) {
        asked = asked.map { one in
            guard case .call(var call) = one, call.id == id else { return one }
            call.answer = answer
            return .call(call)
        }
    }

    private var calls: [Call] {
        asked.compactMap { if case .call(let call) = $0 { call } else { nil } }
    }

    private func words(from: Int, until end: Int) -> [TextRun] {
        var start = 0
        return runs.compactMap { run in
            let scalars = run.text.unicodeScalars
            defer { start += scalars.count }
            let (first, last) = (max(from, start), min(end, start + scalars.count))
            guard first < last else { return nil }
            let text = String(String.UnicodeScalarView(scalars.dropFirst(first - start).prefix(last - first)))
            return TextRun(text: text, origin: run.origin, corrected: run.corrected)
        }
    }
}
