import Uhlm

/// A piece of a reply that one kind of token wrote.
public struct TextRun: Sendable, Equatable {
    /// What is written.
    public internal(set) var text: String
    /// Who wrote or judged it.
    public let origin: Origin
    /// Whether the server put it in the place of another word of the device.
    public let corrected: Bool

    /// A run with its parts.
    public init(text: String, origin: Origin, corrected: Bool = false) {
        self.text = text
        self.origin = origin
        self.corrected = corrected
    }
}

extension Origin {
    /// All of them, in the order of a legend.
    public static let all: [Origin] = [.draft, .verified, .target, .unverified]

    /// Its name, for who reads or hears it.
    public var title: String { say("origin.\(code)") }

    /// What it means.
    public var meaning: String { say("origin.\(code).about") }

    /// Its name in files, and among the words.
    var code: String {
        switch self {
        case .draft: "draft"
        case .verified: "verified"
        case .target: "target"
        case .unverified: "unverified"
        }
    }

    /// The origin that a name in a file means.
    ///
    /// Earlier versions told the word that took the place of a rejected one (`resampled`) from one that the server
    /// added (`bonus`): the server wrote both. An origin of a later version counts as unverified.
    init(code: String) {
        self =
            switch code {
            case "resampled", "bonus": .target
            default: Origin.all.first { $0.code == code } ?? .unverified
            }
    }
}

extension TextRun: Codable {
    private enum CodingKeys: CodingKey { case text, origin, corrected }

    /// Reads a run, also one that another version of the app wrote.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        text = try values.decode(String.self, forKey: .text)
        origin = Origin(code: try values.decode(String.self, forKey: .origin))
        corrected = try values.decodeIfPresent(Bool.self, forKey: .corrected) ?? false
    }

    /// Writes a run.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(text, forKey: .text)
        try values.encode(origin.code, forKey: .origin)
        if corrected { try values.encode(true, forKey: .corrected) }
    }
}
