import Foundation
import Uhlm

extension ModelManager {
    /// Takes a file that lies elsewhere on the device into the store. It is copied, because it stays the person's; a
    /// name that is another model's gets a number.
    ///
    /// - Parameters:
    ///   - file: What the person picked.
    ///   - folder: A folder on the store's volume for the copy, which is made and emptied.
    /// - Throws: ``Problem``.
    func take(_ file: URL, by folder: URL) async throws {
        let name = file.lastPathComponent
        guard name.hasSuffix(".gguf") else { throw Problem(say("models.not_gguf"), .none) }
        let copy = folder.appendingPathComponent(UUID().uuidString)
        // Hundreds of megabytes: not while the screen waits.
        do { try await Task.detached { try copyPicked(file, to: copy) }.value } catch {
            throw Problem(say("models.no_room"), .freeStorage)
        }
        defer { try? FileManager.default.removeItem(at: copy) }
        for number in 1...9 {
            let free = number == 1 ? name : "\(name.dropLast(5))-\(number).gguf"
            do {
                try await adopt(copy.path, as: free)
                return await refresh()
            } catch let error as UhlmError where error.kind == .invalidOptions && number < 9 {
                // The name is another model's.
            } catch {
                throw Problem(error)
            }
        }
    }
}

private func copyPicked(_ file: URL, to copy: URL) throws {
    try FileManager.default.createDirectory(
        at: copy.deletingLastPathComponent(), withIntermediateDirectories: true)
    do { try picked(file) { try FileManager.default.copyItem(at: $0, to: copy) } } catch {
        try? FileManager.default.removeItem(at: copy)
        throw error
    }
}
