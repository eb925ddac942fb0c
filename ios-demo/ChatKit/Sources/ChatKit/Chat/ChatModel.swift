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
    /// How much of the models' contexts the conversation takes; nil while no session is open.
    public private(set) var use: ContextUse?
    /// Whether the server answers.
    public private(set) var link = LinkState.online
    /// Why the server does not answer; nil while it does.
    public private(set) var cause: LinkCause?
    /// What went wrong last; nil after the next message.
    public private(set) var problem: Problem?
    /// What the person must be asked before anything is sent; answered by ``answer(_:)``.
    public private(set) var consentQuestion: ConsentQuestion?
    /// The call of a tool that waits for the person's word; answered by ``answerCall(_:isAllowed:)``.
    public var callQuestion: CallQuestion? { asker.question }
    /// The input field.
    public var input = ""
    /// The place of the message that is said in another way; nil while a new one is written.
    public private(set) var editing: Int?

    private let store: ConversationStore
    private unowned let host: any ChatHost
    /// Whether it is kept already.
    private(set) var isStored: Bool
    private var session: (any UhlmSessionProtocol)?
    private var opened: ChatSettings?
    private var task: Task<Void, Never>?
    private var watch: Task<Void, Never>?
    /// The server that may read every message that the session knows; nil for none.
    private var allAgreedTo: String?
    private var isOutOfStep = false
    /// Whether the session is of before a change that the settings do not tell.
    private var isOutdated = false
    /// What of the session's record is kept already; nil while nothing is written.
    private var reader: SentReader?
    /// The record of a session that was closed while a reply was written.
    private var lastRecord: SentRecord?
    let asker = CallAsker()

    /// A conversation that is kept, or that nothing was said in yet.
    public init(_ conversation: Conversation, isStored: Bool, store: ConversationStore, host: any ChatHost) {
        self.conversation = conversation
        self.isStored = isStored
        self.store = store
        self.host = host
        allAgreedTo = conversation.allAgreedTo(host.settings)
        line = conversation.turns.last?.reply.cost.map(LiveLine.init)
    }

    /// Whether the person agreed to send all of it to the server that is set.
    public var mayBeSent: Bool { conversation.mayBeSent(host.settings) }

    /// Whether there is little room left in the models' contexts.
    public var isNearlyFull: Bool {
        guard let use, let context = use.context, context > 0 else { return false }
        return Double(use.tokens) >= 0.85 * Double(context)
    }

    /// What was typed and not sent, also what waits for an answer about consent; nil where nothing was.
    var draft: Draft? {
        get {
            if let question = consentQuestion, !question.isRepeated {
                return Draft(text: question.message, editing: question.replaces)
            }
            return input.isEmpty ? nil : Draft(text: input, editing: editing)
        }
        set { (input, editing) = (newValue?.text ?? "", newValue?.editing) }
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
        let replaced = editing
        leaveEditing()
        begin(message, isRepeated: false, replaces: replaced)
    }

    /// Whether the last question can be answered once more.
    public var canRegenerate: Bool {
        phase == .idle && consentQuestion == nil && !conversation.turns.isEmpty
    }

    /// Answers the last question once more.
    public func retry() {
        guard canRegenerate, let question = conversation.turns.last?.question else { return }
        begin(question, isRepeated: true)
    }

    /// Puts a message back into the field; what is sent then takes its place, and that of all that follows it.
    public func edit(_ turn: UUID) {
        guard phase == .idle, let index = conversation.turns.firstIndex(where: { $0.id == turn }) else { return }
        editing = index
        input = conversation.turns[index].question
    }

    /// Leaves the message as it was said.
    public func leaveEditing() {
        editing = nil
        input = ""
    }

    /// Stops the reply. What is committed stays.
    public func stop() {
        task?.cancel()
    }

    /// What the person decided about ``consentQuestion``.
    public func answer(_ answer: ConsentAnswer) {
        guard let question = consentQuestion, phase == .idle else { return }
        consentQuestion = nil
        // A link may have set another server meanwhile: what was said is nothing to that one.
        if answer.mayBeSent, question.server != host.settings.server {
            return begin(question.message, isRepeated: question.isRepeated, replaces: question.replaces)
        }
        switch answer {
        case .cancel:
            if !question.isRepeated { (input, editing) = (question.message, question.replaces) }
        case .deviceOnly:
            start(question, GenerationOptions(mode: .deviceOnly))
        case .thisMessage:
            start(question, GenerationOptions(consent: .message))
        case .conversation, .server:
            if answer == .server { host.agree(to: question.server) }
            allAgreedTo = question.server
            start(question, GenerationOptions(), consent: true)
        }
    }

    /// What the person decided about the call of ``callQuestion``; nothing happens where it waits no longer.
    public func answerCall(_ id: String, isAllowed: Bool) {
        asker.answer(id, isAllowed: isAllowed)
    }

    /// Takes back that this conversation may be sent. A reply that asks the server is cancelled.
    public func withdrawConsent() async {
        do {
            allAgreedTo = nil
            try session?.setConsent(consent: .withheld)
            try await note(.consent(false))
        } catch {
            problem = Problem(error)
        }
    }

    /// It has another title, which is kept already.
    func renamed(to title: String) {
        conversation.apply(.title(title))
    }

    /// Forgets the record of what was sent.
    public func clearSent() async {
        try? session?.clearSent()
        do { try await note(.sentForgotten) } catch { problem = Problem(error) }
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
        if reader != nil { lastRecord = try? session?.sent() }
        session?.shutDown()
        session = nil
        (link, cause) = (.online, nil)
        isOutdated = false
        allAgreedTo = conversation.allAgreedTo(host.settings)
    }

    /// Has the next message open another session, for a change that the settings do not tell. A reply that is being
    /// written is written to its end by the one that began it.
    func openAnew() {
        if phase == .idle { closeSession() } else { isOutdated = true }
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

    private func begin(_ message: String, isRepeated: Bool, replaces: Int? = nil) {
        problem = nil
        let question = question(message, isRepeated: isRepeated, replaces: replaces)
        if host.settings.asksServer, !mayBeSent {
            consentQuestion = question
        } else {
            start(question, GenerationOptions())
        }
    }

    private func question(_ message: String, isRepeated: Bool, replaces: Int? = nil) -> ConsentQuestion {
        let earlier = replaces ?? conversation.turns.count - (isRepeated ? 1 : 0)
        return ConsentQuestion(
            message: message, endpoint: host.settings.endpoint, server: host.settings.server, earlierTurns: earlier,
            allowsMessageAlone: allAgreedTo == host.settings.server && !isRepeated || earlier == 0,
            mentionsTools: host.settings.usesTools || conversation.usedTools, isRepeated: isRepeated,
            replaces: replaces)
    }

    private func start(_ question: ConsentQuestion, _ options: GenerationOptions, consent: Bool = false) {
        let (message, isRepeated) = (question.message, question.isRepeated)
        var options = options
        options.maxTokens = host.settings.maxTokens
        options.thinking = host.settings.thinking.core
        phase = .preparing
        host.replyBegan(conversation.id)
        task = Task { [self, options] in
            var options = options
            do {
                if consent { try await record(.agreed(question.server)) }
                if let kept = question.replaces { try await record(.cut(kept)) }
                try await record(isRepeated ? .again : .question(id: UUID(), asked: Date(), text: message))
                if isRepeated || question.replaces != nil { isOutOfStep = true }
                let session = try await openSession()
                let tools = asker.toolbox(host.tools, host.settings, isAlone: options.mode == .deviceOnly)
                session.setToolRunner(runner: tools)
                options.tools = tools?.tools ?? Tools()
                phase = .writing
                try await stream(session.generate(message, options: options), of: session)
                if options.mode == .deviceOnly || opened?.asksServer == false { allAgreedTo = nil }
            } catch {
                await failed(error, message: message)
            }
            await takeSent(all: true)
            reader = nil
            asker.leave()
            use = try? session?.contextUse()
            tail = ProvisionalTail()
            phase = .idle
            host.replyEnded(conversation)
        }
    }

    private func stream(_ events: GenerationEvents, of session: any UhlmSessionProtocol) async throws {
        let begun = ContinuousClock.now
        lastRecord = nil
        reader = (try? session.sent()).map { SentReader(before: $0) }
        var lookedAt = begun
        line = LiveLine()
        var corrections = Corrections()
        for try await event in events {
            if case .committed(let token, let origin) = event {
                let corrected = corrections.takes(token.text, origin)
                if !token.text.isEmpty {
                    try await record(.piece(TextRun(text: token.text, origin: origin, corrected: corrected)))
                }
                line?.count(origin, after: (ContinuousClock.now - begun).seconds)
                // A session that was offline before says so only once.
                if origin == .unverified, link == .online { link = .offline }
            }
            tail.apply(event)
            switch event {
            case .state(let link, let cause):
                (self.link, self.cause) = (link, cause)
            case .finished(let finish, _, _, let statistics):
                let cost = ReplyCost(statistics, model: opened?.model)
                line = LiveLine(cost)
                try await record(.end(ReplyEnd(finish), cost))
                try await store.compact(conversation.id)
                await host.conversationChanged(conversation.id)
                return
            case .toolCall(let call):
                try await record(.called(id: call.id, name: call.name, arguments: call.arguments))
            case .toolResult(let result):
                let kind = asker.kind(of: result)
                try await record(.answered(id: result.id, content: result.content, kind: kind))
            case .malformedToolCall(let raw, let reason):
                try await record(.miscalled(text: raw, reason: reason))
            case .provisional, .committed, .reasoning, .rollback:
                if case .rollback = event {
                    line?.countRollback()
                    corrections.rolledBack()
                }
                if case .reasoning(let token, let origin) = event {
                    line?.count(origin, after: (ContinuousClock.now - begun).seconds)
                    if !token.text.isEmpty { try await record(.thought(token.text)) }
                }
                // The record is long, so not with each token.
                if ContinuousClock.now - lookedAt > .milliseconds(500) {
                    lookedAt = .now
                    await takeSent(all: false)
                    if let reader { line?.sent(reader.bytes) }
                    host.replyMoved(tokens: line?.tokens ?? 0)
                }
            }
        }
        // Cancelled before the first event.
        try await record(.end(.stopped, nil))
    }

    /// Keeps what was sent since it was looked at last; `all` includes what was not answered, once nothing more comes.
    private func takeSent(all: Bool) async {
        guard var reader, let sent = (try? session?.sent()) ?? lastRecord else { return }
        let entries = reader.take(sent, all: all)
        self.reader = reader
        for entry in entries {
            do { try await record(.sent(entry)) } catch { problem = Problem(error) }
        }
    }

    private func failed(_ error: any Error, message: String) async {
        let isCancelled = error is CancellationError
        isOutOfStep = true
        // Where the store itself failed there is nothing to write it to.
        if !(error is StoreFailure) { try? await record(.end(isCancelled ? .stopped : .failed, nil)) }
        await host.conversationChanged(conversation.id)
        let kind = (error as? UhlmError)?.kind
        if case .consentRequired = kind {
            allAgreedTo = nil
            consentQuestion = self.question(message, isRepeated: true)
            return
        }
        if kind == .sessionClosed { session = nil }
        if !isCancelled { problem = Problem(error) }
    }

    /// Keeps a change of what is kept; one of a conversation in which nothing was said waits for its first message.
    private func note(_ entry: LogEntry) async throws {
        if isStored { try await record(entry) } else { conversation.apply(entry) }
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
        if let session, !isOutdated, opened?.opensTheSame(as: settings) == true {
            try session.setConsent(consent: mayBeSent ? .conversation : .withheld)
            if isOutOfStep { try restore(session) }
            return session
        }
        watch?.cancel()
        session?.shutDown()
        session = nil
        isOutdated = false
        let session = try await host.openSession(consent: mayBeSent ? .conversation : .withheld)
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
        allAgreedTo = known.allAgreedTo(host.settings)
    }
}

