/// What begins an item of a list.
struct MarkdownItemSign {
    /// Its number; nil for a bullet.
    let number: Int?
    /// Columns until the item's text.
    let width: Int

    var isNumbered: Bool { number != nil }
}

/// What opens a block of code.
struct MarkdownFence {
    let sign: Unicode.Scalar
    let count: Int
    let indent: Int
    let language: String

    func isClosed(by line: MarkdownLine) -> Bool {
        let text = line.trimmed
        return text.count >= count && text.allSatisfy { $0 == sign }
    }
}

/// What a line of Markdown is.
extension MarkdownLine {
    var string: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: self)
        return String(text)
    }

    var isBlank: Bool { allSatisfy(\.isMarkdownSpace) }

    /// Spaces at its beginning; a tab counts as one, because models indent by spaces.
    var indent: Int { prefix(while: \.isMarkdownSpace).count }

    var trimmed: MarkdownLine {
        var line = drop(while: \.isMarkdownSpace)
        while let last = line.last, last.isMarkdownSpace { line.removeLast() }
        return line
    }

    var beginsBlock: Bool {
        fence != nil || headingLevel != nil || isRule || itemSign != nil || trimmed.first == ">"
    }

    var headingLevel: Int? {
        let text = trimmed
        let level = text.prefix { $0 == "#" }.count
        guard (1...6).contains(level) else { return nil }
        let rest = text.dropFirst(level)
        return rest.isEmpty || rest.first == " " ? level : nil
    }

    /// A heading may be closed with signs like those that open it.
    var withoutClosingSigns: MarkdownLine {
        var line = self
        while line.last == "#" { line.removeLast() }
        return line.count < count && line.last?.isMarkdownSpace == true ? line.trimmed : self
    }

    var isRule: Bool {
        let text = filter { !$0.isMarkdownSpace }
        guard let sign = text.first, text.count >= 3, "-*_".unicodeScalars.contains(sign) else { return false }
        return text.allSatisfy { $0 == sign }
    }

    var fence: MarkdownFence? {
        let text = trimmed
        guard let sign = text.first, sign == "`" || sign == "~" else { return nil }
        let count = text.prefix { $0 == sign }.count
        let info = text.dropFirst(count).trimmed
        if count < 3 || sign == "`" && info.contains("`") { return nil }
        let language = info.prefix { !$0.isMarkdownSpace }.string
        return MarkdownFence(sign: sign, count: count, indent: indent, language: language)
    }

    var itemSign: MarkdownItemSign? {
        if isRule { return nil }
        let text = dropFirst(indent)
        guard let first = text.first else { return nil }
        let digits = text.prefix { ("0"..."9").contains($0) }
        let after: MarkdownLine
        let number: Int?
        if "-*+".unicodeScalars.contains(first) {
            (number, after) = (nil, text.dropFirst())
        } else if (1...9).contains(digits.count), let end = text.dropFirst(digits.count).first, end == "." || end == ")"
        {
            (number, after) = (Int(digits.string), text.dropFirst(digits.count + 1))
        } else {
            return nil
        }
        let space = after.indent
        if space == 0 && !after.isEmpty { return nil }
        // More than four are those of code in the item.
        let width = after.isBlank || space > 4 ? 1 : space
        return MarkdownItemSign(number: number, width: after.startIndex - startIndex + Swift.min(width, after.count))
    }

    var isTableDelimiter: Bool {
        let text = trimmed
        guard text.contains("-"), text.contains("|") else { return false }
        return text.allSatisfy { $0 == "|" || $0 == "-" || $0 == ":" || $0.isMarkdownSpace }
    }

    /// The cells of a row of a table.
    var cells: [MarkdownLine] {
        var row = trimmed
        if row.first == "|" { row.removeFirst() }
        if row.last == "|", row.dropLast().last != "\\" { row.removeLast() }
        var cells: [MarkdownLine] = []
        var from = row.startIndex
        for at in row.indices where row[at] == "|" && (at == row.startIndex || row[at - 1] != "\\") {
            cells.append(row[from..<at].trimmed)
            from = at + 1
        }
        return cells + [row[from...].trimmed]
    }
}

extension Unicode.Scalar {
    var isMarkdownSpace: Bool { self == " " || self == "\t" || self == "\r" }
}
