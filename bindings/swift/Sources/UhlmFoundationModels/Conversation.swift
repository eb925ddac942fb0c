#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import FoundationModels
import Uhlm

/// A transcript as our sessions know it: what was said, and the message to answer.
@available(iOS 27.0, macOS 27.0, *)
struct Conversation {
    private(set) var history: [Message] = []
    let prompt: String

    /// - Throws: `LanguageModelError.unsupportedTranscriptContent` if an entry is not text, or the last is no prompt.
    init(_ transcript: Transcript) throws {
        var messages = try Self.messages(of: transcript)
        guard let last = messages.popLast(), last.role == .user else {
            throw LanguageModelError.unsupportedTranscriptContent(
                .init(unsupportedContent: [], debugDescription: "the transcript does not end with a prompt"))
        }
        (history, prompt) = (messages, last.content)
    }

    /// The messages of a transcript.
    ///
    /// - Throws: `LanguageModelError.unsupportedTranscriptContent` if an entry is not text.
    static func messages(of transcript: Transcript) throws -> [Message] {
        var messages: [Message] = []
        for entry in transcript {
            switch entry {
            case .instructions(let instructions):
                messages.append(Message(role: .system, content: try Self.text(of: instructions.segments, in: entry)))
            case .prompt(let prompt):
                messages.append(Message(role: .user, content: try Self.text(of: prompt.segments, in: entry)))
            case .response(let response):
                messages.append(Message(role: .assistant, content: try Self.text(of: response.segments, in: entry)))
            default:
                throw Self.unsupported(entry)
            }
        }
        return messages
    }

    private static func text(of segments: [Transcript.Segment], in entry: Transcript.Entry) throws -> String {
        try segments.map { segment in
            guard case .text(let text) = segment else { throw unsupported(entry) }
            return text.content
        }.joined(separator: "\n")
    }

    private static func unsupported(_ entry: Transcript.Entry) -> LanguageModelError {
        .unsupportedTranscriptContent(
            .init(unsupportedContent: [entry], debugDescription: "only text can be given to this model"))
    }
}

@available(iOS 27.0, macOS 27.0, *)
extension SamplingParams {
    /// Returns these parameters with those of a request in their place. The seed of a request is not heeded: a session
    /// has one for its life.
    func with(_ options: FoundationModels.GenerationOptions) -> SamplingParams {
        var sampling = self
        if let temperature = options.temperature { sampling.temperature = Float(temperature) }
        switch options.samplingMode?.kind {
        case .greedy: sampling.temperature = 0
        case .randomTopK(let k, _): sampling.topK = UInt32(clamping: k)
        case .randomProbabilityThreshold(let threshold, _): sampling.topP = Float(threshold)
        default: break
        }
        return sampling
    }
}

#endif
