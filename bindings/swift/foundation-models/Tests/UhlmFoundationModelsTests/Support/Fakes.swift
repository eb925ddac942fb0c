import Foundation
import Uhlm

/// A generation of one batch.
final class FakeGeneration: UhlmGeneration, @unchecked Sendable {
    private let lock = NSLock()
    private var batches: [[GenerationEvent]]
    private let error: UhlmError?

    init(_ events: [GenerationEvent], error: UhlmError?) {
        batches = [events]
        self.error = error
        super.init(noHandle: .init())
    }

    required init(unsafeFromHandle handle: UInt64) {
        fatalError("a fake has no handle")
    }

    override func nextEvents() async throws -> [GenerationEvent] {
        if let error { throw error }
        return lock.withLock { batches.isEmpty ? [] : batches.removeFirst() }
    }

    override func cancel() {}
}

/// A session that gives the same events each time, and remembers what it was asked.
final class FakeSession: UhlmSessionProtocol, @unchecked Sendable {
    private let events: [GenerationEvent]
    private let error: UhlmError?
    private(set) var history: [Message] = []
    private(set) var prompts: [Uhlm.Prompt] = []
    private(set) var options: [Uhlm.GenerationOptions] = []
    private(set) var samplings: [SamplingParams] = []

    init(_ events: [GenerationEvent], error: UhlmError? = nil) {
        self.events = events
        self.error = error
    }

    func opened(with sampling: SamplingParams) { samplings.append(sampling) }

    func start(prompt: Uhlm.Prompt, options: Uhlm.GenerationOptions) throws -> UhlmGeneration {
        prompts.append(prompt)
        self.options.append(options)
        return FakeGeneration(events, error: error)
    }

    func setMessages(messages: [Message]) throws { history = messages }
    func contextUse() throws -> ContextUse { ContextUse(tokens: 500, context: 512) }
    func messages() throws -> [Message] { history }
    func reset() throws {}
    func saveCalibration(path: String) async throws {}
    private(set) var warmed: [[Message]] = []
    /// How long reading ahead takes, in nanoseconds.
    var warming: UInt64 = 0
    func prewarm(beginning: String) async throws -> UInt32 {
        warmed.append(history)
        try await Task.sleep(nanoseconds: warming)
        return 7
    }
    func save(path: String) async throws {}
    func setInstructions(instructions: String?) throws {}
    func totals() throws -> Totals { Totals(origins: OriginCounts(draft: 0, verified: 0, target: 0, unverified: 0)) }
    func summarise(
        text: String, options: SummaryOptions, generation: Uhlm.GenerationOptions
    ) async throws -> UhlmSummary {
        UhlmSummary(noHandle: .init())
    }
    func setToolRunner(runner: ToolRunner?) {}
    func setConsent(consent: Consent) throws {}
    func sent() throws -> SentRecord { SentRecord(requests: [], totalRequests: 0, totalTokens: 0, totalBytes: 0) }
    func clearSent() throws {}
    func setDevice(state: DeviceState) throws {}
    func onNetworkChange() throws {}
    func shutDown() {}
    func status() throws -> SessionStatus { SessionStatus(generating: false, link: .online) }
    func statusUpdates() throws -> UhlmStatusUpdates { UhlmStatusUpdates(noHandle: .init()) }
}

func provisional(_ text: String) -> GenerationEvent {
    .provisional(token: TokenText(id: 1, text: text, uncertainty: nil))
}

func committed(_ text: String) -> GenerationEvent {
    .committed(token: TokenText(id: 1, text: text, uncertainty: nil), origin: .verified)
}

func called(_ id: String, _ name: String, _ arguments: String) -> GenerationEvent {
    .toolCall(call: ToolCall(id: id, name: name, arguments: arguments))
}

/// The end of a reply; `isWhole` says whether it is all of its grammar, nil where it has none.
func finished(_ finish: FinishReason, _ text: String = "", isWhole: Bool? = nil) -> GenerationEvent {
    .finished(
        finish: finish, text: text, reasoning: "",
        statistics: Statistics(
            promptTokens: 5, reusedTokens: 2, tokens: 3,
            origins: OriginCounts(draft: 0, verified: 3, target: 0, unverified: 0),
            drafted: 0, judged: 0, rejected: 0, skipped: 0, rollbacks: 0, rolledBack: 0, verdicts: 0, targetPasses: 0,
            bodyUp: 0, bodyDown: 0, elapsedSeconds: 0, prefillSeconds: 0, firstTokenSeconds: 0, draftingSeconds: 0,
            waitingSeconds: 0, medianVerdictSeconds: nil, tokensPerSecond: 0, transmissionRate: 0, trueSkipRate: 0,
            acceptanceRate: 0, targetPassesPerToken: 0, grammarComplete: isWhole))
}
