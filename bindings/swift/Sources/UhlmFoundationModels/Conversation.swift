#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import FoundationModels
import Uhlm

/// A transcript as our sessions know it: what was said, and what is to be answered.
@available(iOS 27.0, macOS 27.0, *)
struct Conversation {
    /// What was said before.
    let history: [Message]
    /// The person's message, or the results of the tools that the model called.
    let prompt: Uhlm.Prompt

    /// - Parameters:
    ///   - transcript: The transcript, which ends with a prompt or with the outputs of tools.
    ///   - schema: The JSON schema that the model reads behind the last prompt; nil for none.
    /// - Throws: `LanguageModelError.unsupportedTranscriptContent` if the transcript holds something other than text,
    ///   structure, calls of tools and their outputs, or ends with something else.
    init(_ transcript: Transcript, schema: String? = nil) throws {
        var messages = try Self.messages(of: transcript)
        if let schema, let asked = messages.lastIndex(where: { $0.role == .user }) {
            messages[asked].content += "\n\nAnswer with JSON that this schema describes: \(schema)"
        }
        let outputs = messages.suffix(while: { $0.role == .tool })
        if !outputs.isEmpty {
            messages.removeLast(outputs.count)
            prompt = .toolResults(results: outputs.map(ToolResult.init(message:)))
        } else if let last = messages.popLast(), last.role == .user {
            prompt = .chat(text: last.content)
        } else {
            throw LanguageModelError.unsupportedTranscriptContent(
                .init(
                    unsupportedContent: [],
                    debugDescription: "the transcript ends with neither a prompt nor the output of a tool"))
        }
        history = messages
    }

    /// The messages of a transcript. Text and calls of one reply are one message, as models write them.
    ///
    /// - Throws: `LanguageModelError.unsupportedTranscriptContent` if an entry is something else.
    static func messages(of transcript: Transcript) throws -> [Message] {
        var messages: [Message] = []
        for entry in transcript {
            switch entry {
            case .instructions(let instructions):
                messages.append(Message(role: .system, content: try text(of: instructions.segments, in: entry)))
            case .prompt(let prompt):
                messages.append(Message(role: .user, content: try text(of: prompt.segments, in: entry)))
            case .response(let response):
                messages.append(Message(role: .assistant, content: try text(of: response.segments, in: entry)))
            case .toolCalls(let calls):
                let calls = calls.map {
                    ToolCall(id: $0.id, name: $0.toolName, arguments: $0.arguments.jsonString)
                }
                if let last = messages.last, last.role == .assistant, last.toolCalls.isEmpty {
                    messages[messages.count - 1].toolCalls = calls
                } else {
                    messages.append(Message(role: .assistant, content: "", toolCalls: calls))
                }
            case .toolOutput(let output):
                messages.append(
                    Message(
                        role: .tool, content: try text(of: output.segments, in: entry), toolCallId: output.id,
                        toolName: output.toolName))
            default:
                throw unsupported(entry)
            }
        }
        return messages
    }

    private static func text(of segments: [Transcript.Segment], in entry: Transcript.Entry) throws -> String {
        try segments.map { segment in
            switch segment {
            case .text(let text): text.content
            case .structure(let structure): structure.content.jsonString
            default: throw unsupported(entry)
            }
        }.joined(separator: "\n")
    }

    private static func unsupported(_ entry: Transcript.Entry) -> LanguageModelError {
        .unsupportedTranscriptContent(
            .init(
                unsupportedContent: [entry],
                debugDescription: "only text, structure, calls of tools and their outputs can be given to this model"))
    }
}

extension Array {
    /// The last elements, as far back as all of them satisfy the predicate.
    fileprivate func suffix(while predicate: (Element) -> Bool) -> ArraySlice<Element> {
        self[(lastIndex { !predicate($0) }.map { $0 + 1 } ?? 0)...]
    }
}

extension ToolResult {
    /// The result in a tool's message.
    fileprivate init(message: Message) {
        self.init(id: message.toolCallId ?? "", name: message.toolName ?? "", content: message.content)
    }
}

#endif
