import Foundation
import Observation
import Uhlm

/// The models on the device: what is there, what comes in, what could be had.
@MainActor
@Observable
public final class ModelManager {
    /// A download that runs.
    public struct Download: Sendable, Equatable {
        /// What it is doing.
        public var phase = DownloadPhase.connecting
        /// Bytes that are there.
        public var received: UInt64 = 0
        /// Bytes of the whole model, once known.
        public var total: UInt64?
        /// Number of the part of a split model that comes in, from 1; 0 for a model of one file.
        public var part: UInt32 = 0
        /// Number of parts; 0 for a model of one file.
        public var parts: UInt32 = 0
        /// Why nothing comes for now; nil where something does.
        public var note: String?

        /// The share that is there, in [0, 1]; nil while it is not known.
        public var share: Double? {
            guard let total, total > 0 else { return nil }
            return min(1, Double(received) / Double(total))
        }

        /// `12 MB of 640 MB`; of a split model `12 MB of 640 MB, part 1 of 3`.
        public var text: String {
            if let note { return note }
            let what =
                switch phase {
                case .connecting: say("models.connecting")
                case .checking: say("models.checking")
                case .loading: total.map { say("models.of", received.inBytes, $0.inBytes) } ?? received.inBytes
                }
            return part > 0 ? say("models.part", what, part, parts) : what
        }
    }

    /// What a check of a file showed.
    public enum Check: Sendable, Equatable {
        case running, intact, nothingToCompare, damaged
    }

    /// The models that are there, by name.
    public private(set) var installed: [StoredModel] = []
    /// Downloads that broke off and can go on, by name.
    public private(set) var unfinished: [UnfinishedModel] = []
    /// Downloads that run, by the name that the file will have.
    public private(set) var downloads: [String: Download] = [:]
    /// What checks showed, by name.
    public private(set) var checks: [String: Check] = [:]
    /// What went wrong last, by the name of the model.
    public private(set) var problems: [String: Problem] = [:]
    /// A download that waits for the person's word, because nobody says which SHA-256 its file must have.
    public private(set) var unchecked: DownloadRequest?
    /// Pairs that are known to work.
    public let catalogue: [CataloguePair]

    private let makeStore: @MainActor () throws -> any UhlmModelStoreProtocol
    private var store: (any UhlmModelStoreProtocol)?
    private var isMetered = false
    private var tasks: [String: Task<Void, Never>] = [:]
    private var background: (any BackgroundModels)?
    private var isBackgroundAsked: @MainActor () -> Bool = { false }
    private var stopped: [UnfinishedModel] = []
    private var network = NetworkReading()
    private var shown: [BackgroundDownload] = []

    /// Models of a store, which is made when it is first needed.
    public init(
        catalogue: [CataloguePair] = cataloguePairs(),
        store: @escaping @MainActor () throws -> any UhlmModelStoreProtocol
    ) {
        self.catalogue = catalogue
        makeStore = store
    }

    /// Whether downloads go on when the app is left.
    public var goesOnInBackground: Bool { background != nil && isBackgroundAsked() }

    /// Has the system download from now on, where `isAsked` says so, and follows what it does.
    public func follow(_ background: any BackgroundModels, where isAsked: @escaping @MainActor () -> Bool) {
        (self.background, isBackgroundAsked) = (background, isAsked)
        Task { [weak self, updates = background.updates] in
            for await downloads in updates { await self?.show(downloads) }
        }
    }

    /// Draft models of the catalogue that can be downloaded and are neither there nor on their way.
    public var available: [CatalogueModel] {
        var seen = Set(installed.map(\.name)).union(downloads.keys)
        return catalogue.map(\.draft).filter { $0.request != nil && seen.insert($0.file).inserted }
    }

    /// Looks at the folder again.
    public func refresh() async {
        await attempt("") { store in
            installed = try await store.list()
            let found = try await store.unfinished()
            let running = Set(downloads.keys).union(stopped.map(\.name))
            unfinished = found.filter { !running.contains($0.name) } + stopped
        }
    }

    /// The store is made anew with the next call: another key, or another hub.
    public func reconfigure() {
        store = nil
        guard let background, let next = (try? current()) as? UhlmModelStore else { return }
        Task { await background.use(next) }
    }

    /// Brings a model of the catalogue onto the device.
    public func download(_ model: CatalogueModel, allowMetered: Bool) {
        guard var request = model.request else { return }
        request.allowMetered = allowMetered
        download(request)
    }

    /// Brings the file behind an address onto the device: `https://...`, or `hf:owner/repo/file.gguf`.
    public func download(from address: String, allowMetered: Bool) {
        let address = address.trimmingCharacters(in: .whitespacesAndNewlines)
        let name = address.split(separator: "/").last.map(String.init)
        download(DownloadRequest(sources: [address], name: name, allowMetered: allowMetered))
    }

    /// Downloads what is ``unchecked`` all the same and believes the server, or leaves it.
    public func answer(downloadsAnyway: Bool) {
        guard var request = unchecked else { return }
        unchecked = nil
        request.requireSha256 = false
        if downloadsAnyway { download(request) }
    }

