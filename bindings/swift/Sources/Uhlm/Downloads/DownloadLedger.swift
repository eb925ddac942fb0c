import Foundation

/// What is under way, as it survives the end of the process: which files belong to which model, and what became of
/// each.
///
/// Decides which event of the system counts. It knows neither the system nor the disk.
struct DownloadLedger: Codable, Equatable {
    /// A file of a model.
    struct File: Codable, Equatable {
        /// What became of it.
        enum Step: String, Codable {
            /// The system loads it.
            case loading
            /// It came whole, and is to be taken into the store.
            case came
            /// It is in the store.
            case taken
        }

        let url: URL
        let name: String
        let source: String
        let bytes: UInt64?
        let sha256: String?
        var step = Step.loading
        /// Attempts in a row that brought nothing.
        var failures = 0
    }

    /// A model.
    struct Entry: Codable, Equatable {
        let id: UUID
        /// How often it was begun: what the system still says of an earlier time counts no more.
        var run = 0
        var allowsMetered: Bool
        var files: [File]
        var isStopped = false
        var failure: KeptError?

        var name: String { files.first?.name ?? "" }
        var isFinished: Bool { files.allSatisfy { $0.step == .taken } }
        var isUnderWay: Bool { failure == nil && !isStopped && !isFinished }

        /// The keys of the files at a step.
        func keys(at step: File.Step) -> [FileKey] {
            files.indices.filter { files[$0].step == step }.map { FileKey(entry: id, run: run, file: $0) }
        }
    }

    /// The models, in the order in which they were begun.
    private(set) var entries: [Entry] = []

    /// The model of a name.
    func entry(_ name: String) -> Entry? { entries.first { $0.name == name } }

    /// The file of a key; nil where its model is not under way any more, or was begun again since.
    func file(_ key: FileKey) -> File? {
        guard let index = index(key), entries[index].isUnderWay else { return nil }
        return entries[index].files[key.file]
    }

    /// The model of a key, whatever became of it.
    func entry(_ key: FileKey) -> Entry? { index(key).map { entries[$0] } }

    /// Begins a model, or begins it again: then files that came, and are still the ones that are wanted, stay.
    mutating func begin(_ files: [File], allowsMetered: Bool) -> Entry {
        guard let index = entries.firstIndex(where: { $0.name == files.first?.name }) else {
            let entry = Entry(id: UUID(), allowsMetered: allowsMetered, files: files)
            entries.append(entry)
            return entry
        }
        var entry = entries[index]
        let before = entry.isFinished ? [] : entry.files
        entry.run += 1
        entry.allowsMetered = allowsMetered
        (entry.isStopped, entry.failure) = (false, nil)
        entry.files = files.enumerated().map { position, file in
            var file = file
            if position < before.count, before[position].isTheSame(as: file) { file.step = before[position].step }
            return file
        }
        entries[index] = entry
        return entry
    }

    /// The file came whole, at whatever time its model was begun; returns its key of now. Nil where nobody knows it,
    /// and where it came before.
    mutating func came(_ key: FileKey) -> FileKey? {
        guard let index = entries.firstIndex(where: { $0.id == key.entry }),
            entries[index].files.indices.contains(key.file), entries[index].files[key.file].step == .loading
        else { return nil }
        entries[index].files[key.file].step = .came
        return FileKey(entry: key.entry, run: entries[index].run, file: key.file)
    }

    /// Whether a file that came lies in the folder until it is taken.
    func isWaiting(_ key: FileKey) -> Bool {
        guard let entry = entries.first(where: { $0.id == key.entry }), entry.files.indices.contains(key.file) else {
            return false
        }
        return entry.files[key.file].step == .came
    }

    /// The file is in the store.
    mutating func taken(_ key: FileKey) {
        change(key) { $0.step = .taken }
    }

    /// The file that came is not there any more: it is loaded once more.
    mutating func lost(_ key: FileKey) {
        change(key) { file in
            file.step = .loading
            file.failures += 1
        }
    }

    /// Bytes came: the next failure is the first one again. False where there is nothing to change.
    mutating func moved(_ key: FileKey) -> Bool {
        guard let file = file(key), file.failures > 0 else { return false }
        change(key) { $0.failures = 0 }
        return true
    }

    /// An attempt failed; returns how long to wait before the next one, in seconds.
    mutating func brokeOff(_ key: FileKey) -> TimeInterval {
        let failures = file(key)?.failures ?? 0
        change(key) { $0.failures += 1 }
        return min(Self.longestWait, pow(2, Double(min(failures, 16))) * Self.firstWait)
    }

    /// The model cannot be had like this. What `isDamaged` came for nothing: it is loaded anew when the model is begun
    /// again.
    mutating func failed(_ key: FileKey, _ error: UhlmError, isDamaged: Bool) {
        guard let index = index(key) else { return }
        entries[index].failure = KeptError(error)
        if isDamaged { entries[index].files[key.file].step = .loading }
    }

    /// The person stopped the model. False where it is not under way.
    mutating func stop(_ name: String) -> Bool {
        guard let index = entries.firstIndex(where: { $0.name == name && $0.isUnderWay }) else { return false }
        entries[index].isStopped = true
        return true
    }

    /// Nothing is known of the model any more.
    mutating func remove(_ name: String) {
        entries.removeAll { $0.name == name }
    }

    private func index(_ key: FileKey) -> Int? {
        entries.firstIndex { $0.id == key.entry && $0.run == key.run && $0.files.indices.contains(key.file) }
    }

    private mutating func change(_ key: FileKey, _ change: (inout File) -> Void) {
        if let index = index(key) { change(&entries[index].files[key.file]) }
    }

    /// Seconds before the second attempt; each further one waits twice as long.
    private static let firstWait = 2.0
    /// A server that is down for a night is asked often enough.
    private static let longestWait = 600.0
}

extension DownloadLedger.File {
    /// Whether another request means the same file. One without a hash may have changed on the server.
    fileprivate func isTheSame(as other: Self) -> Bool {
        name == other.name && sha256 == other.sha256 && (sha256 != nil || url == other.url && bytes == other.bytes)
    }
}

/// Names a file of a model at one time of loading it. As text it travels with the system's task.
struct FileKey: Hashable, Sendable {
    let entry: UUID
    let run: Int
    let file: Int

    init(entry: UUID, run: Int, file: Int) {
        self.entry = entry
        self.run = run
        self.file = file
    }

    init?(_ text: String?) {
        let parts = text?.split(separator: "/") ?? []
        guard parts.count == 3, let entry = UUID(uuidString: String(parts[0])), let run = Int(parts[1]),
            let file = Int(parts[2])
        else { return nil }
        self.init(entry: entry, run: run, file: file)
    }

    var text: String { "\(entry.uuidString)/\(run)/\(file)" }
}
