import Foundation

/// The keys that the app has.
public enum SecretName: String, Sendable, CaseIterable {
    /// The bearer token of the server.
    case endpointKey
    /// The token of Hugging Face.
    case hubToken
}

/// Why a key could not be read or kept. Says nothing of the key.
public enum SecretFailure: Error, Equatable {
    /// The system said this number.
    case system(Int32)
    /// The file system failed.
    case storage
}

/// Keeps keys where other apps cannot read them.
public protocol SecretStore: Sendable {
    /// The key; nil where there is none.
    func read(_ name: SecretName) throws -> String?
    /// Keeps a key in the place of the one before.
    func write(_ value: String, as name: SecretName) throws
    /// Forgets a key; nothing happens where there is none.
    func remove(_ name: SecretName) throws
}

/// A file for each key that only this user can read: for Linux, where there is no keychain that a program can count on.
public struct FileSecrets: SecretStore {
    private let folder: URL

    /// Keys in a folder, which is made with the first one.
    public init(folder: URL) {
        self.folder = folder
    }

    /// The key; nil where there is none.
    public func read(_ name: SecretName) throws -> String? {
        guard FileManager.default.fileExists(atPath: file(name).path) else { return nil }
        do { return String(decoding: try Data(contentsOf: file(name)), as: UTF8.self) } catch {
            throw SecretFailure.storage
        }
    }

    /// Keeps a key in the place of the one before.
    public func write(_ value: String, as name: SecretName) throws {
        do {
            try FileManager.default.createDirectory(
                at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            try Data(value.utf8).writeSafely(to: file(name), permissions: 0o600)
        } catch {
            throw SecretFailure.storage
        }
    }

    /// Forgets a key.
    public func remove(_ name: SecretName) throws {
        guard FileManager.default.fileExists(atPath: file(name).path) else { return }
        do { try FileManager.default.removeItem(at: file(name)) } catch { throw SecretFailure.storage }
    }

    private func file(_ name: SecretName) -> URL { folder.appendingPathComponent(name.rawValue) }
}
