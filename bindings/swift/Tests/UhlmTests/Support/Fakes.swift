import Foundation

@testable import Uhlm

/// A generation that gives what a test says, and remembers what it was asked.
final class FakeGeneration: UhlmGeneration, @unchecked Sendable {
    private struct State {
        var batches: [Result<[GenerationEvent], UhlmError>]
        var pulls = 0
        var cancels = 0
        var waiting: CheckedContinuation<Void, Never>?
    }

    private let state: Locked<State>
    /// What follows once it is cancelled; without it, a pull past the last batch gives the end.
    private let whenCancelled: [GenerationEvent]?

    init(_ batches: [Result<[GenerationEvent], UhlmError>], whenCancelled: [GenerationEvent]? = nil) {
        state = Locked(State(batches: batches))
        self.whenCancelled = whenCancelled
        super.init(noHandle: .init())
    }

    required init(unsafeFromHandle handle: UInt64) {
        fatalError("a fake has no handle")
    }

    var pulls: Int { state.withLock { $0.pulls } }
    var cancels: Int { state.withLock { $0.cancels } }

    override func nextEvents() async throws -> [GenerationEvent] {
        let batch = state.withLock { state -> Result<[GenerationEvent], UhlmError>? in
            state.pulls += 1
            return state.batches.isEmpty ? nil : state.batches.removeFirst()
        }
        if let batch { return try batch.get() }
        guard let whenCancelled else { return [] }
        await withCheckedContinuation { continuation in
            let cancelled = state.withLock { state in
                if state.cancels == 0 { state.waiting = continuation }
                return state.cancels > 0
            }
            if cancelled { continuation.resume() }
        }
        return whenCancelled
    }

    override func cancel() {
        let waiting = state.withLock { state in
            state.cancels += 1
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }
}

/// Statuses that a test sets.
final class FakeStatusUpdates: UhlmStatusUpdates, @unchecked Sendable {
    private struct State {
        var statuses: [SessionStatus?]
        var waiting: CheckedContinuation<SessionStatus?, Never>?
    }

    private let state: Locked<State>

    init(_ first: SessionStatus) {
        state = Locked(State(statuses: [first]))
        super.init(noHandle: .init())
    }

    required init(unsafeFromHandle handle: UInt64) {
        fatalError("a fake has no handle")
    }

    var isAwaited: Bool { state.withLock { $0.waiting != nil } }

    /// Nil is the session's end.
    func give(_ status: SessionStatus?) {
        let waiting = state.withLock { state in
            if state.waiting == nil { state.statuses.append(status) }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: status)
    }

    override func next() async -> SessionStatus? {
        await withCheckedContinuation { continuation in
            let there: SessionStatus?? = state.withLock { state in
                if !state.statuses.isEmpty { return .some(state.statuses.removeFirst()) }
                state.waiting = continuation
                return nil
            }
            if let there { continuation.resume(returning: there) }
        }
    }

    override func cancel() { give(nil) }
}

/// A session that hands out generations made beforehand, and statuses that a test sets.
final class FakeSession: UhlmSessionProtocol {
    private struct State {
        var generations: [FakeGeneration]
        var starts: [(prompt: Prompt, options: GenerationOptions)] = []
        var isClosed = false
    }

    private let state: Locked<State>
    let updates = FakeStatusUpdates(SessionStatus(generating: false, link: .online))

    init(_ generations: FakeGeneration...) {
        state = Locked(State(generations: generations))
    }

    var starts: [(prompt: Prompt, options: GenerationOptions)] { state.withLock { $0.starts } }

    func start(prompt: Prompt, options: GenerationOptions) throws -> UhlmGeneration {
        try state.withLock { state in
            state.starts.append((prompt, options))
            if state.generations.isEmpty {
                throw failed(.busy, retryable: true, recovery: .tryAgain)
            }
            return state.generations.removeFirst()
        }
    }

    func statusUpdates() throws -> UhlmStatusUpdates {
        if state.withLock({ $0.isClosed }) {
            throw failed(.sessionClosed, recovery: .openAgain)
        }
        return updates
    }

    func shutDown() {
        state.withLock { $0.isClosed = true }
        updates.give(nil)
    }