    /// Stops a download. What came is kept, and the next one goes on from there.
    public func cancel(_ name: String) {
        if let task = tasks[name] { return task.cancel() }
        Task { await background?.stop(name) }
    }

    /// Removes a model, or what a download left of it.
    public func delete(_ name: String) async {
        if stopped.contains(where: { $0.name == name }) {
            await background?.forget(name)
            stopped.removeAll { $0.name == name }
            return await refresh()
        }
        await attempt(name) { store in
            _ = try await store.delete(name: name)
            checks[name] = nil
        }
        await refresh()
    }

    /// Hashes a model's file and compares.
    public func verify(_ name: String) async {
        checks[name] = .running
        problems[name] = nil
        do {
            checks[name] = try await current().verify(name: name) ? .intact : .nothingToCompare
        } catch let error as UhlmError where error.kind == .modelDamaged {
            checks[name] = .damaged
        } catch {
            checks[name] = nil
            problems[name] = Problem(error)
        }
    }

    /// The file of a model; nil where it is not there.
    public func file(of name: String) -> String? {
        installed.first { $0.name == name }?.path
    }

    /// Whether the network in use costs by volume: downloads that do not allow that stop.
    public func setMetered(_ metered: Bool) {
        isMetered = metered
        store?.setMetered(metered: metered)
    }

    /// Hides a problem.
    public func dismissProblem(_ name: String) {
        problems[name] = nil
        Task { await background?.forget(name) }
    }

    /// Returns when a download is over.
    public func settled(_ name: String) async {
        await tasks[name]?.value
    }

    private func download(_ request: DownloadRequest) {
        let name = request.name ?? request.sources.first ?? ""
        guard tasks[name] == nil else { return }
        problems[name] = nil
        if goesOnInBackground { return begin(request, name) }
        do {
            let download = try current().download(request: request)
            downloads[name] = Download()
            unfinished.removeAll { $0.name == name }
            tasks[name] = Task { [self] in
                await follow(download, request, name)
                downloads[name] = nil
                tasks[name] = nil
                await refresh()
            }
        } catch {
            problems[name] = Problem(error)
        }
    }

    private func follow(_ download: any UhlmDownloadProtocol, _ request: DownloadRequest, _ name: String) async {
        do {
            try await withTaskCancellationHandler {
                while let event = try await download.next() {
                    guard case .progress(let phase, let received, let total, let part, let parts) = event else {
                        continue
                    }
                    downloads[name] = Download(
                        phase: phase, received: received, total: total, part: part, parts: parts)
                }
            } onCancel: {
                download.cancel()
            }
        } catch let error as UhlmError where error.kind == .cancelled {
            // It was asked for.
        } catch let error as UhlmError where error.kind == .checksumMissing {
            unchecked = request
        } catch {
            problems[name] = Problem(error)
        }
    }

    /// Has the system download; what it is called from then on is the store's to say.
    private func begin(_ request: DownloadRequest, _ name: String) {
        guard let background, downloads[name] == nil else { return }
        downloads[name] = Download()
        unfinished.removeAll { $0.name == name }
        tasks[name] = Task { [self] in
            do {
                let begun = try await background.begin(request)
                if begun != name { downloads[name] = nil }
            } catch {
                downloads[name] = nil
                if (error as? UhlmError)?.kind == .checksumMissing {
                    unchecked = request
                } else {
                    problems[name] = Problem(error)
                }
            }
            tasks[name] = nil
        }
    }

    /// Takes what is known of the network: a download that waits says for what.
    public func setNetwork(_ network: NetworkReading) {
        self.network = network
        for download in shown where downloads[download.name] != nil {
            downloads[download.name] = Download(download, on: network)
        }
    }

    /// Shows what the system does. What has ended well is among the models, and not spoken of any more.
    private func show(_ shown: [BackgroundDownload]) async {
        self.shown = shown
        let before = stopped.map(\.name)
        var isOver = false
        stopped = shown.filter { $0.state == .stopped }.map { UnfinishedModel(name: $0.name, bytes: $0.received) }
        for download in shown {
            let name = download.name
            switch download.state {
            case .loading, .waiting, .checking:
                downloads[name] = Download(download, on: network)
                problems[name] = nil
                continue
            case .finished:
                await background?.forget(name)
            case .failed(let error):
                problems[name] = Problem(error)
            case .stopped:
                break
            }
            isOver = downloads.removeValue(forKey: name) != nil || download.state == .finished || isOver
        }
        if isOver || stopped.map(\.name) != before { await refresh() }
    }

    /// Takes a file into the store, which is gone from its place then.
    func adopt(_ path: String, as name: String) async throws {
        _ = try await current().adopt(path: path, name: name, sha256: nil, source: nil)
    }

    private func current() throws -> any UhlmModelStoreProtocol {
        if let store { return store }
        let store = try makeStore()
        store.setMetered(metered: isMetered)
        self.store = store
        return store
    }

    private func attempt(_ name: String, _ body: (any UhlmModelStoreProtocol) async throws -> Void) async {
        do {
            try await body(current())
        } catch {
            problems[name] = Problem(error)
        }
    }
}
