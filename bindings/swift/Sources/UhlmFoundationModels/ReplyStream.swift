#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import Foundation
import FoundationModels
import Uhlm

/// Sends a reply into the framework's channel: committed text piece by piece, which in a reply with a schema is the
/// JSON that the framework reads as it grows; calls of tools; and at the end what all of it took.
@available(iOS 27.0, macOS 27.0, *)
struct ReplyStream {
    typealias Channel = LanguageModelExecutorGenerationChannel

    let channel: Channel
    let session: any UhlmSessionProtocol
    /// Whether the reply keeps to a schema.
    let hasForm: Bool

    // One entry of each kind, whatever comes between: by itself the framework joins only events of one kind that follow
    // each other.
    private let response = UUID().uuidString
    private let calls = UUID().uuidString

    init(into channel: Channel, of session: any UhlmSessionProtocol, hasForm: Bool) {
        self.channel = channel
        self.session = session
        self.hasForm = hasForm
    }

    /// - Throws: `UhlmError`, `CancellationError`, or, where a limit cuts a reply with a schema, `IncompleteReply` or
    ///   `LanguageModelError.contextSizeExceeded`.
    func send(_ events: GenerationEvents) async throws {
        // A token that ends inside a character, or belongs to a call, has no text of its own; it is counted with the
        // next piece.
        var tokens = 0
        var thoughts = 0
        var (hasText, hasCalls) = (false, false)
        for try await event in events {
            switch event {
            case .committed(let token, _):
                tokens += 1
                if token.text.isEmpty { continue }
                await send(text: token.text, tokens)
                (hasText, tokens) = (true, 0)
            case .reasoning:
                thoughts += 1
            case .toolCall(let call):
                let action = Channel.ToolCalls.ToolCall.Action.appendArguments(call.arguments, tokenCount: tokens)
                await channel.send(
                    .toolCalls(entryID: calls, action: .toolCall(id: call.id, name: call.name, action: action)))
                (hasCalls, tokens) = (true, 0)
            case .finished(let finish, let text, _, let statistics):
                if finish == .cancelled { throw CancellationError() }
                if hasForm, statistics.grammarComplete != true { throw cut(finish, text) }
                // A reply of nothing but what is no call is still a reply.
                if !hasText, !hasCalls { await send(text: "", tokens) }
                await send(statistics, thoughts, hasCalls: hasCalls)
            case .provisional, .rollback, .state, .toolResult, .malformedToolCall:
                break
            }
        }
        try Task.checkCancellation()
    }

    private func send(text: String, _ tokens: Int) async {
        await channel.send(.response(entryID: response, action: .appendText(text, tokenCount: tokens)))
    }

    /// Tells what the reply took, in the entry that ends it.
    private func send(_ statistics: Statistics, _ thoughts: Int, hasCalls: Bool) async {
        let input = Channel.Usage.Input(
            totalTokenCount: Int(statistics.promptTokens), cachedTokenCount: Int(statistics.reusedTokens))
        let output = Channel.Usage.Output(
            totalTokenCount: Int(statistics.tokens), reasoningTokenCount: thoughts)
        if hasCalls {
            await channel.send(.toolCalls(entryID: calls, action: .updateUsage(input: input, output: output)))
        } else {
            await channel.send(.response(entryID: response, action: .updateUsage(input: input, output: output)))
        }
    }

    /// Why a reply that was to keep to a schema ended before it was whole.
    private func cut(_ finish: FinishReason, _ text: String) -> any Error {
        guard finish == .contextFull, let use = try? session.contextUse(), let context = use.context else {
            return IncompleteReply(text: text, finish: finish)
        }
        return LanguageModelError.contextSizeExceeded(
            .init(
                contextSize: Int(context), tokenCount: Int(use.tokens),
                debugDescription: "the context was full before the reply was whole"))
    }
}

#endif
