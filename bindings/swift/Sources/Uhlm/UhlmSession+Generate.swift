/// A whole reply.
public struct GenerationResult: Sendable, Equatable {
    /// The committed text.
    public let text: String
    /// Why the generation ended.
    public let finish: FinishReason
    /// What it did and what it cost.
    public let statistics: Statistics

    /// A reply with its parts.
    public init(text: String, finish: FinishReason, statistics: Statistics) {
        self.text = text
        self.finish = finish
        self.statistics = statistics
    }
}

extension UhlmSessionProtocol {
    /// The events of a reply to the person's next message; the model's chat template is applied and the reply joins the
    /// conversation.
    ///
    /// ```swift
    /// for try await event in session.generate("Where is the station?") { ... }
    /// ```
    ///
    /// - Parameters:
    ///   - message: What the person says.
    ///   - options: Options of this reply.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationEvents`` for what it throws
    ///   and how it is cancelled.
    public func generate(_ message: String, options: GenerationOptions = GenerationOptions()) -> GenerationEvents {
        generate(.chat(text: message), options: options)
    }

    /// The events of a generation.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: Options of this generation.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationEvents`` for what it throws
    ///   and how it is cancelled.
    public func generate(_ prompt: Prompt, options: GenerationOptions = GenerationOptions()) -> GenerationEvents {
        GenerationEvents { try self.start(prompt: prompt, options: options) }
    }

    /// The text of a reply to the person's next message, as it is committed. No piece of it is ever taken back.
    ///
    /// - Parameters:
    ///   - message: What the person says.
    ///   - options: Options of this reply.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationText``.
    public func generateText(_ message: String, options: GenerationOptions = GenerationOptions()) -> GenerationText {
        generateText(.chat(text: message), options: options)
    }

    /// The text of a generation, as it is committed. No piece of it is ever taken back.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: Options of this generation.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationText``.
    public func generateText(_ prompt: Prompt, options: GenerationOptions = GenerationOptions()) -> GenerationText {
        GenerationText(events: generate(prompt, options: options))
    }

    /// The whole reply to the person's next message.
    ///
    /// - Parameters:
    ///   - message: What the person says.
    ///   - options: Options of this reply.
    /// - Returns: The text, why it ended, and the statistics.
    /// - Throws: ``UhlmError``; `CancellationError` where the task was cancelled before the reply was whole. What was
    ///   committed until then stands in the conversation.
    public func respond(
        to message: String, options: GenerationOptions = GenerationOptions()
    ) async throws -> GenerationResult {
        try await respond(to: .chat(text: message), options: options)
    }

    /// The whole text of a generation.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: Options of this generation.
    /// - Returns: The text, why it ended, and the statistics.
    /// - Throws: ``UhlmError``; `CancellationError` where the task was cancelled before the text was whole. What was
    ///   committed until then stands in the conversation.
    public func respond(
        to prompt: Prompt, options: GenerationOptions = GenerationOptions()
    ) async throws -> GenerationResult {
        for try await event in generate(prompt, options: options) {
            guard case .finished(let finish, let text, let statistics) = event else { continue }
            if finish == .cancelled { try Task.checkCancellation() }
            return GenerationResult(text: text, finish: finish, statistics: statistics)
        }
        // A generation ends with an event or an error, unless this task was cancelled before it began.
        throw CancellationError()
    }

    /// The session's status: what it is now, then each change, until the session ends or the task is cancelled.
    public var statuses: SessionStatuses {
        SessionStatuses { [weak self] in try? self?.statusUpdates() }
    }
}