    func status() throws -> SessionStatus { SessionStatus(generating: false, link: .online) }
    func contextUse() throws -> ContextUse { ContextUse(tokens: 0, context: nil) }
    func messages() throws -> [Message] { [] }
    func setMessages(messages: [Message]) throws {}
    func reset() throws {}
    func saveCalibration(path: String) async throws {}
    func save(path: String) async throws {}
    func prewarm(beginning: String) async throws -> UInt32 { 0 }
    func setInstructions(instructions: String?) throws {}
    func totals() throws -> Totals { Totals(origins: OriginCounts(draft: 0, verified: 0, target: 0, unverified: 0)) }
    func summarise(text: String, options: SummaryOptions, generation: GenerationOptions) async throws -> UhlmSummary {
        UhlmSummary(noHandle: .init())
    }
    func setConsent(consent: Consent) throws {}
    func sent() throws -> SentRecord { SentRecord(requests: [], totalRequests: 0, totalTokens: 0, totalBytes: 0) }
    func clearSent() throws {}
    func setDevice(state: DeviceState) throws {}
    func setToolRunner(runner: ToolRunner?) {}
    func onNetworkChange() throws {}
}

/// A session that notes what it is told of the device.
final class ToldSession: UhlmSessionProtocol, @unchecked Sendable {
    private(set) var states: [DeviceState] = []
    private(set) var networkChanges = 0
    var isClosed = false

    func setDevice(state: DeviceState) throws {
        if isClosed { throw failed(.sessionClosed, recovery: .openAgain) }
        states.append(state)
    }
    func onNetworkChange() throws { networkChanges += 1 }
    func start(prompt: Prompt, options: GenerationOptions) throws -> UhlmGeneration { throw failed(.offline) }
    func statusUpdates() throws -> UhlmStatusUpdates { throw failed(.sessionClosed) }
    func status() throws -> SessionStatus { SessionStatus(generating: false, link: .online) }
    func sent() throws -> SentRecord { SentRecord(requests: [], totalRequests: 0, totalTokens: 0, totalBytes: 0) }
    func clearSent() throws {}
    func setConsent(consent: Consent) throws {}
    func contextUse() throws -> ContextUse { ContextUse(tokens: 0, context: nil) }
    func messages() throws -> [Message] { [] }
    func setMessages(messages: [Message]) throws {}
    func reset() throws {}
    func saveCalibration(path: String) async throws {}
    func save(path: String) async throws {}
    func prewarm(beginning: String) async throws -> UInt32 { 0 }
    func setInstructions(instructions: String?) throws {}
    func totals() throws -> Totals { Totals(origins: OriginCounts(draft: 0, verified: 0, target: 0, unverified: 0)) }
    func summarise(text: String, options: SummaryOptions, generation: GenerationOptions) async throws -> UhlmSummary {
        UhlmSummary(noHandle: .init())
    }
    func setToolRunner(runner: ToolRunner?) {}
    func shutDown() {}
}

/// An error that a fake throws.
func failed(_ kind: ErrorKind, retryable: Bool = false, recovery: Recovery = .none) -> UhlmError {
    .Failed(kind: kind, reason: "why", retryable: retryable, recovery: recovery)
}

func provisional(_ text: String) -> GenerationEvent {
    .provisional(token: TokenText(id: 1, text: text, uncertainty: 0.5))
}

func committed(_ text: String) -> GenerationEvent {
    .committed(token: TokenText(id: 1, text: text, uncertainty: 0.5), origin: .verified)
}

func finished(_ finish: FinishReason, text: String) -> GenerationEvent {
    .finished(finish: finish, text: text, reasoning: "", statistics: noStatistics)
}

let noStatistics = Statistics(
    promptTokens: 0, reusedTokens: 0, tokens: 0,
    origins: OriginCounts(draft: 0, verified: 0, target: 0, unverified: 0),
    drafted: 0, judged: 0, rejected: 0, skipped: 0, rollbacks: 0, rolledBack: 0, verdicts: 0, targetPasses: 0,
    bodyUp: 0, bodyDown: 0, elapsedSeconds: 0, prefillSeconds: 0, firstTokenSeconds: 0, draftingSeconds: 0,
    waitingSeconds: 0, medianVerdictSeconds: nil, tokensPerSecond: 0, transmissionRate: 0, trueSkipRate: 0,
    acceptanceRate: 0, targetPassesPerToken: 0
)
