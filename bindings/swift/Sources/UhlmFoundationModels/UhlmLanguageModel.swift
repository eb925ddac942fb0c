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
/// It takes text and gives text, or values that a schema describes: both models then can write nothing else. It calls
/// the session's tools. It has none of the other capabilities (images, reasoning), and the framework itself refuses
/// requests that need one. What Apple's session has no word for (provisional text, rollbacks, the link's state) is left
/// out; an app that shows those uses `UhlmSession`. Cancelling the task that waits for a response stops both models.
@available(iOS 27.0, macOS 27.0, *)
public struct UhlmLanguageModel: LanguageModel {
    /// The type that runs it.
    public typealias Executor = UhlmLanguageModelExecutor

    /// The sessions that the executor takes. Models made by two calls of an initializer have different ones.
    public let executorConfiguration: UhlmLanguageModelExecutor.Configuration

    /// Guided generation and calls of tools.
    public var capabilities: LanguageModelCapabilities { LanguageModelCapabilities([.guidedGeneration, .toolCalling]) }

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
    /// transcript that cannot be read, and a model that fails, are told of by the reply.
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

    /// Streams the reply to the transcript's last prompt, or to the outputs of the tools that it called.
    ///
    /// A reply to a request with a schema is JSON that the schema describes, its properties in their order, and calls
    /// no tool unless a call is required. The model reads the schema behind the prompt unless `includeSchemaInPrompt`
    /// is false.
    ///
    /// - Parameters:
    ///   - request: The transcript, the schema, the tools and the options, of which the limit of tokens, the
    ///     temperature, the sampling mode and the tool calling mode are heeded.
    ///   - model: The model.
    ///   - channel: Takes each piece of committed text, the calls, and the token counts at the end.
    /// - Throws: `LanguageModelError` if the transcript is too long or holds something other than text, structure and
    ///   tools, if the schema cannot be kept to, or if the verifier has no room;
    ///   `IncompleteReply` if the limit of tokens cuts a reply with a schema; `UhlmError` or `CancellationError`.
    public func respond(
        to request: LanguageModelExecutorGenerationRequest,
        model: UhlmLanguageModel,
        streamingInto channel: LanguageModelExecutorGenerationChannel
    ) async throws {
        let schema = try request.schema?.jsonText()
        let isShown = request.contextOptions.includeSchemaInPrompt ?? true
        let conversation = try Conversation(request.transcript, schema: isShown ? schema : nil)
        let options = try Uhlm.GenerationOptions(request, schema: schema)
        let hasForm = options.grammar != nil
        let sampling = configuration.sampling.with(request.generationOptions)
        let session = try await configuration.sessions.take(sampling)
        defer { configuration.sessions.giveBack(session, sampling) }
        try session.setMessages(messages: conversation.history)
        do {
            let stream = ReplyStream(into: channel, of: session, hasForm: hasForm)
            try await stream.send(session.generate(conversation.prompt, options: options))
        } catch let error as UhlmError {
            throw LanguageModelError(error, hasForm: hasForm) ?? error
        }
    }
}

#endif
