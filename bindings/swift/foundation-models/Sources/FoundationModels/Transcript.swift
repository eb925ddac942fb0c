import Foundation

public struct Transcript: Sendable, Equatable, RandomAccessCollection {
    public enum Entry: Sendable, Equatable {
        case instructions(Instructions)
        case prompt(Prompt)
        case toolCalls(ToolCalls)
        case toolOutput(ToolOutput)
        case response(Response)
        case reasoning(Reasoning)
    }

    public enum Segment: Sendable, Equatable {
        case text(TextSegment)
        case structure(StructuredSegment)
        case attachment(AttachmentSegment)
    }

    public struct TextSegment: Sendable, Equatable {
        public var content: String
        public init(content: String) { self.content = content }
    }

    public struct StructuredSegment: Sendable, Equatable {
        public var content: GeneratedContent
        public init(source: String, content: GeneratedContent) { self.content = content }
    }

    /// Without what the framework has in it: an image.
    public struct AttachmentSegment: Sendable, Equatable {
        public init() {}
    }

    public struct ToolCalls: Sendable, Equatable, RandomAccessCollection {
        private let calls: [ToolCall]
        public init(_ calls: some Sequence<ToolCall>) { self.calls = Array(calls) }
        public var startIndex: Int { calls.startIndex }
        public var endIndex: Int { calls.endIndex }
        public subscript(index: Int) -> ToolCall { calls[index] }
    }

    public struct ToolCall: Sendable, Equatable {
        public var id: String
        public var toolName: String
        public var arguments: GeneratedContent

        public init(id: String, toolName: String, arguments: GeneratedContent) {
            self.id = id
            self.toolName = toolName
            self.arguments = arguments
        }
    }

    public struct ToolOutput: Sendable, Equatable {
        public var id: String
        public var toolName: String
        public var segments: [Segment]

        public init(id: String, toolName: String, segments: [Segment]) {
            self.id = id
            self.toolName = toolName
            self.segments = segments
        }
    }

    public struct ToolDefinition: Sendable {
        public var name: String
        public var description: String
        public var parameters: GenerationSchema

        public init(name: String, description: String, parameters: GenerationSchema) {
            self.name = name
            self.description = description
            self.parameters = parameters
        }
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

    public struct Reasoning: Sendable, Equatable {
        public var segments: [Segment]
        public init(segments: [Segment]) { self.segments = segments }
    }

    private let entries: [Entry]
    public init(entries: some Sequence<Entry> = []) { self.entries = Array(entries) }
    public var startIndex: Int { entries.startIndex }
    public var endIndex: Int { entries.endIndex }
    public subscript(index: Int) -> Entry { entries[index] }
}
