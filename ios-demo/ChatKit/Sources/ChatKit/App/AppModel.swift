import Foundation
import Observation
import Uhlm

/// The app without its views: conversations, the one on the screen, settings, models, the device.
@MainActor
@Observable
public final class AppModel: ChatHost {
    /// ChatSettings and keys.
    public let preferences: SettingsModel
    /// The models on the device.
    public let models: ModelManager
    /// The model that is loaded.
    public let loader = ModelLoader()
    /// What the device is going through.
    public let device: DeviceMonitor
    /// What models may call where the person lets them.
    public let tools: [Tool]
    /// A server that a link named, until the person decided.
    public internal(set) var pairing: Pairing?
    /// What was done, in one sentence that goes away by itself.
    public internal(set) var said: String?
    /// The list, the latest first.
    public private(set) var conversations: [ConversationSummary] = []
    /// The conversation on the screen.
    public private(set) var chat: ChatModel?
    /// Conversations that left the screen while a reply was written, until it is.
    private var writing: [UUID: ChatModel] = [:]
    /// What went wrong last outside of a conversation.
    public internal(set) var problem: Problem?

    let place: AppPlace
    let store: ConversationStore
    private var verifier: (settings: RemoteOptions, client: UhlmVerifier)?
    private let replies: BackgroundReplies
    private let notices: any Notices

    /// The app in its folders.
    ///
    /// - Parameters:
    ///   - place: Where it keeps what it keeps.
    ///   - secrets: Where its keys are.
    ///   - source: What tells of the device.
    ///   - tools: What models may call.
    ///   - times: Where time comes from while the app is not in front.
    ///   - notices: What shows notices then.
    /// - Throws: ``StoreFailure/storage`` where the folders cannot be made.
    public init(
        place: AppPlace, secrets: any SecretStore, device source: any DeviceSource, tools: [Tool] = localTools(),
        times: [any BackgroundTime] = [], notices: any Notices = NoNotices()
    ) throws {
        self.place = place
        self.tools = tools
        store = try ConversationStore(folder: place.conversations)
        let preferences = SettingsModel(file: place.settings, secrets: secrets)
        self.preferences = preferences
        models = ModelManager {
            let settings = preferences.settings
            return try UhlmModelStore(
                options: StoreOptions(folder: place.models.path, hub: settings.hub.isEmpty ? nil : settings.hub),
                hubToken: preferences.secret(.hubToken))
        }
        device = DeviceMonitor(source: source)
        replies = BackgroundReplies(times: times, notices: notices)
        self.notices = notices
        replies.stop = { [weak self] ids in
            self?.chats.filter { ids.contains($0.conversation.id) }.forEach { $0.stop() }
        }
    }

    /// Reads what is kept and begins to follow the device. To be called once.
    public func start() async {
        device.onChange = { [weak self] in self?.deviceChanged($0) }
        device.onReading = { [weak self] in self?.models.setNetwork($0) }
        device.onNetworkChange = { [weak self] in self?.networkChanged() }
        device.start()
        installBundledModel()
        await models.refresh()
        await refresh()
        if chat == nil { startConversation() }
    }

    /// What the person chose.
    public var settings: ChatSettings { preferences.settings }
    /// What the device is going through.
    public var deviceState: DeviceState { device.state }

    /// "demo-draft · Exact · host": what writes here, how, and with which server or what is the matter with it.
    public var heading: String {
        let settings = settings
        let name = modelTitle(settings.model)
        var parts = [name.isEmpty ? say("chat.no_model") : name, settings.effectiveMode.title]
        if settings.asksServer {
            switch banner {
            case .noNetwork: parts.append(say("link.no_network"))
            case .serverBusy: parts.append(say("link.busy"))
            case .serverAway: parts.append(say("link.away"))
            case .unsteady: parts.append(say("link.unsteady"))
            case nil:
                let address = settings.endpoint.components(separatedBy: "://").last ?? ""
                parts.append(String(address.prefix { $0 != "/" }))
            }
        }
        return parts.joined(separator: " · ")
    }

    /// What is different now; nil where all is as it should be.
    public var banner: Banner? {
        Banner.current(
            link: chat?.link ?? .online, cause: chat?.cause, hasNetwork: device.network.isThere, settings: settings)
    }

    // MARK: - Conversations

    /// Whether a reply is being written in a conversation.
    public func isWriting(_ id: UUID) -> Bool {
        writing[id] != nil || chat?.conversation.id == id && chat?.phase != .idle
    }

    /// Whether any reply is being written.
    public var isWritingAnything: Bool { chats.contains { $0.phase != .idle } }

    /// Whether a reply of a conversation waits for the person's word on a call of a tool.
    public func asksToUseTool(_ id: UUID) -> Bool {
        chats.contains { $0.conversation.id == id && $0.callQuestion != nil }
    }

    /// Puts a new conversation on the screen. It is kept with its first message.
    public func startConversation() {
        show(ChatModel(Conversation(), isStored: false, store: store, host: self))
    }

    /// Puts a conversation on the screen.
    public func openConversation(_ id: UUID) async {
        if chat?.conversation.id == id { return }
        if let written = writing[id] { return show(written) }
        do {
            show(ChatModel(try await store.conversation(id), isStored: true, store: store, host: self))
        } catch {
            problem = Problem(error)
        }
    }

    /// Removes a conversation for good.
    public func deleteConversation(_ id: UUID) async {
        if let open = chat?.conversation.id == id ? chat : writing[id] {
            open.closeSession()
            await open.settled()
            writing[id] = nil
            if open === chat { startConversation() }
        }
        do { try await store.delete(id) } catch { problem = Problem(error) }
        await refresh()
    }

