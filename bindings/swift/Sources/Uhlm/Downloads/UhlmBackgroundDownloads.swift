import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Downloads of models that go on when the app is not in front, and when it is not there at all: the system loads the
/// files, and each one that came is checked and taken into the store.
///
/// There is one for each identifier, made when the app starts, and kept. What was under way when the app ended is in
/// ``downloads`` at once, and goes on. A model of several files is loaded whole. A network that fails is waited for; a
/// file with another hash than its own ends the download, and nothing is loaded again by itself.
///
/// Whom to trust is the system's to say here, and the store's token for Hugging Face is sent with no file: models of a
/// private repository, and of a server with a certificate of one's own, come by ``UhlmModelStore/download(request:)``.
public actor UhlmBackgroundDownloads {
    /// The downloads that are under way or have ended, in the order in which they were begun; one that has ended stays
    /// until it is forgotten.
    public nonisolated var downloads: [BackgroundDownload] { board.downloads }

    /// ``downloads`` now, and then after each change. Of changes that come faster than the loop asks, only the last is
    /// seen. The sequence ends with this object.
    public nonisolated var updates: AsyncStream<[BackgroundDownload]> { board.updates() }

    private var store: any UhlmModelStoreProtocol
    private let folder: DownloadFolder
    private let carrier: any DownloadCarrier
    private let board = DownloadBoard()
    /// What the system wants to be told when all that it delivered was dealt with.
    private let completions = Locked<[@Sendable () -> Void]>([])
    private var ledger: DownloadLedger
    private var progress: [FileKey: (received: UInt64, total: UInt64?)] = [:]
    private var waiting: Set<FileKey> = []
    /// Files that go on from where they were, and of which nothing came yet.
    private var resuming: Set<FileKey> = []
    private var adopting: Set<FileKey> = []
    private var isDelivered = false

    private let identifier: String
    private let grace: TimeInterval

    /// The downloads of an identifier. On Linux, which has no such sessions, they end with the process and go on at its
    /// next start.
    ///
    /// - Parameters:
    ///   - store: Where models go.
    ///   - identifier: The name of the system's session, which no other part of the app may use. It is the same at each
    ///     start of the app.
    ///   - folder: A folder of this object's own, on the volume of the store's, and in no backup. It is made.
    public init(store: UhlmModelStore, identifier: String, folder: URL) {
        self.init(store: store, identifier: identifier, folder: folder) {
            SessionCarrier(.models(identifier), folder: $0, tell: $1)
        }
    }

    /// `grace` is how long the system may take, in seconds, to tell what happened while the app did not run.
    init(
        store: any UhlmModelStoreProtocol, identifier: String, folder url: URL, grace: TimeInterval = 5,
        carrier make: (DownloadFolder, @escaping @Sendable (CarrierEvent) -> Void) -> any DownloadCarrier
    ) {
        let (events, sink) = AsyncStream.makeStream(of: CarrierEvent.self)
        self.store = store
        self.identifier = identifier
        self.grace = grace
        folder = DownloadFolder(url: url)
        let before = folder.ledger()
        ledger = before
        carrier = make(folder) { sink.yield($0) }
        board.show(before.entries.map { BackgroundDownload($0, progress: [:], waiting: []) })
        Task { [weak self] in
            await self?.goOn(with: before)
            for await event in events { await self?.take(event) }
        }
    }

    deinit {
        board.end()
        carrier.end(stopping: false)
    }

    // MARK: - What an app asks for

    /// Begins a download, or goes on with one that was stopped or failed, and returns the name of the model. It asks
    /// the server what there is, so there must be a network now; the rest may take until there is one again. A model
    /// that is in the store already is finished at once.
    ///
    /// - Throws: ``UhlmError`` as a download that has not begun: among its kinds are ``ErrorKind/checksumMissing``,
    ///   ``ErrorKind/invalidOptions``, ``ErrorKind/offline`` and ``ErrorKind/metered``.
    @discardableResult
    public func begin(_ request: DownloadRequest) async throws -> String {
        let remote = try await store.files(request: request)
        let files = try remote.map { file in
            guard let url = URL(string: file.url) else {
                throw UhlmError.download(.invalidOptions, "the address of \(file.name) cannot be read")
            }
            return DownloadLedger.File(
                url: url, name: file.name, source: file.source, bytes: file.bytes, sha256: file.sha256)
        }
        guard let name = files.first?.name else { throw UhlmError.download(.modelNotFound, "there is no file") }
        let there = try await store.list().first { $0.name == name }
        if let entry = ledger.entry(name), entry.isUnderWay { return name }
        var entry = ledger.begin(files, allowsMetered: request.allowMetered)
        // The store has no other model of this name: it would have been refused above.
        if there != nil { entry.keys(at: .loading).forEach { ledger.taken($0) } }
        do {
            try folder.keep(ledger)
        } catch {
            ledger.remove(name)
            throw UhlmError.download(.storageFailed, "the download could not be kept")
        }
        entry = ledger.entry(name) ?? entry
        // All at once: a background session starts later what is asked for while the app is not in front.
        entry.keys(at: .loading).forEach { load($0, after: 0) }
        entry.keys(at: .came).forEach(adopt)
        publish()
        return name
    }

    /// Stops a download. What came is kept, and ``begin(_:)`` goes on from there.
    public func stop(_ name: String) {
        guard ledger.stop(name), let entry = ledger.entry(name) else { return }
        keepLedger()
        entry.keys(at: .loading).forEach(carrier.stop)
        publish()
    }

    /// Forgets a download. One that is under way is stopped, and what came of it is removed; a model that is in the
    /// store stays there.
    public func forget(_ name: String) {
        guard let entry = ledger.entry(name) else { return }
        ledger.remove(name)
        keepLedger()
        for index in entry.files.indices {
            let key = FileKey(entry: entry.id, run: entry.run, file: index)
            carrier.stop(key)
            progress[key] = nil
            waiting.remove(key)
            if !adopting.contains(key) { folder.remove(key) }
        }
        publish()
    }

    /// Takes another store of the same folder: one with another hub, or another token.
    public func use(_ store: UhlmModelStore) {
        self.store = store
    }

    /// Takes what the system says when it starts the app for its downloads, from
    /// `application(_:handleEventsForBackgroundURLSession:completionHandler:)`.
    ///
    /// - Parameters:
    ///   - identifier: The session that the system means.
    ///   - completion: Called on the main thread when all files that came were taken into the store.
    /// - Returns: False, without calling `completion`, for a session of another part of the app.
    @discardableResult
    public nonisolated func handleEvents(of identifier: String, completion: @escaping () -> Void) -> Bool {
        guard self.identifier == identifier else { return false }
        let once = UncheckedCompletion(call: completion)
        completions.withLock { $0.append { DispatchQueue.main.async { once.call() } } }
        return true
    }

    // MARK: - What becomes of it

    /// Goes on with what was under way when the app ended; what was begun since goes its own way.
    private func goOn(with before: DownloadLedger) async {
        folder.removeStrangers(ledger)
        let running = await carrier.keys()
        for entry in before.entries where entry.isUnderWay {
            for key in entry.keys(at: .loading) {
                if folder.has(key) {
                    // It came, and the app ended before that was written.
                    came(key)
                } else if !running.contains(key) {
                    // What came meanwhile may still be told: it is begun anew only when that would have happened.
                    load(key, after: grace)
                }
            }
            entry.keys(at: .came).forEach(adopt)
        }
        for key in running where ledger.file(key) == nil { carrier.stop(key) }
        publish()
    }

    private func take(_ event: CarrierEvent) {
        switch event {
        case .moved(let key, let received, let total):
            guard let file = ledger.file(key), file.step == .loading else { return }
            progress[key] = (received, total)
            waiting.remove(key)
            resuming.remove(key)
            if ledger.moved(key) { keepLedger() }
        case .came(let key):
            came(key)
        case .unkept(let key, let isFull):
            fail(key, .download(isFull ? .storageFull : .storageFailed, "the file could not be kept"))
        case .refused(let key, let status):
            setBack(key, Setback(status: status), resume: nil)
        case .brokeOff(let key, let code, let resume):
            setBack(key, Setback(code: code), resume: resume)
        case .stopped(let key, let resume):
            if let resume, ledger.entry(key)?.isStopped == true { folder.keepResumeData(resume, of: key) }
        case .delivered:
            isDelivered = true
        }
        publish()
        completeIfDone()
    }

    private func came(_ key: FileKey) {
        guard let now = ledger.came(key) else {
            if !ledger.isWaiting(key) { folder.remove(key) }
            return
        }
        keepLedger()
        waiting.remove(now)
        resuming.remove(now)
        // It may have been begun anew meanwhile.
        carrier.stop(now)
        if ledger.file(now) != nil { adopt(now) }
    }

    private func setBack(_ key: FileKey, _ setback: Setback, resume: Data?) {
        guard let file = ledger.file(key), file.step == .loading else { return }
        if resuming.remove(key) != nil, resume == nil {
            // What was kept of an earlier attempt is of no use any more: an address of its own that ran out, mostly.
            return load(key, after: 0)
        }
        switch setback {
        case .final(let error):
            fail(key, error)
        case .passing:
            let delay = ledger.brokeOff(key)
            keepLedger()
            waiting.insert(key)
            if let resume { folder.keepResumeData(resume, of: key) }
            load(key, after: delay)
        }
    }

    private func load(_ key: FileKey, after delay: TimeInterval) {
        guard let file = ledger.file(key), let entry = ledger.entry(key) else { return }
        let resume = folder.takeResumeData(key)
        if resume != nil { resuming.insert(key) }
        carrier.load(
            CarrierOrder(
                key: key, url: file.url, allowsMetered: entry.allowsMetered, resume: resume, delay: delay))
    }

    private func adopt(_ key: FileKey) {
        guard let file = ledger.file(key), adopting.insert(key).inserted else { return }
        let path = folder.place(key).path
        Task {
            do {
                _ = try await store.adopt(
                    path: path, name: file.name, sha256: file.sha256, source: file.source)
                adopting.remove(key)
                ledger.taken(key)
                keepLedger()
            } catch {
                adopting.remove(key)
                await adoptFailed(key, error as? UhlmError ?? .download(.storageFailed, "\(type(of: error))"))
            }
            publish()
            completeIfDone()
        }
    }

    private func adoptFailed(_ key: FileKey, _ error: UhlmError) async {
        if error.kind == .modelDamaged { folder.remove(key) }
        guard error.kind != .modelDamaged, !folder.has(key), let file = ledger.file(key), file.failures == 0 else {
            return fail(key, error)
        }
        // It was taken into the store just before the app ended last; or else somebody removed it.
        if await isInStore(file) {
            ledger.taken(key)
        } else {
            ledger.lost(key)
            load(key, after: 0)
        }
        keepLedger()
    }

    private func isInStore(_ file: DownloadLedger.File) async -> Bool {
        let models = (try? await store.list()) ?? []
        return models.contains { model in
            let isFirst = model.name == file.name && model.sha256 == file.sha256
            return isFirst || model.furtherParts.contains { $0.path.hasSuffix("/" + file.name) }
        }
    }

    private func fail(_ key: FileKey, _ error: UhlmError) {
        guard let entry = ledger.entry(key), entry.isUnderWay else { return }
        ledger.failed(key, error, isDamaged: error.kind == .modelDamaged)
        keepLedger()
        entry.keys(at: .loading).forEach(carrier.stop)
    }

    /// It comes after `publish`: the app that hears that all is done looks at ``downloads``.
    private func completeIfDone() {
        guard isDelivered, adopting.isEmpty else { return }
        let done = completions.withLock { completions in
            defer { completions = [] }
            return completions
        }
        if !done.isEmpty { isDelivered = false }
        done.forEach { $0() }
    }

    /// The disk may be full, and then what happened since is found out anew after the next start: a file that came lies
    /// in the folder, one that is on its way is with the system.
    private func keepLedger() {
        try? folder.keep(ledger)
    }

    private func publish() {
        board.show(ledger.entries.map { BackgroundDownload($0, progress: progress, waiting: waiting) })
    }
}

/// The system's closure, which is called once and on the main thread.
private struct UncheckedCompletion: @unchecked Sendable {
    let call: () -> Void
}
