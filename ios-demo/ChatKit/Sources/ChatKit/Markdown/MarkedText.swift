import Uhlm

/// What a thin line under words says: the two things that a reader should not miss.
public enum Mark: Sendable, Equatable {
    /// The server put it in the place of another word of the device.
    case corrected
    /// Nobody checked it.
    case unverified
}

/// Text of one style and one mark.
public struct MarkedText: Sendable, Equatable {
    /// The text.
    public let text: String
    /// How it is shown.
    public let style: MarkdownStyle
    /// Who wrote it; nil where it may still be taken back.
    public let origin: Origin?
    /// What the line under it says; nil without a line.
    public let mark: Mark?
}

extension Reply {
    /// The parts of runs by who wrote them. What stands behind the committed text may still be taken back.
    public func marked(_ runs: [MarkdownRun]) -> [MarkedText] {
        var ends: [Int] = []
        for run in self.runs { ends.append((ends.last ?? 0) + run.text.unicodeScalars.count) }
        return runs.flatMap { run -> [MarkedText] in
            var parts: [MarkedText] = []
            var rest = run.text.unicodeScalars[...]
            var at = run.start
            while !rest.isEmpty {
                let index = ends.firstIndex { $0 > at }
                let count = index.map { min(ends[$0] - at, rest.count) } ?? rest.count
                let written = index.map { self.runs[$0] }
                let part = rest.prefix(count)
                // Tokens begin with the space before their word, which is nothing to mark.
                let space = written?.mark == nil ? part.prefix(0) : part.prefix { $0.properties.isWhitespace }
                for (text, mark) in [(space, nil), (part.dropFirst(space.count), written?.mark)] where !text.isEmpty {
                    let text = String(String.UnicodeScalarView(text))
                    parts.append(MarkedText(text: text, style: run.style, origin: written?.origin, mark: mark))
                }
                rest = rest.dropFirst(count)
                at += count
            }
            return parts
        }
    }
}

extension TextRun {
    /// What the line under it says; nil without a line.
    public var mark: Mark? {
        if origin == .unverified { return .unverified }
        return corrected ? .corrected : nil
    }
}

/// Tells the server's corrections from what it writes by itself: a correction follows a rollback, and is one word.
struct Corrections {
    private var isExpected = false
    private var isInWord = false

    /// A drafted token differed; what comes next stands in its place.
    mutating func rolledBack() {
        (isExpected, isInWord) = (true, false)
    }

    /// Whether a committed token is (a part of) the word that was put in the place of another one.
    mutating func takes(_ text: String, _ origin: Origin) -> Bool {
        let goesOn = isInWord && text.first?.isWhitespace != true
        isInWord = origin == .target && (isExpected || goesOn)
        isExpected = false
        return isInWord
    }
}
