import Foundation

/// A model that the next reply may be written with.
public struct ModelChoice: Sendable, Equatable, Identifiable {
    /// Its name in the store.
    public let name: String
    /// Its name for a person.
    public let title: String
    /// Whether it is the one in use.
    public let isInUse: Bool

    /// Its name in the store.
    public var id: String { name }

    init(name: String, used: String) {
        self.name = name
        title = modelTitle(name)
        isInUse = name == used
    }
}

/// A model's name as a person reads it: without the ending of its file, and without the number of its first part.
func modelTitle(_ file: String) -> String {
    let name = file.hasSuffix(".gguf") ? String(file.dropLast(5)) : file
    guard let part = name.range(of: "-[0-9]{5}-of-[0-9]{5}$", options: .regularExpression) else { return name }
    return String(name[..<part.lowerBound])
}