    /// Gives a conversation another title.
    public func renameConversation(_ id: UUID, to title: String) async {
        do { try await store.rename(id, to: title) } catch { problem = Problem(error) }
        await refresh()
    }

    /// Something was written to a conversation.
    public func conversationChanged(_ id: UUID) async {
        await refresh()
    }

    /// The conversations that a text stands in, the latest first; all of them for no text.
    public func conversations(with text: String) async -> [ConversationSummary] {
        let text = text.trimmingCharacters(in: .whitespaces)
        if text.isEmpty { return conversations }
        let found = (try? await store.ids(with: text)) ?? []
        return conversations.filter { found.contains($0.id) }
    }

    /// Hides the problem.
    public func dismissProblem() {
        problem = nil
    }

    private func refresh() async {
        do { conversations = try await store.summaries() } catch { problem = Problem(error) }
    }

    private func show(_ next: ChatModel) {
        if let last = chat, last !== next {
            if last.phase == .idle {
                // Each session has a cache of its own in memory: there are the one on the screen and those that write.
                last.closeSession()
            } else {
                goOn(last)
            }
        }
        chat = next
    }

    /// Lets a reply be written to its end although another conversation is on the screen.
    private func goOn(_ chat: ChatModel) {
        let id = chat.conversation.id
        guard writing[id] == nil else { return }
        writing[id] = chat
        Task {
            while chat.phase != .idle { await chat.settled() }
            writing[id] = nil
            if self.chat !== chat { chat.closeSession() }
        }
    }

    /// The chats that hold a session, or may.
    var chats: [ChatModel] {
        let others = writing.values.filter { $0 !== chat }
        return (chat.map { [$0] } ?? []) + others
    }

    // MARK: - Sessions

    /// Every conversation may be sent to a server from now on.
    public func agree(to server: String) {
        preferences.settings.agreedServers.insert(server)
    }

    /// A session on the chosen model, with the chosen server.
    public func openSession(consent: Consent) async throws -> any UhlmSessionProtocol {
        let settings = settings
        guard let path = models.file(of: settings.model) else {
            throw Problem("No model is chosen.", .provideModel)
        }
        let model = try await loader.model(path)
        let calibration = place.calibration(of: settings.model)
        return try await model.engine.openSession(
            verifier: settings.asksServer ? verifier(settings.remote) : nil,
            options: settings.session(calibration: calibration, context: model.context, consent: consent))
    }

    /// Takes the settings' key or hub into use; to be called when the person changed one.
    public func keysChanged() {
        verifier = nil
        chats.forEach { $0.closeSession() }
        models.reconfigure()
    }

    /// Sessions that share a client share its connection.
    private func verifier(_ remote: RemoteOptions) throws -> UhlmVerifier {
        if let verifier, verifier.settings.endpoint == remote.endpoint, verifier.settings.trust == remote.trust {
            return verifier.client
        }
        let client: UhlmVerifier
        if let key = preferences.secret(.endpointKey) {
            client = try UhlmVerifier(options: remote) { isRefused in
                if isRefused { throw TokenError.Denied(reason: "the server refused the key") }
                return key
            }
        } else {
            client = try UhlmVerifier(options: remote)
        }
        verifier = (remote, client)
        return client
    }

    // MARK: - The device

    /// The app came to the front.
    public func becameActive() {
        replies.cameToFront()
        networkChanged()
    }

    /// Nobody sees the app; a model of hundreds of megabytes is what iOS ends apps for. Replies are written to their
    /// end for as long as the system lets them.
    public func wentToBackground() {
        replies.wentToBack()
        letGoIfIdle()
    }

    /// Asks for notices as the system does, because the person switched them on.
    public func askForNotices() {
        notices.ask(quietly: false)
    }

    /// A reply begins.
    public func replyBegan(_ id: UUID) {
        replies.began(id, settings: settings)
    }

    /// A reply goes on.
    public func replyMoved(tokens: Int) {
        replies.moved(tokens, of: Int(settings.maxTokens))
    }

    /// A reply has ended, and is kept.
    public func replyEnded(_ conversation: Conversation) {
        replies.ended(conversation, settings: settings)
        if !replies.isInFront { letGoIfIdle() }
    }

    private func letGoIfIdle() {
        if !isWritingAnything {
            chat?.closeSession()
            loader.unload()
        }
    }

    private func deviceChanged(_ state: DeviceState) {
        chats.forEach { $0.deviceChanged(state) }
        models.setMetered(state.metered)
    }

    private func networkChanged() {
        verifier?.client.reconnect()
        chats.forEach { $0.networkChanged() }
        // Warms the connection up and takes the banner down. Nothing of a conversation is in it, and none is made where
        // the person did not agree to send this one.
        guard let client = verifier?.client, let chat, chat.mayBeSent else { return }
        Task { if (try? await client.info()) != nil { chat.serverAnswered() } }
    }

    /// The model that came with the app, copied where the others are, once.
    private func installBundledModel() {
        guard let bundled = place.bundledModel, settings.model.isEmpty else { return }
        let target = place.models.appendingPathComponent(bundled.lastPathComponent)
        do {
            if !FileManager.default.fileExists(atPath: target.path) {
                try FileManager.default.createDirectory(at: place.models, withIntermediateDirectories: true)
                try Data(contentsOf: bundled).writeSafely(to: target)
            }
            preferences.settings.model = bundled.lastPathComponent
        } catch {
            problem = Problem(error)
        }
    }
}
