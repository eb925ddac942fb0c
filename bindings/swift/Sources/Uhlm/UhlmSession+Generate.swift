/// A whole reply.
public struct GenerationResult: Sendable, Equatable {
    /// Committed text.
    public let text: String
    /// The model's reasoning before the text; empty where there is none.
    public let reasoning: String
    /// Reason for the end.
    public let finish: FinishReason
    /// Counts, rates and times of the reply.
    public let statistics: Statistics
    /// Calls of tools that the model wrote, in order. Those of the last round wait for their results if ``finish`` is
    /// ``FinishReason/toolCalls``.
    public let toolCalls: [ToolCall]

    /// Makes a reply of its parts.
    public init(
        text: String, reasoning: String, finish: FinishReason, statistics: Statistics, toolCalls: [ToolCall] = []
    ) {
        self.text = text
        self.reasoning = reasoning
        self.finish = finish
        self.statistics = statistics
        self.toolCalls = toolCalls
    }
}

extension UhlmSessionProtocol {
    /// Returns the events of the reply to the person's next message. The model's chat template is applied, and the
    /// reply joins the conversation.
    ///
    /// ```swift
    /// for try await event in session.generate("Where is the station?") { ... }
    /// ```
    ///
    /// - Parameters:
    ///   - message: The person's message.
    ///   - options: The options of this reply.
    /// - Returns: A sequence that starts the generation when it is looped over. ``GenerationEvents`` says what it
    ///   throws and how it is cancelled.
    public func generate(_ message: String, options: GenerationOptions = GenerationOptions()) -> GenerationEvents {
        generate(.chat(text: message), options: options)
    }

    /// Returns the events of a generation.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: The options of this generation.
    /// - Returns: A sequence that starts the generation when it is looped over. ``GenerationEvents`` says what it
    ///   throws and how it is cancelled.
    public func generate(_ prompt: Prompt, options: GenerationOptions = GenerationOptions()) -> GenerationEvents {
        GenerationEvents { try self.start(prompt: prompt, options: options) }
    }

    /// Returns the text of the reply to the person's next message, as it is committed. No piece is ever taken back.
    ///
    /// - Parameters:
    ///   - message: The person's message.
    ///   - options: The options of this reply.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationText``.
    public func generateText(_ message: String, options: GenerationOptions = GenerationOptions()) -> GenerationText {
        generateText(.chat(text: message), options: options)
    }

    /// Returns the text of a generation, as it is committed. No piece is ever taken back.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: The options of this generation.
    /// - Returns: A sequence that starts the generation when it is looped over; see ``GenerationText``.
    public func generateText(_ prompt: Prompt, options: GenerationOptions = GenerationOptions()) -> GenerationText {
        GenerationText(events: generate(prompt, options: options))
    }

    /// Generates the reply to the person's next message and returns it as a whole.
    ///
    /// - Parameters:
    ///   - message: The person's message.
    ///   - options: The options of this reply.
    /// - Returns: The text, the reasoning before it, the reason for the end, and the statistics.
    /// - Throws: ``IncompleteReply`` if the options have a grammar and a limit cuts the reply, ``UhlmError``, or
    ///   `CancellationError` if the task was cancelled before the reply was whole. Text that
    ///   was committed by then stands in the conversation.
    public func respond(
        to message: String, options: GenerationOptions = GenerationOptions()
    ) async throws -> GenerationResult {
        try await respond(to: .chat(text: message), options: options)
    }

    /// Generates a reply and returns it as a whole.
    ///
    /// - Parameters:
    ///   - prompt: The person's next message, or raw text to continue.
    ///   - options: The options of this generation.
    /// - Returns: The text, the reasoning before it, the reason for the end, and the statistics.
    /// - Throws: ``IncompleteReply`` if the options have a grammar and a limit cuts the reply, ``UhlmError``, or
    ///   `CancellationError` if the task was cancelled before the reply was whole. Text that
    ///   was committed by then stands in the conversation.
    public func respond(
        to prompt: Prompt, options: GenerationOptions = GenerationOptions()
    ) async throws -> GenerationResult {
        var calls: [ToolCall] = []
        for try await event in generate(prompt, options: options) {
            if case .toolCall(let call) = event { calls.append(call) }
            guard case .finished(let finish, let text, let reasoning, let statistics) = event else { continue }
            if finish == .cancelled { try Task.checkCancellation() }
            if statistics.grammarComplete == false && finish != .cancelled {
                throw IncompleteReply(text: text, finish: finish)
            }
            return GenerationResult(
                text: text, reasoning: reasoning, finish: finish, statistics: statistics, toolCalls: calls)
        }
        // A generation ends with an event or an error, unless this task was cancelled before it began.
        throw CancellationError()
    }

    /// The session's status as a sequence: the present one, then each change, until the session ends or the task is
    /// cancelled.
    public var statuses: SessionStatuses {
        SessionStatuses { [weak self] in try? self?.statusUpdates() }
    }
}
