import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension Data {
    /// Writes a file so that after any end of the process, or of power, the old content is there or the new one.
    ///
    /// `permissions` are the file's from its first byte on; the default lets nobody but the app's user read it.
    func writeSafely(to file: URL, permissions: Int = 0o600) throws {
        let other = file.deletingLastPathComponent()
            .appendingPathComponent(".\(file.lastPathComponent).\(UUID().uuidString)")
        var attributes: [FileAttributeKey: Any] = [.posixPermissions: permissions]
        #if os(iOS)
        // Readable after the first unlock, so that a reply that is written while the screen locks is not lost.
        attributes[.protectionKey] = FileProtectionType.completeUntilFirstUserAuthentication
        #endif
        guard FileManager.default.createFile(atPath: other.path, contents: nil, attributes: attributes) else {
            throw StoreFailure.storage
        }
        do {
            let handle = try FileHandle(forWritingTo: other)
            defer { try? handle.close() }
            try handle.write(contentsOf: self)
            try handle.synchronize()
            guard rename(other.path, file.path) == 0 else { throw StoreFailure.storage }
        } catch {
            try? FileManager.default.removeItem(at: other)
            throw error
        }
    }
}