extension Conversation {
    /// The server that is set, where it may read everything that was said so far.
    fileprivate func allAgreedTo(_ settings: ChatSettings) -> String? {
        turns.isEmpty || mayBeSent(settings) ? settings.server : nil
    }
}

extension ConsentAnswer {
    /// Whether it lets anything be sent.
    fileprivate var mayBeSent: Bool {
        switch self {
        case .thisMessage, .conversation, .server: true
        case .deviceOnly, .cancel: false
        }
    }
}

/// What a ``ChatModel`` needs of its surroundings.
@MainActor
public protocol ChatHost: AnyObject {
    /// What the person chose.
    var settings: ChatSettings { get }
    /// What the device is going through.
    var deviceState: DeviceState { get }
    /// What models may call where the person lets them.
    var tools: [Tool] { get }
    /// The person agreed to send every conversation to a server.
    func agree(to server: String)
    /// A session on the chosen model, with the chosen server. Loads the model where it is not.
    func openSession(consent: Consent) async throws -> any UhlmSessionProtocol
    /// Something was written to a conversation.
    func conversationChanged(_ id: UUID) async
    /// A reply begins.
    func replyBegan(_ id: UUID)
    /// A reply has so many tokens; told about twice a second.
    func replyMoved(tokens: Int)
    /// A reply has ended, however it did; all of it is kept.
    func replyEnded(_ conversation: Conversation)
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
