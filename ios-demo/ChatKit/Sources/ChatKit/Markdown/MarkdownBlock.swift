/// A block of a Markdown text.
public indirect enum MarkdownBlock: Sendable, Equatable {
    /// Text.
    case paragraph([MarkdownRun])
    /// A heading of a level from 1, the largest, to 6.
    case heading(Int, [MarkdownRun])
    /// Code, with what its fence says; empty if it says nothing.
    case code(language: String, [MarkdownRun])
    /// Items, with the number of the first; nil where they are not numbered.
    case items(first: Int?, [[MarkdownBlock]])
    /// Something quoted.
    case quote([MarkdownBlock])
    /// Rows of cells, the header first.
    case table([[[MarkdownRun]]])
    /// A line across.
    case rule
}

/// Text in one style. It stands in the source as it is, code point by code point.
public struct MarkdownRun: Sendable, Equatable {
    /// The text.
    public let text: String
    /// Where it begins in the source, in code points.
    public let start: Int
    /// How it is shown.
    public let style: MarkdownStyle

    init(_ text: String, _ start: Int, _ style: MarkdownStyle = MarkdownStyle()) {
        self.text = text
        self.start = start
        self.style = style
    }
}

/// How a text is shown.
public struct MarkdownStyle: Sendable, Equatable {
    /// Whether it is bold.
    public var bold = false
    /// Whether it is italic.
    public var italic = false
    /// Whether it is code.
    public var code = false
    /// Whether it is struck through.
    public var struck = false
    /// The address that it leads to.
    public var link: String?
}

extension [MarkdownRun] {
    /// The text of all.
    public var text: String { map(\.text).joined() }
}
