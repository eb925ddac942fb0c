import Foundation
import Observation
import Uhlm

/// One conversation on the screen: takes messages, streams replies, and keeps what is committed before it shows it.
///
/// Who opens sessions, and on which model, is its owner's to decide: ``ChatHost``.
@MainActor
@Observable
public final class ChatModel {
    /// What it is doing.
    public enum Phase: Sendable, Equatable {
        /// Nothing: a message may be sent.
        case idle
        /// The model is loaded, or the session opened.
        case preparing
        /// A reply is being written.
        case writing
    }

    /// What is kept of the conversation, the reply that is being written included.
    public private(set) var conversation: Conversation
    /// What was drafted behind it and may be rolled back.
    public private(set) var tail = ProvisionalTail()
    /// What it is doing.
    public private(set) var phase = Phase.idle
    /// The figures of the latest reply.
    public private(set) var line: LiveLine?
    /// Whether the server answers.
    public private(set) var link = LinkState.online
    /// Why the server does not answer; nil while it does.
    public private(set) var cause: LinkCause?
    /// What went wrong last; nil after the next message.
    public private(set) var problem: Problem?
    /// What the person must be asked before anything is sent; answered by ``answer(_:)``.
    public private(set) var consentQuestion: ConsentQuestion?
    /// The input field.
    public var input = ""

    private let store: ConversationStore
    private unowned let host: any ChatHost
    private var isStored: Bool
    private var session: (any UhlmSessionProtocol)?
    private var opened: ChatSettings?
    private var task: Task<Void, Never>?
    private var watch: Task<Void, Never>?
    /// Whether the server may read every message that the session knows.
    private var isAllAgreed: Bool
    private var isOutOfStep = false

    /// A conversation that is kept, or that nothing was said in yet.
    public init(_ conversation: Conversation, isStored: Bool, store: ConversationStore, host: any ChatHost) {
        self.conversation = conversation
        self.isStored = isStored
        self.store = store
        self.host = host
        isAllAgreed = conversation.turns.isEmpty || conversation.mayBeSent
        line = conversation.turns.last?.reply.cost.map(LiveLine.init)
    }

    /// Whether the input can be sent now.
    public var canSend: Bool {
        phase == .idle && consentQuestion == nil && !input.trimmingCharacters(in: .whitespacesAndNewlines).isEmpty
    }

    /// Whether the last reply may be tried again: it is empty, or was never finished.
    public var canRetry: Bool {
        guard phase == .idle, consentQuestion == nil, let reply = conversation.turns.last?.reply else { return false }
        return reply.end == nil || reply.end == .failed || reply.end == .stopped
    }

    /// Sends the input.
    public func send() {
        guard canSend else { return }
        let message = input.trimmingCharacters(in: .whitespacesAndNewlines)
        input = ""
        begin(message, isRepeated: false)
    }

    /// Answers the last question once more.
    public func retry() {
        guard canRetry, let question = conversation.turns.last?.question else { return }
        begin(question, isRepeated: true)
    }

    /// Stops the reply. What is committed stays.
    public func stop() {
        task?.cancel()
    }

    /// What the person decided about ``consentQuestion``.
    public func answer(_ answer: ConsentAnswer) {
        guard let question = consentQuestion, phase == .idle else { return }
        consentQuestion = nil
        switch answer {
        case .cancel:
            if !question.isRepeated { input = question.message }
        case .deviceOnly:
            start(question.message, isRepeated: question.isRepeated, GenerationOptions(mode: .deviceOnly))
        case .thisMessage:
            start(question.message, isRepeated: question.isRepeated, GenerationOptions(consent: .message))
        case .conversation:
            isAllAgreed = true
            start(question.message, isRepeated: question.isRepeated, GenerationOptions(), consent: true)
        }
    }

    /// Takes back that this conversation may be sent. A reply that asks the server is cancelled.
    public func withdrawConsent() async {
        do {
            isAllAgreed = false
            try session?.setConsent(consent: .withheld)
            try await record(.consent(false))
        } catch {
            problem = Problem(error)
        }
    }

    /// What was sent of this conversation since it was opened; nil where no session is open.
    public func sent() -> SentRecord? {
        try? session?.sent()
    }

    /// Forgets the record of what was sent, except for its totals.
    public func clearSent() {
        try? session?.clearSent()
    }

    /// Tells the session what the device is going through.
    public func deviceChanged(_ state: DeviceState) {
        try? session?.setDevice(state: state)
    }

    /// The app came to the front, or another network is there.
    public func networkChanged() {
        try? session?.onNetworkChange()
    }

    /// The server answered somebody else: the session only finds out with its next message.
    public func serverAnswered() {
        if phase == .idle { (link, cause) = (.online, nil) }
    }

    /// Ends the session: for another model or server, and where memory is short. The next message opens another one.
    public func closeSession() {
        task?.cancel()
        watch?.cancel()
        session?.shutDown()
        session = nil
        (link, cause) = (.online, nil)
        isAllAgreed = conversation.mayBeSent || conversation.turns.isEmpty
    }

    /// Hides the problem.
    public func dismissProblem() {
        problem = nil
    }

    /// Returns when nothing is being written.
    public func settled() async {
        await task?.value
    }

    // MARK: - One reply

    private func begin(_ message: String, isRepeated: Bool) {
        problem = nil
        if host.settings.asksServer, !conversation.mayBeSent {
            ask(message, isRepeated: isRepeated)
        } else {
            start(message, isRepeated: isRepeated, GenerationOptions())
        }
    }

