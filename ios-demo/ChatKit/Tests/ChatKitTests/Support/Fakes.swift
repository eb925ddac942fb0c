import Foundation
import Uhlm

@testable import ChatKit

/// A download that a test moves on.
final class FakeDownload: UhlmDownload, @unchecked Sendable {
    private let events: AsyncThrowingStream<DownloadEvent, any Error>
    private let give_: AsyncThrowingStream<DownloadEvent, any Error>.Continuation
    private let iterator: Iterator

    /// Only one asks.
    private final class Iterator: @unchecked Sendable {
        var iterator: AsyncThrowingStream<DownloadEvent, any Error>.Iterator

        init(_ iterator: AsyncThrowingStream<DownloadEvent, any Error>.Iterator) {
            self.iterator = iterator
        }
    }

    init() {
        (events, give_) = AsyncThrowingStream.makeStream()
        iterator = Iterator(events.makeAsyncIterator())
        super.init(noHandle: .init())
    }

    required init(unsafeFromHandle handle: UInt64) {
        fatalError("a fake has no handle")
    }

    func give(_ event: DownloadEvent) {
        give_.yield(event)
    }

    override func next() async throws -> DownloadEvent? {
        try await iterator.iterator.next()
    }

    override func cancel() {
        give_.finish(throwing: failed(.cancelled))
    }
}

/// An error that a fake throws.
func failed(_ kind: ErrorKind) -> UhlmError {
    .Failed(kind: kind, reason: "a fake", retryable: false, recovery: .none)
}

/// A store whose downloads do not end by themselves.
final class FakeStore: UhlmModelStoreProtocol, @unchecked Sendable {
    let running = FakeDownload()
    private(set) var requests: [DownloadRequest] = []

    func download(request: DownloadRequest) throws -> UhlmDownload {
        requests.append(request)
        return running
    }

    func list() async throws -> [StoredModel] { [] }
    func unfinished() async throws -> [UnfinishedModel] {
        requests.map { UnfinishedModel(name: $0.name ?? "", bytes: 1) }
    }
    func setMetered(metered: Bool) {}
    func verify(name: String) async throws -> Bool { true }
    func delete(name: String) async throws -> UInt64 { 0 }
    func files(request: DownloadRequest) async throws -> [RemoteFile] { [] }
    func adopt(path: String, name: String, sha256: String?, source: String?) async throws -> StoredModel {
        StoredModel(name: name, path: path, bytes: 0, sha256: sha256, source: source)
    }
}

/// A session that writes down what it is told, and generates the given events or, without any, nothing.
final class RecordingSession: UhlmSessionProtocol, @unchecked Sendable {
    private let events: [GenerationEvent]
    private(set) var states: [DeviceState] = []
    private(set) var networkChanges = 0

    init(_ events: [GenerationEvent] = []) {
        self.events = events
    }

    func setDevice(state: DeviceState) throws { states.append(state) }
    func onNetworkChange() throws { networkChanges += 1 }
    func start(prompt: Prompt, options: GenerationOptions) throws -> UhlmGeneration {
        if events.isEmpty { throw failed(.offline) }
        return ScriptedGeneration(events)
    }
    func statusUpdates() throws -> UhlmStatusUpdates {
        throw failed(.sessionClosed)
    }
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

/// Gives one session.
@MainActor
final class OneSession: ChatHost {
    var settings = ChatSettings()
    var deviceState = DeviceState()
    var tools: [Tool] = []
    private let session: any UhlmSessionProtocol

    init(_ session: any UhlmSessionProtocol) {
        self.session = session
    }

    func openSession(consent: Consent) async throws -> any UhlmSessionProtocol { session }
    func conversationChanged(_ id: UUID) async {}
    func agree(to server: String) { settings.agreedServers.insert(server) }
}

/// Surroundings in which nobody leaves the app.
extension ChatHost {
    func replyBegan(_ id: UUID) {}
    func replyMoved(tokens: Int) {}
    func replyEnded(_ conversation: Conversation) {}
}

/// A system that gives time until a test takes it away.
@MainActor
final class SetTime: BackgroundTime {
    var isGenerous = true
    private(set) var begun: [String] = []
    private(set) var ended: [Bool] = []
    private(set) var done = 0
    private var expired: (@MainActor () -> Void)?

    func begin(_ title: String, expired: @escaping @MainActor () -> Void) -> Bool {
        guard isGenerous else { return false }
        begun.append(title)
        self.expired = expired
        return true
    }

    func moved(_ title: String, done: Int, of total: Int) { self.done = done }
    func end(isDone: Bool) { ended.append(isDone) }

    func expire() {
        expired?()
        expired = nil
    }
}

/// Notices as a test reads them.
@MainActor
final class KeptNotices: Notices {
    private(set) var shown: [Notice] = []
    private(set) var asked: [Bool] = []

    func ask(quietly: Bool) { asked.append(quietly) }
    func show(_ notice: Notice) { shown.append(notice) }
    func clear() { shown = [] }
}

/// A system whose downloads a test moves on.
final class SetDownloads: BackgroundModels, @unchecked Sendable {
    let updates: AsyncStream<[BackgroundDownload]>
    private let sink: AsyncStream<[BackgroundDownload]>.Continuation
    private let lock = NSLock()
    private var told: [String] = []
    var failure: UhlmError?

    init() { (updates, sink) = AsyncStream.makeStream() }

    var calls: [String] { lock.withLock { told } }
    func show(_ downloads: BackgroundDownload...) { sink.yield(downloads) }

    func begin(_ request: DownloadRequest) async throws -> String {
        tell("begin \(request.requireSha256)")
        if let failure, request.requireSha256 { throw failure }
        return "named.gguf"
    }
    func stop(_ name: String) async { tell("stop \(name)") }
    func forget(_ name: String) async { tell("forget \(name)") }
    func use(_ store: UhlmModelStore) async { tell("use") }

    private func tell(_ call: String) { lock.withLock { told.append(call) } }
}

/// A generation of given events.
final class ScriptedGeneration: UhlmGeneration, @unchecked Sendable {
    private let lock = NSLock()
    private var batches: [[GenerationEvent]]

    init(_ events: [GenerationEvent]) {
        batches = [events]
        super.init(noHandle: .init())
    }

    required init(unsafeFromHandle handle: UInt64) {
        fatalError("a fake has no handle")
    }

    override func nextEvents() async throws -> [GenerationEvent] {
        lock.withLock { batches.isEmpty ? [] : batches.removeFirst() }
    }

    override func cancel() {}
}

/// The last event of a reply that the device wrote alone.
func ended(_ text: String) -> GenerationEvent {
    .finished(
        finish: .endOfReply, text: text, reasoning: "",
        statistics: Statistics(
            promptTokens: 1, reusedTokens: 0, tokens: 1,
            origins: OriginCounts(draft: 1, verified: 0, target: 0, unverified: 0),
            drafted: 1, judged: 0, rejected: 0, skipped: 1, rollbacks: 0, rolledBack: 0, verdicts: 0, targetPasses: 0,
            bodyUp: 0, bodyDown: 0, elapsedSeconds: 1, prefillSeconds: 0, firstTokenSeconds: 0, draftingSeconds: 0,
            waitingSeconds: 0, medianVerdictSeconds: nil, tokensPerSecond: 1, transmissionRate: 0, trueSkipRate: 0,
            acceptanceRate: 0, targetPassesPerToken: 0))
}
