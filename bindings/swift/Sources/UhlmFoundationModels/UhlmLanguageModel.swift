// Apple's protocol for models of other makers came with iOS 27, whose SDK comes with Swift 6.4. The stand-in is what our
// tests on Linux compile this against; see bindings/swift/foundation-models.
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
/// Text in, text out: it has none of the optional capabilities (images, tools, guided generation, reasoning), and the
/// framework itself refuses requests that need one. What Apple's session has no word for (provisional text, rollbacks, the
/// link's state) is left out; an app that shows those uses `UhlmSession`. Cancelling the task that waits for a response
/// stops both models.
@available(iOS 27.0, macOS 27.0, *)
public struct UhlmLanguageModel: LanguageModel {
    /// What runs it.
    public typealias Executor = UhlmLanguageModelExecutor

    /// Names the sessions that the executor takes; models made by two calls of an initializer have different ones.
    public let executorConfiguration: UhlmLanguageModelExecutor.Configuration

    /// None of the optional ones.
    public var capabilities: LanguageModelCapabilities { LanguageModelCapabilities([]) }

    /// A model with its verifier.
    ///
    /// - Parameters:
    ///   - engine: The loaded draft model.
    ///   - verifier: Judges its tokens; without one, `options.mode` must be `deviceOnly`.
    ///   - options: Options of the sessions. A request's temperature and sampling mode go before those named here.
    public init(engine: UhlmEngine, verifier: UhlmVerifier? = nil, options: SessionOptions = SessionOptions()) {
        self.init(sampling: options.sampling) { sampling in
            var options = options
            options.sampling = sampling
            return try engine.openSession(verifier: verifier, options: options)
        }
    }

    /// For tests that bring sessions of their own.
    init(sampling: SamplingParams, open: @escaping @Sendable (SamplingParams) throws -> any UhlmSessionProtocol) {
        executorConfiguration = .init(sessions: SessionPool(open: open), sampling: sampling)
    }
}

/// Translates one request of Apple's session into a generation, and its committed text back.
@available(iOS 27.0, macOS 27.0, *)
public struct UhlmLanguageModelExecutor: LanguageModelExecutor {
    /// The model type this executor processes requests for.
    public typealias Model = UhlmLanguageModel

    /// Two are equal where they share their sessions.
    public struct Configuration: Hashable, Sendable {
        let sessions: SessionPool
        let sampling: SamplingParams

        /// Whether they share their sessions.
        public static func == (one: Self, other: Self) -> Bool {
            one.sessions === other.sessions
        }

        /// By the sessions' identity.
        public func hash(into hasher: inout Hasher) {
            hasher.combine(ObjectIdentifier(sessions))
        }
    }

    private let configuration: Configuration

    /// Keeps what the model configured; opens nothing yet.
    public init(configuration: Configuration) throws {
        self.configuration = configuration
    }

    /// Streams the reply to the transcript's last prompt.
    ///
    /// - Parameters:
    ///   - request: The transcript, and options; the most tokens, temperature and sampling mode are heeded.
    ///   - model: The model.
    ///   - channel: Takes each piece of committed text, and the token counts at the end.
    /// - Throws: `LanguageModelError` where the transcript is too long or holds what is not text; `UhlmError`;
    ///   `CancellationError`.
    public func respond(
        to request: LanguageModelExecutorGenerationRequest,
        model: UhlmLanguageModel,
        streamingInto channel: LanguageModelExecutorGenerationChannel
    ) async throws {
        let conversation = try Conversation(request.transcript)
        let sampling = configuration.sampling.with(request.generationOptions)
        let session = try configuration.sessions.take(sampling)
        defer { configuration.sessions.giveBack(session, sampling) }
        try session.setMessages(messages: conversation.history)
        do {
            let options = Uhlm.GenerationOptions(
                maxTokens: request.generationOptions.maximumResponseTokens.map { UInt32(clamping: $0) })
            try await stream(session.generate(conversation.prompt, options: options), into: channel)
        } catch UhlmError.PromptTooLong(let reason, _, _, let tokens, let capacity) {
            throw LanguageModelError.contextSizeExceeded(
                .init(contextSize: Int(capacity), tokenCount: Int(tokens), debugDescription: reason))
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
            case .finished(let finish, _, let statistics):
                if finish == .cancelled { throw CancellationError() }
                await channel.send(
                    .response(
                        action: .updateUsage(
                            input: .init(
                                totalTokenCount: Int(statistics.promptTokens),
                                cachedTokenCount: Int(statistics.reusedTokens)),
                            output: .init(totalTokenCount: Int(statistics.tokens), reasoningTokenCount: 0))))
            case .provisional, .reasoning, .rollback, .state:
                break
            }
        }
        try Task.checkCancellation()
    }
}

#endif
