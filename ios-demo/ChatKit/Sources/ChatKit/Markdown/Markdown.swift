/// A line of the source; its indices are those of the source.
typealias MarkdownLine = ArraySlice<Unicode.Scalar>

/// Splits a Markdown text into blocks: headings, code, lists, quotes, tables, rules and paragraphs, which is what
/// models write. Every text is one, what is written so far of a reply too. HTML is shown as it is written.
///
/// The parser of Foundation tells no places in the source, by which it is known who wrote what, and is on Apple's
/// systems alone.
///
/// What is nested deeper than ``deepestMarkdown`` is a plain paragraph.
public func markdownBlocks(_ source: String) -> [MarkdownBlock] {
    let scalars = Array(source.unicodeScalars)
    return MarkdownSplitter(scalars[...].split(separator: "\n", omittingEmptySubsequences: false), depth: 0).blocks()
}

/// How deep quotes and lists are nested in each other at most, and styles and links. A model that repeats itself writes
/// thousands of signs, and each level takes of the stack. The Android app has the same.
let deepestMarkdown = 16

private struct MarkdownSplitter {
    private let lines: [MarkdownLine]
    private let depth: Int
    private var at = 0

    init(_ lines: [MarkdownLine], depth: Int) {
        (self.lines, self.depth) = (lines, depth)
    }

    func blocks() -> [MarkdownBlock] {
        var splitter = self
        var blocks: [MarkdownBlock] = []
        while splitter.at < splitter.lines.count {
            if splitter.lines[splitter.at].isBlank { splitter.at += 1 } else { blocks.append(splitter.next()) }
        }
        return blocks
    }

    private mutating func next() -> MarkdownBlock {
        let line = lines[at]
        if let fence = line.fence { return code(fence) }
        if let level = line.headingLevel {
            at += 1
            return .heading(level, markdownRuns([line.trimmed.dropFirst(level).trimmed.withoutClosingSigns]))
        }
        if line.isRule {
            at += 1
            return .rule
        }
        if depth < deepestMarkdown {
            if line.trimmed.first == ">" { return quote() }
            if let sign = line.itemSign { return items(sign) }
        }
        if isTable(at) { return table() }
        return paragraph()
    }

    private mutating func code(_ fence: MarkdownFence) -> MarkdownBlock {
        at += 1
        var runs: [MarkdownRun] = []
        while at < lines.count {
            let line = lines[at]
            at += 1
            if fence.isClosed(by: line) { break }
            let text = line.dropFirst(min(fence.indent, line.indent))
            let isLast = at == lines.count || fence.isClosed(by: lines[at])
            runs.append(MarkdownRun(text.string + (isLast ? "" : "\n"), text.startIndex))
        }
        return .code(language: fence.language, runs)
    }

    private mutating func quote() -> MarkdownBlock {
        var inner: [MarkdownLine] = []
        while at < lines.count, lines[at].trimmed.first == ">" {
            let text = lines[at].trimmed.dropFirst()
            inner.append(text.first == " " ? text.dropFirst() : text)
            at += 1
        }
        return .quote(MarkdownSplitter(inner, depth: depth + 1).blocks())
    }

    private mutating func items(_ first: MarkdownItemSign) -> MarkdownBlock {
        var items: [[MarkdownBlock]] = []
        while at < lines.count, let sign = lines[at].itemSign, sign.isNumbered == first.isNumbered,
            lines[at].indent < first.width
        {
            var inner = [lines[at].dropFirst(sign.width)]
            at += 1
            while at < lines.count {
                let line = lines[at]
                let next = at + 1 < lines.count ? lines[at + 1] : nil
                if line.isBlank {
                    // A blank line is the item's where what follows it is.
                    guard let next, !next.isBlank, next.indent >= sign.width else { break }
                    inner.append(line)
                } else if line.indent >= sign.width {
                    inner.append(line.dropFirst(sign.width))
                } else if line.beginsBlock {
                    break
                } else {
                    inner.append(line)
                }
                at += 1
            }
            items.append(MarkdownSplitter(inner, depth: depth + 1).blocks())
            // Items with blank lines between are one list still.
            if at + 1 < lines.count, lines[at].isBlank, lines[at + 1].itemSign?.isNumbered == first.isNumbered {
                at += 1
            }
        }
        return .items(first: first.number, items)
    }

    private func isTable(_ at: Int) -> Bool {
        at + 1 < lines.count && lines[at].contains("|") && lines[at + 1].isTableDelimiter
    }

    private mutating func table() -> MarkdownBlock {
        var rows = [lines[at]]
        at += 2
        while at < lines.count, lines[at].contains("|") {
            rows.append(lines[at])
            at += 1
        }
        let cells = rows.map { row in row.cells.map { markdownRuns([$0]) } }
        let width = cells[0].count
        return .table(cells.map { Array($0.prefix(width)) + Array(repeating: [], count: max(0, width - $0.count)) })
    }

    private mutating func paragraph() -> MarkdownBlock {
        var text = [lines[at].trimmed]
        at += 1
        while at < lines.count, !lines[at].isBlank, !lines[at].beginsBlock, !isTable(at) {
            text.append(lines[at].trimmed)
            at += 1
        }
        return .paragraph(markdownRuns(text))
    }
}
