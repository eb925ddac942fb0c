import Foundation

/// Returns what the app says under a key, in the person's language or else in English. `values` take the places of
/// `{0}`, `{1}` and so on. A key that is not there is returned itself; a test finds those.
public func say(_ key: String, _ values: any CustomStringConvertible...) -> String {
    Words.current.say(key, values)
}

/// The words of one language: the file `Words.strings` of its folder.
struct Words: Sendable {
    /// Those that there is a file for; the first one is everybody else's.
    static let languages = ["en", "de"]

    /// Those of the person's language.
    static let current = Words(language: preferred(Locale.preferredLanguages))

    let language: String
    let table: [String: String]

    init(language: String) {
        self.language = language
        let file = Bundle.module.url(
            forResource: "Words", withExtension: "strings", subdirectory: nil, localization: language)
        let read = file.flatMap { try? Data(contentsOf: $0) }
            .flatMap { try? PropertyListSerialization.propertyList(from: $0, options: [], format: nil) }
        table = read as? [String: String] ?? [:]
    }

    /// The first of the person's languages that there are words in.
    static func preferred(_ wanted: [String]) -> String {
        let codes = wanted.map { String($0.prefix { $0 != "-" && $0 != "_" }) }
        return codes.first { languages.contains($0) } ?? languages[0]
    }

    func say(_ key: String, _ values: [any CustomStringConvertible]) -> String {
        guard let text = table[key] else { return key }
        var said = text
        for (index, value) in values.enumerated() {
            said = said.replacingOccurrences(of: "{\(index)}", with: value.description)
        }
        return said
    }
}
