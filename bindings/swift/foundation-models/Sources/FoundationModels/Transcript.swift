public struct Transcript: Sendable, Equatable, RandomAccessCollection {
    public enum Entry: Sendable, Equatable {
        case instructions(Instructions)
        case prompt(Prompt)
        case toolCalls(ToolCalls)
        case response(Response)
    }

    public enum Segment: Sendable, Equatable {
        case text(TextSegment)
        case structure(StructuredSegment)
    }

    public struct TextSegment: Sendable, Equatable {
        public var content: String
        public init(content: String) { self.content = content }
    }

    /// Without what the framework has in it.
    public struct StructuredSegment: Sendable, Equatable {
        public init() {}
    }

    /// Without what the framework has in it.
    public struct ToolCalls: Sendable, Equatable {
        public init() {}
    }

    public struct Instructions: Sendable, Equatable {
        public var segments: [Segment]
        public init(segments: [Segment]) { self.segments = segments }
    }

    public struct Prompt: Sendable, Equatable {
        public var segments: [Segment]
        public init(segments: [Segment]) { self.segments = segments }
    }

    public struct Response: Sendable, Equatable {
        public var segments: [Segment]
        public init(segments: [Segment]) { self.segments = segments }
    }

    private let entries: [Entry]
    public init(entries: some Sequence<Entry> = []) { self.entries = Array(entries) }
    public var startIndex: Int { entries.startIndex }
    public var endIndex: Int { entries.endIndex }
    public subscript(index: Int) -> Entry { entries[index] }
}
