import Foundation
import Observation
import Uhlm

/// The app without its views: conversations, the one on the screen, settings, models, the device.
@MainActor
@Observable
public final class AppModel: ChatHost {
    /// Settings and keys.
    public let preferences: SettingsModel
    /// The models on the device.
    public let models: ModelManager
    /// The model that is loaded.
    public let loader: ModelLoader
    /// What the device is going through.
    public let device: DeviceMonitor
    /// What models may call where the person lets them.
    public let tools: [Tool]
    /// A server that a link named, until the person decided.
    public internal(set) var pairing: Pairing?
    /// What was done, in one sentence that goes away by itself.
    public internal(set) var said: String?
    /// The list, the latest first.
    public internal(set) var conversations: [ConversationSummary] = []
    /// What is looked for in the list; empty for nothing.
    var searched = ""
    /// The conversations that it was found in; nil where nothing is looked for.
    var found: Set<UUID>?
    /// The conversation on the screen.
    public internal(set) var chat: ChatModel?
    /// Conversations that left the screen while a reply was written, until it is.
    var writing: [UUID: ChatModel] = [:]
    /// What was typed and not sent, by conversation; under nil, for the next new one.
    var drafts: [UUID?: Draft] = [:]
    /// What went wrong last outside of a conversation.
    public internal(set) var problem: Problem?

    let place: AppPlace
    let store: ConversationStore
    let calibrations: Calibrations
    /// Counted, because nobody observes files.
    var calibrationChanges = 0
    let replies: BackgroundReplies
    var verifier: (settings: RemoteOptions, client: UhlmVerifier)?
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
    ///   - loader: What loads models.
    /// - Throws: ``StoreFailure/storage`` where the folders cannot be made.
    public init(
        place: AppPlace, secrets: any SecretStore, device source: any DeviceSource, tools: [Tool] = localTools(),
        times: [any BackgroundTime] = [], notices: any Notices = NoNotices(), loader: ModelLoader = ModelLoader()
    ) throws {
        self.place = place
        self.tools = tools
        self.loader = loader
        store = try ConversationStore(folder: place.conversations)
        calibrations = Calibrations(folder: place.calibrations, bundled: place.bundledCalibration)
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

    func letGoIfIdle() {
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
        guard let client = knownVerifier(settings.remote), let chat, chat.mayBeSent else { return }
        Task { if (try? await client.info()) != nil { chat.serverAnswered() } }
    }
}
