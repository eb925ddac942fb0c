/// Returns the text of a block in its styles: strong, emphasised, struck, code and links.
func markdownRuns(_ lines: [MarkdownLine]) -> [MarkdownRun] {
    var reader = MarkdownReader(lines)
    reader.read(0..<reader.characters.count, MarkdownStyle())
    return reader.runs
}

private struct MarkdownReader {
    /// The characters of a block, each with its place in the source.
    let characters: [(scalar: Unicode.Scalar, at: Int)]
    private(set) var runs: [MarkdownRun] = []
    private var text = String.UnicodeScalarView()
    /// Code points of it, which the text itself counts anew each time.
    private var length = 0
    private var start = 0
    private var style = MarkdownStyle()
    private var depth = 0

    init(_ lines: [MarkdownLine]) {
        var characters: [(Unicode.Scalar, Int)] = []
        for (index, line) in lines.enumerated() {
            // Models end a line where they want one to end.
            if index > 0 { characters.append(("\n", lines[index - 1].endIndex)) }
            characters += zip(line, line.indices)
        }
        self.characters = characters
    }

    /// Reads what one style spans, or a whole block.
    mutating func read(_ range: Range<Int>, _ style: MarkdownStyle) {
        depth += 1
        defer { depth -= 1 }
        var at = range.lowerBound
        while at < range.upperBound {
            at = readOne(at, range.upperBound, style)
        }
        finish()
    }

    /// Reads what begins at a place; returns the place after it.
    private mutating func readOne(_ at: Int, _ end: Int, _ style: MarkdownStyle) -> Int {
        let scalar = characters[at].scalar
        switch scalar {
        case "\\" where at + 1 < end && characters[at + 1].scalar.isMarkdownSign:
            put(at + 1, style)
            return at + 2
        case "`":
            let count = signs(at, end)
            if let close = closing(of: "`", count, from: at + count, end, isCode: true) {
                var inner = style
                inner.code = true
                for place in at + count..<close { put(place, inner) }
                return close + count
            }
            for place in at..<at + count { put(place, style) }
            return at + count
        case "*", "_", "~":
            return readDelimited(at, end, style)
        case "[" where depth <= deepestMarkdown:
            if let link = link(at, end) {
                var inner = style
                inner.link = link.address
                read(at + 1..<link.close, inner)
                return link.end
            }
        default:
            break
        }
        put(at, style)
        return at + 1
    }

    private mutating func readDelimited(_ at: Int, _ end: Int, _ style: MarkdownStyle) -> Int {
        let sign = characters[at].scalar
        let count = signs(at, end)
        let isKnown = depth <= deepestMarkdown && (sign == "~" ? count == 2 : count <= 3)
        let opens = at + count < end && !characters[at + count].scalar.isMarkdownGap && !isInWord(sign, at, count, end)
        if isKnown, opens, let close = closing(of: sign, count, from: at + count, end, isCode: false) {
            var inner = style
            if sign == "~" {
                inner.struck = true
            } else {
                inner.bold = inner.bold || count > 1
                inner.italic = inner.italic || count != 2
            }
            read(at + count..<close, inner)
            return close + count
        }
        for place in at..<at + count { put(place, style) }
        return at + count
    }

    /// Whether an underscore stands within a word, where it is one.
    private func isInWord(_ sign: Unicode.Scalar, _ at: Int, _ count: Int, _ end: Int) -> Bool {
        guard sign == "_", at > 0, at + count < end else { return false }
        let around = (characters[at - 1].scalar.properties, characters[at + count].scalar.properties)
        return around.0.isAlphabetic && around.1.isAlphabetic
    }

    private func signs(_ at: Int, _ end: Int) -> Int {
        var count = 1
        while at + count < end, characters[at + count].scalar == characters[at].scalar { count += 1 }
        return count
    }

    /// Where as many signs as opened something close it.
    private func closing(of sign: Unicode.Scalar, _ count: Int, from: Int, _ end: Int, isCode: Bool) -> Int? {
        var at = from
        while at < end {
            let scalar = characters[at].scalar
            if !isCode, scalar == "\\" {
                at += 2
                continue
            }
            guard scalar == sign else {
                // A sign in code closes nothing.
                if !isCode, scalar == "`" {
                    let ticks = signs(at, end)
                    at = closing(of: "`", ticks, from: at + ticks, end, isCode: true).map { $0 + ticks } ?? at + ticks
                } else {
                    at += 1
                }
                continue
            }
            let found = signs(at, end)
            let closes = isCode || !characters[at - 1].scalar.isMarkdownGap && !isInWord(sign, at, found, end)
            if found == count, at > from, closes { return at }
            at += found
        }
        return nil
    }

    /// The link that begins at a bracket.
    private func link(_ at: Int, _ end: Int) -> (close: Int, address: String, end: Int)? {
        var depth = 0
        var close = at
        while close < end {
            if characters[close].scalar == "[" { depth += 1 }
            if characters[close].scalar == "]" { depth -= 1 }
            if depth == 0 { break }
            close += 1
        }
        guard close + 1 < end, close > at + 1, characters[close + 1].scalar == "(" else { return nil }
        var address = String.UnicodeScalarView()
        var place = close + 2
        depth = 1
        while place < end {
            let scalar = characters[place].scalar
            if scalar == "(" { depth += 1 }
            if scalar == ")" { depth -= 1 }
            if depth == 0 { return (close, String(address.prefix { !$0.isMarkdownGap }), place + 1) }
            address.append(scalar)
            place += 1
        }
        return nil
    }

    private mutating func put(_ place: Int, _ style: MarkdownStyle) {
        let (scalar, at) = characters[place]
        if style != self.style || at != start + length { finish() }
        if text.isEmpty { (self.style, start) = (style, at) }
        text.append(scalar)
        length += 1
    }

    private mutating func finish() {
        if !text.isEmpty { runs.append(MarkdownRun(String(text), start, style)) }
        (text, length) = (String.UnicodeScalarView(), 0)
    }
}

extension Unicode.Scalar {
    fileprivate var isMarkdownGap: Bool { properties.isWhitespace }

    fileprivate var isMarkdownSign: Bool {
        isASCII
            && (("!"..."/").contains(self) || (":"..."@").contains(self) || ("["..."`").contains(self)
                || ("{"..."~").contains(self))
    }
}