    private func ask(_ message: String, isRepeated: Bool) {
        let earlier = conversation.turns.count - (isRepeated ? 1 : 0)
        consentQuestion = ConsentQuestion(
            message: message, endpoint: host.settings.endpoint, earlierTurns: earlier,
            allowsMessageAlone: isAllAgreed && !isRepeated || earlier == 0, isRepeated: isRepeated)
    }

    private func start(_ message: String, isRepeated: Bool, _ options: GenerationOptions, consent: Bool = false) {
        var options = options
        options.maxTokens = host.settings.maxTokens
        phase = .preparing
        task = Task { [self] in
            do {
                if consent { try await record(.consent(true)) }
                try await record(isRepeated ? .again : .question(id: UUID(), asked: Date(), text: message))
                if isRepeated { isOutOfStep = true }
                let session = try await openSession()
                phase = .writing
                try await stream(session.generate(message, options: options), of: session)
                if options.mode == .deviceOnly { isAllAgreed = false }
            } catch {
                await failed(error, message: message)
            }
            tail = ProvisionalTail()
            phase = .idle
        }
    }

    private func stream(_ events: GenerationEvents, of session: any UhlmSessionProtocol) async throws {
        let begun = ContinuousClock.now
        let sentBefore = (try? session.sent().totalBytes) ?? 0
        var lookedAt = begun
        line = LiveLine()
        for try await event in events {
            if case .committed(let token, let origin) = event {
                if !token.text.isEmpty { try await record(.piece(TextRun(text: token.text, origin: origin))) }
                line?.count(origin, after: (ContinuousClock.now - begun).seconds)
                // A session that was offline before says so only once.
                if origin == .unverified, link == .online { link = .offline }
            }
            tail.apply(event)
            switch event {
            case .state(let link, let cause):
                (self.link, self.cause) = (link, cause)
            case .finished(let finish, _, _, let statistics):
                let cost = ReplyCost(statistics)
                line = LiveLine(cost)
                try await record(.end(ReplyEnd(finish), cost))
                try await store.compact(conversation.id)
                await host.conversationChanged(conversation.id)
                return
            case .provisional, .committed, .reasoning, .rollback:
                if case .rollback = event { line?.countRollback() }
                if case .reasoning(_, let origin) = event {
                    line?.count(origin, after: (ContinuousClock.now - begun).seconds)
                }
                // The record is long, so not with each token.
                if ContinuousClock.now - lookedAt > .milliseconds(500), let sent = try? session.sent() {
                    lookedAt = .now
                    line?.sent(sent.totalBytes - sentBefore)
                }
            }
        }
        // Cancelled before the first event.
        try await record(.end(.stopped, nil))
    }

    private func failed(_ error: any Error, message: String) async {
        let isCancelled = error is CancellationError
        isOutOfStep = true
        // Where the store itself failed there is nothing to write it to.
        if !(error is StoreFailure) { try? await record(.end(isCancelled ? .stopped : .failed, nil)) }
        await host.conversationChanged(conversation.id)
        let kind = (error as? UhlmError)?.kind
        if case .consentRequired = kind {
            isAllAgreed = false
            ask(message, isRepeated: true)
            return
        }
        if kind == .sessionClosed { session = nil }
        if !isCancelled { problem = Problem(error) }
    }

    /// Keeps a change, then shows it.
    private func record(_ entry: LogEntry) async throws {
        if !isStored {
            try await store.add(conversation)
            isStored = true
        }
        try await store.append(entry, to: conversation.id)
        conversation.apply(entry)
        if case .question = entry { await host.conversationChanged(conversation.id) }
    }

    // MARK: - The session

    /// The session, opened where there is none for these settings, knowing all but the last question.
    private func openSession() async throws -> any UhlmSessionProtocol {
        let settings = host.settings
        if let session, opened?.opensTheSame(as: settings) == true {
            try session.setConsent(consent: conversation.mayBeSent ? .conversation : .withheld)
            if isOutOfStep { try restore(session) }
            return session
        }
        watch?.cancel()
        session?.shutDown()
        session = nil
        let session = try await host.openSession(consent: conversation.mayBeSent ? .conversation : .withheld)
        self.session = session
        opened = settings
        try session.setDevice(state: host.deviceState)
        try restore(session)
        watch = Task { [weak self, statuses = session.statuses] in
            for await status in statuses {
                guard let self else { return }
                (self.link, self.cause) = (status.link, status.cause)
            }
        }
        return session
    }

    private func restore(_ session: any UhlmSessionProtocol) throws {
        var known = conversation
        known.dropLastTurn()
        try session.setMessages(messages: known.messages(system: host.settings.systemPrompt))
        isOutOfStep = false
        // Messages that were restored are not agreed to, except with the whole conversation.
        isAllAgreed = conversation.mayBeSent || known.turns.isEmpty
    }
}

/// What a ``ChatModel`` needs of its surroundings.
@MainActor
public protocol ChatHost: AnyObject {
    /// What the person chose.
    var settings: ChatSettings { get }
    /// What the device is going through.
    var deviceState: DeviceState { get }
    /// A session on the chosen model, with the chosen server. Loads the model where it is not.
    func openSession(consent: Consent) async throws -> any UhlmSessionProtocol
    /// Something was written to a conversation.
    func conversationChanged(_ id: UUID) async
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
