import Foundation

/// The calibrations of draft models: those that the person chose, one file for a model, and the one that came with the
/// app.
struct Calibrations: Sendable {
    private let folder: URL
    private let bundled: (model: String, file: URL)?

    init(folder: URL, bundled: (model: String, file: URL)?) {
        (self.folder, self.bundled) = (folder, bundled)
    }

    /// The file for a model; nil where there is none.
    func file(of model: String) -> URL? {
        if isChosen(of: model) { return chosen(model) }
        return bundled.flatMap { $0.model == model ? $0.file : nil }
    }

    /// Whether the person chose the one of a model.
    func isChosen(of model: String) -> Bool {
        FileManager.default.fileExists(atPath: chosen(model).path)
    }

    /// Keeps a copy of a file for a model, in the place of the one before.
    ///
    /// - Throws: ``Problem`` where the file cannot be read or is none, and ``StoreFailure/storage``.
    func keep(_ file: URL, for model: String) throws {
        guard let data = try? picked(file, Self.read), (try? JSONSerialization.jsonObject(with: data)) is [String: Any]
        else { throw Problem(say("settings.calibration.failed"), .none) }
        try storing {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            try data.writeSafely(to: chosen(model))
        }
    }

    /// Removes the one that the person chose for a model.
    ///
    /// - Throws: ``StoreFailure/storage``.
    func remove(of model: String) throws {
        try storing { try FileManager.default.removeItem(at: chosen(model)) }
    }

    private func chosen(_ model: String) -> URL { folder.appendingPathComponent(model + ".json") }

    private static func read(_ file: URL) throws -> Data {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        guard let data = try handle.read(upToCount: longest + 1), data.count <= longest else {
            throw StoreFailure.unreadable
        }
        return data
    }

    /// In bytes; `uhlm calibrate` writes some ten thousand.
    private static let longest = 1 << 20
}

/// Reads a file that the person picked, which is the app's to read only in between.
func picked<Value>(_ file: URL, _ read: (URL) throws -> Value) rethrows -> Value {
    #if canImport(Darwin)
    let isScoped = file.startAccessingSecurityScopedResource()
    defer { if isScoped { file.stopAccessingSecurityScopedResource() } }
    #endif
    return try read(file)
}
