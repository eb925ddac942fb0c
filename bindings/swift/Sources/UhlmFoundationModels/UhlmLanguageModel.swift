// Apple's protocol for models of other makers came with iOS 27, whose SDK comes with Swift 6.4. The stand-in is what
// our tests on Linux compile this against; see bindings/swift/foundation-models.
#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import FoundationModels
import Uhlm

/// A draft model, with or without a verifier, behind Apple's `LanguageModelSession`.
///
/// ```swift
/// let model = UhlmLanguageModel(engine: engine, verifier: verifier)
/// let session = LanguageModelSession(model: model, instructions: "Answer in one sentence.")
/// let reply = try await session.respond(to: "Where is the station?")
/// ```
///
/// It takes text and gives text. It has none of the optional capabilities (images, tools, guided generation,
/// reasoning), and the framework itself refuses requests that need one. What Apple's session has no word for
/// (provisional text, rollbacks, the link's state) is left out; an app that shows those uses `UhlmSession`. Cancelling
/// the task that waits for a response stops both models.
@available(iOS 27.0, macOS 27.0, *)
public struct UhlmLanguageModel: LanguageModel {
    /// The type that runs it.
    public typealias Executor = UhlmLanguageModelExecutor

    /// The sessions that the executor takes. Models made by two calls of an initializer have different ones.
    public let executorConfiguration: UhlmLanguageModelExecutor.Configuration

    /// No optional capability.
    public var capabilities: LanguageModelCapabilities { LanguageModelCapabilities([]) }

    /// Makes a model with its verifier.
    ///
    /// - Parameters:
    ///   - engine: The loaded draft model.
    ///   - verifier: The verifier, which judges the tokens. Without one, `options.mode` must be `deviceOnly`.
    ///   - options: The options of the sessions. The temperature and the sampling mode of a request go before them.
    public init(engine: UhlmEngine, verifier: UhlmVerifier? = nil, options: SessionOptions = SessionOptions()) {
        self.init(sampling: options.sampling) { sampling in
            var options = options
            options.sampling = sampling
            return try await engine.openSession(verifier: verifier, options: options)
        }
    }

    /// For tests that bring sessions of their own.
    init(sampling: SamplingParams, open: @escaping @Sendable (SamplingParams) async throws -> any UhlmSessionProtocol) {
        executorConfiguration = .init(sessions: SessionPool(open: open), sampling: sampling)
    }
}

/// Translates a request of Apple's session into a generation, and the committed text back.
@available(iOS 27.0, macOS 27.0, *)
public struct UhlmLanguageModelExecutor: LanguageModelExecutor {
    /// The type of model whose requests it runs.
    public typealias Model = UhlmLanguageModel

    /// The sessions of an executor. Two configurations are equal if they share their sessions.
    public struct Configuration: Hashable, Sendable {
        let sessions: SessionPool
        let sampling: SamplingParams

        /// Tells whether two configurations share their sessions.
        public static func == (one: Self, other: Self) -> Bool {
            one.sessions === other.sessions
        }

        /// Hashes the identity of the sessions.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(ObjectIdentifier(sessions))
        }
    }

    private let configuration: Configuration

    /// Makes an executor. It opens no session yet.
    public init(configuration: Configuration) throws {
        self.configuration = configuration
    }

    /// Reads the transcript ahead of the next prompt, so that the reply to it begins sooner. It returns at once; a
    /// transcript that holds something other than text, and a model that fails, are told of by the reply.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - transcript: The transcript so far.
    public func prewarm(model: UhlmLanguageModel, transcript: Transcript) {
        guard let messages = try? Conversation.messages(of: transcript) else { return }
        let configuration = configuration
        Task {
            guard let session = try? await configuration.sessions.take(configuration.sampling) else { return }
            let isSet = (try? session.setMessages(messages: messages)) != nil
            // A reply that is asked for meanwhile takes this session: it stops reading ahead then.
            configuration.sessions.giveBack(session, configuration.sampling)
            if isSet { _ = try? await session.prewarm(beginning: "") }
        }
    }

    /// Streams the reply to the transcript's last prompt.
    ///
    /// - Parameters:
    ///   - request: The transcript and the options, of which the limit of tokens, the temperature and the sampling mode
    ///     are heeded.
    ///   - model: The model.
    ///   - channel: Takes each piece of committed text, and the token counts at the end.
    /// - Throws: `LanguageModelError` if the transcript is too long or holds something other than text, `UhlmError` or
    ///   `CancellationError`.
    public func respond(
        to request: LanguageModelExecutorGenerationRequest,
        model: UhlmLanguageModel,
        streamingInto channel: LanguageModelExecutorGenerationChannel
    ) async throws {
        let conversation = try Conversation(request.transcript)
        let sampling = configuration.sampling.with(request.generationOptions)
        let session = try await configuration.sessions.take(sampling)
        defer { configuration.sessions.giveBack(session, sampling) }
        try session.setMessages(messages: conversation.history)
        do {
            let options = Uhlm.GenerationOptions(
                maxTokens: request.generationOptions.maximumResponseTokens.map { UInt32(clamping: $0) })
            try await stream(session.generate(conversation.prompt, options: options), into: channel)
        } catch let error as UhlmError {
            guard case .promptTooLong(let tokens, _, let capacity) = error.kind else { throw error }
            throw LanguageModelError.contextSizeExceeded(
                .init(contextSize: Int(capacity), tokenCount: Int(tokens), debugDescription: error.reason))
        }
    }

    private func stream(
        _ events: GenerationEvents, into channel: LanguageModelExecutorGenerationChannel
    ) async throws {
        // A token that ends inside a character has no text of its own; it is counted with the next that has.
        var tokens = 0
        for try await event in events {
            switch event {
            case .committed(let token, _):
                tokens += 1
                if token.text.isEmpty { continue }
                await channel.send(.response(action: .appendText(token.text, tokenCount: tokens)))
                tokens = 0
            case .finished(let finish, _, _, let statistics):
                if finish == .cancelled { throw CancellationError() }
                await channel.send(
                    .response(
                        action: .updateUsage(
                            input: .init(
                                totalTokenCount: Int(statistics.promptTokens),
                                cachedTokenCount: Int(statistics.reusedTokens)),
                            output: .init(totalTokenCount: Int(statistics.tokens), reasoningTokenCount: 0))))
            case .provisional, .reasoning, .rollback, .state, .toolCall, .toolResult, .malformedToolCall:
                break
            }
        }
        try Task.checkCancellation()
    }
}

#endif
