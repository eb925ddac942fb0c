import Foundation

/// A conversation in the list.
public struct ConversationSummary: Sendable, Equatable, Identifiable {
    /// The conversation's.
    public let id: UUID
    /// What the list shows.
    public let title: String
    /// When something was written to it last.
    public let changed: Date
}

/// Why a conversation could not be kept or read.
public enum StoreFailure: Error, Equatable {
    /// There is none with this id.
    case missing
    /// Its file has no readable first line.
    case unreadable
    /// The file system failed, mostly for lack of space.
    case storage
}

/// Conversations in files, one each, that survive the end of the process at any moment.
///
/// A file is a log: each line is one ``LogEntry``, written by one call of the system before the app shows what it says.
/// A process that is killed loses nothing of that; a line that was cut is passed over. When a reply is over the log is
/// written anew with runs in the place of tokens, to a file of another name that then takes the name in one step, and
/// reaches the disk before that. A power cut in the middle of a reply can cost its last words.
public actor ConversationStore {
    private let folder: URL
    /// The files that are being written.
    private var open: [UUID: FileHandle] = [:]

    /// A store in a folder, which is made where there is none.
    ///
    /// - Throws: ``StoreFailure/storage``.
    public init(folder: URL) throws {
        self.folder = folder
        try storing { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
    }

    /// What the list shows, the latest first. Reads the beginning of each file only.
    ///
    /// - Throws: ``StoreFailure/storage``.
    public func summaries() throws -> [ConversationSummary] {
        let files = try storing {
            try FileManager.default.contentsOfDirectory(
                at: folder, includingPropertiesForKeys: [.contentModificationDateKey])
        }
        let summaries = files.compactMap { file -> ConversationSummary? in
            guard file.pathExtension == Self.suffix, let handle = try? FileHandle(forReadingFrom: file) else {
                return nil
            }
            defer { try? handle.close() }
            // The title is the second line, and at most a question's first line long.
            guard let start = try? handle.read(upToCount: 16 << 10), let conversation = Self.read(start, whole: false)
            else { return nil }
            let values = try? file.resourceValues(forKeys: [.contentModificationDateKey])
            let changed = values?.contentModificationDate ?? conversation.created
            return ConversationSummary(id: conversation.id, title: conversation.title, changed: changed)
        }
        return summaries.sorted { ($0.changed, $0.id.uuidString) > ($1.changed, $1.id.uuidString) }
    }

    /// Those in whose title, messages or replies a text stands, in whatever case.
    ///
    /// - Throws: ``StoreFailure/storage``.
    public func ids(with text: String) throws -> Set<UUID> {
        let found = try summaries().filter { summary in
            guard let conversation = try? conversation(summary.id) else { return false }
            let texts = [conversation.title] + conversation.turns.flatMap { [$0.question, $0.reply.text] }
            return texts.contains { $0.range(of: text, options: [.caseInsensitive, .diacriticInsensitive]) != nil }
        }
        return Set(found.map(\.id))
    }

    /// The figures of the last replies, the latest first: those of the conversation that was written to last, then
    /// those of the one before.
    ///
    /// - Throws: ``StoreFailure/storage``.
    func costs(atMost most: Int) throws -> [ReplyCost] {
        var costs: [ReplyCost] = []
        for summary in try summaries() where costs.count < most {
            guard let conversation = try? conversation(summary.id) else { continue }
            costs += conversation.turns.reversed().compactMap(\.reply.cost)
        }
        return Array(costs.prefix(most))
    }

    /// All of a conversation.
    ///
    /// - Throws: ``StoreFailure``.
    public func conversation(_ id: UUID) throws -> Conversation {
        let file = file(of: id)
        guard FileManager.default.fileExists(atPath: file.path) else { throw StoreFailure.missing }
        let data = try storing { try Data(contentsOf: file) }
        guard let conversation = Self.read(data, whole: true), conversation.id == id else {
            throw StoreFailure.unreadable
        }
        return conversation
    }

    /// Keeps a conversation that is not there yet.
    ///
    /// - Throws: ``StoreFailure/storage``.
    public func add(_ conversation: Conversation) throws {
        try replace(conversation)
    }

    /// Writes one change. When this returns, the end of the process cannot undo it.
    ///
    /// - Throws: ``StoreFailure``.
    public func append(_ entry: LogEntry, to id: UUID) throws {
        let handle = try open[id] ?? reopen(id)
        let line = try Self.line(entry)
        try storing { try handle.write(contentsOf: line) }
    }

    /// Writes a conversation's file anew, as short as it can be, and down to the disk.
    ///
    /// - Throws: ``StoreFailure``.
    public func compact(_ id: UUID) throws {
        try replace(conversation(id))
    }

    /// Gives a conversation another title. It keeps its place in the list: nothing was said in it.
    ///
    /// - Throws: ``StoreFailure``.
    public func rename(_ id: UUID, to title: String) throws {
        var conversation = try conversation(id)
        let path = file(of: id).path
        let changed = try storing { try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] }
        conversation.apply(.title(title))
        try replace(conversation)
        if let changed { try? FileManager.default.setAttributes([.modificationDate: changed], ofItemAtPath: path) }
    }

    /// Removes a conversation for good.
    ///
    /// - Throws: ``StoreFailure``.
    public func delete(_ id: UUID) throws {
        close(id)
        guard FileManager.default.fileExists(atPath: file(of: id).path) else { throw StoreFailure.missing }
        try storing { try FileManager.default.removeItem(at: file(of: id)) }
    }

    private static let suffix = "chat"

    private func file(of id: UUID) -> URL {
        folder.appendingPathComponent(id.uuidString).appendingPathExtension(Self.suffix)
    }

    private func close(_ id: UUID) {
        try? open.removeValue(forKey: id)?.close()
    }

    private func reopen(_ id: UUID) throws -> FileHandle {
        guard FileManager.default.fileExists(atPath: file(of: id).path) else { throw StoreFailure.missing }
        let handle = try storing {
            let handle = try FileHandle(forUpdating: file(of: id))
            // What an earlier process left of a line must not take the next one with it.
            let end = try handle.seekToEnd()
            if end > 0 {
                try handle.seek(toOffset: end - 1)
                if try handle.read(upToCount: 1) != Data("\n".utf8) { try handle.write(contentsOf: Data("\n".utf8)) }
            }
            return handle
        }
        open[id] = handle
        return handle
    }

    private func replace(_ conversation: Conversation) throws {
        let data = try LogEntry.lines(of: conversation).reduce(into: Data()) { $0 += try Self.line($1) }
        close(conversation.id)
        try storing { try data.writeSafely(to: file(of: conversation.id)) }
    }

    private static func line(_ entry: LogEntry) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        return try encoder.encode(entry) + Data("\n".utf8)
    }

    /// A conversation from its lines; nil without a first one. `whole` is false for the beginning of a file.
    private static func read(_ data: Data, whole: Bool) -> Conversation? {
        let decoder = JSONDecoder()
        var conversation: Conversation?
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let entry = try? decoder.decode(LogEntry.self, from: Data(line)) else { continue }
            if case .head(let id, let created) = entry, conversation == nil {
                conversation = Conversation(id: id, created: created)
            }
            conversation?.apply(entry)
            if !whole, conversation?.title.isEmpty == false { break }
        }
        return conversation
    }
}

/// What the file system throws, as the one thing that an app does about it.
func storing<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let failure as StoreFailure { throw failure } catch { throw StoreFailure.storage }
}
