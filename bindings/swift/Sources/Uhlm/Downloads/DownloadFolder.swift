import Foundation

/// Where background downloads keep what must survive the end of the process: the ledger, files that came and are not in
/// the store yet, and what the system needs to go on with a file that was stopped.
struct DownloadFolder: Sendable {
    let url: URL

    /// Makes the folder where there is none.
    func make() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    /// What was under way; nothing where no ledger can be read.
    func ledger() -> DownloadLedger {
        let read = try? JSONDecoder().decode(DownloadLedger.self, from: Data(contentsOf: ledgerFile))
        return read ?? DownloadLedger()
    }

    /// Keeps the ledger: after any end of the process the old one is there or the new one.
    func keep(_ ledger: DownloadLedger) throws {
        try write(JSONEncoder().encode(ledger), to: ledgerFile)
    }

    /// Where a file lies that came.
    func place(_ key: FileKey) -> URL {
        url.appendingPathComponent("\(key.entry.uuidString)-\(key.file).came")
    }

    /// Takes a file that the system is about to remove.
    func take(_ file: URL, as key: FileKey) throws {
        try make()
        try? FileManager.default.removeItem(at: place(key))
        try FileManager.default.moveItem(at: file, to: place(key))
    }

    func has(_ key: FileKey) -> Bool { FileManager.default.fileExists(atPath: place(key).path) }

    /// Keeps what the system needs to go on with a file. Without it the file comes from its beginning.
    func keepResumeData(_ data: Data, of key: FileKey) {
        try? write(data, to: resumeFile(key))
    }

    /// What the system needs to go on with a file, once.
    func takeResumeData(_ key: FileKey) -> Data? {
        let data = try? Data(contentsOf: resumeFile(key))
        try? FileManager.default.removeItem(at: resumeFile(key))
        return data
    }

    /// Removes what is there of a file.
    func remove(_ key: FileKey) {
        for file in [place(key), resumeFile(key)] { try? FileManager.default.removeItem(at: file) }
    }

    /// Removes what belongs to no model of the ledger.
    func removeStrangers(_ ledger: DownloadLedger) {
        let known = Set(ledger.entries.map(\.id.uuidString))
        let files = (try? FileManager.default.contentsOfDirectory(at: url, includingPropertiesForKeys: nil)) ?? []
        for file in files where ["came", "resume"].contains(file.pathExtension) {
            if !known.contains(String(file.lastPathComponent.prefix(36))) {
                try? FileManager.default.removeItem(at: file)
            }
        }
    }

    private var ledgerFile: URL { url.appendingPathComponent("downloads.json") }

    private func resumeFile(_ key: FileKey) -> URL {
        url.appendingPathComponent("\(key.entry.uuidString)-\(key.file).resume")
    }

    private func write(_ data: Data, to file: URL) throws {
        try make()
        #if os(iOS)
        // The system wakes the app for its downloads while the screen is locked.
        try data.write(to: file, options: [.atomic, .completeFileProtectionUntilFirstUserAuthentication])
        #else
        try data.write(to: file, options: .atomic)
        #endif
    }
}
