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

/// A session that hands out generations made beforehand, and a status that a test sets.
final class FakeSession: UhlmSessionProtocol {
    private struct State {
        var generations: [FakeGeneration]
        var starts: [(prompt: Prompt, options: GenerationOptions)] = []
        var status: SessionStatus? = SessionStatus(generating: false, link: .online)
        var waiting: [(known: SessionStatus, continuation: CheckedContinuation<SessionStatus?, Never>)] = []
    }

    private let state: Locked<State>

    init(_ generations: FakeGeneration...) {
        state = Locked(State(generations: generations))
    }

    var starts: [(prompt: Prompt, options: GenerationOptions)] { state.withLock { $0.starts } }
    var waiting: Int { state.withLock { $0.waiting.count } }

    /// Nil shuts the session down.
    func set(_ status: SessionStatus?) {
        let woken = state.withLock { state in
            state.status = status
            let woken = state.waiting.filter { $0.known != status }
            state.waiting.removeAll { $0.known != status }
            return woken
        }
        for waiter in woken { waiter.continuation.resume(returning: status) }
    }

    func start(prompt: Prompt, options: GenerationOptions) throws -> UhlmGeneration {
        try state.withLock { state in
            state.starts.append((prompt, options))
            guard state.status != nil else { throw closed }
            if state.generations.isEmpty {
                throw UhlmError.Busy(reason: "another generation is running", retryable: true, recovery: .tryAgain)
            }
            return state.generations.removeFirst()
        }
    }

    func status() throws -> SessionStatus {
        guard let status = state.withLock({ $0.status }) else { throw closed }
        return status
    }

    func statusAfter(known: SessionStatus) async -> SessionStatus? {
        await withCheckedContinuation { continuation in
            let now: SessionStatus?? = state.withLock { state in
                if state.status != known { return .some(state.status) }
                state.waiting.append((known, continuation))
                return nil
            }
            if let now { continuation.resume(returning: now) }
        }
    }

    func messages() throws -> [Message] { [] }
    func setMessages(messages: [Message]) throws {}
    func reset() throws {}
    func saveCalibration(path: String) throws {}
    func shutDown() { set(nil) }

    private var closed: UhlmError {
        .SessionClosed(reason: "the session was shut down", retryable: false, recovery: .openAgain)
    }
}

func provisional(_ text: String) -> GenerationEvent {
    .provisional(token: TokenText(id: 1, text: text, uncertainty: 0.5))
}

func committed(_ text: String) -> GenerationEvent {
    .committed(token: TokenText(id: 1, text: text, uncertainty: 0.5), origin: .verified)
}

func finished(_ finish: FinishReason, text: String) -> GenerationEvent {
    .finished(finish: finish, text: text, statistics: noStatistics)
}

let noStatistics = Statistics(
    promptTokens: 0, reusedTokens: 0, tokens: 0,
    origins: OriginCounts(draft: 0, verified: 0, resampled: 0, bonus: 0, unverified: 0),
    drafted: 0, judged: 0, rejected: 0, skipped: 0, rollbacks: 0, rolledBack: 0, verdicts: 0, targetPasses: 0,
    bodyUp: 0, bodyDown: 0, elapsedSeconds: 0, prefillSeconds: 0, firstTokenSeconds: 0, draftingSeconds: 0,
    waitingSeconds: 0, medianVerdictSeconds: nil, tokensPerSecond: 0, transmissionRate: 0, trueSkipRate: 0,
    acceptanceRate: 0, targetPassesPerToken: 0
)
