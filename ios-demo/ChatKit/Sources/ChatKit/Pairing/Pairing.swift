import Foundation
import Uhlm

/// A server that a link names, before the person accepted it. Where the link brings a token, nothing here prints it.
public struct Pairing: Sendable, Equatable, Identifiable {
    /// Its own.
    public let id = UUID()
    /// Where the server is.
    public let endpoint: String
    /// SHA-256 of the only certificate that is trusted, in hex; nil where a public authority vouches for it.
    public let fingerprint: String?
    /// The server whose place it takes; nil where it is the first, or the same.
    public let replaces: String?

    private let link: VerifierLink

    /// Reads a link, `uhlm://verifier?...`.
    ///
    /// - Throws: `UhlmError` of the kind `invalidOptions`.
    init(_ text: String, settings: ChatSettings) throws {
        link = try VerifierLink(text: text.trimmingCharacters(in: .whitespacesAndNewlines))
        endpoint = link.endpoint()
        fingerprint = link.fingerprint()
        replaces = settings.endpoint.isEmpty || settings.endpoint == endpoint ? nil : settings.endpoint
    }

    /// Whether the link brings a token.
    public var bringsToken: Bool { link.token() != nil }

    /// The token; nil where the link brings none.
    var token: String? { link.token() }

    /// What a person compares with the server's window: the first eight bytes, `3F:A1:…`.
    public var shortFingerprint: String? {
        fingerprint.map { hex in
            let digits = Array(hex.uppercased().prefix(16))
            let bytes = stride(from: 0, to: digits.count - 1, by: 2).map { String(digits[$0...$0 + 1]) }
            return bytes.joined(separator: ":") + ":…"
        }
    }

    /// The address without its scheme and path, as the title of a conversation has it.
    var host: String { Self.host(endpoint) }

    private static func host(_ endpoint: String) -> String {
        let address = endpoint.components(separatedBy: "://").last ?? ""
        return String(address.prefix { $0 != "/" })
    }

    /// What accepting means, in whole sentences.
    public var facts: [String] {
        let trust = shortFingerprint.map { say("pairing.fingerprint", $0) } ?? say("pairing.authorities")
        var facts = [trust]
        if bringsToken { facts.append(say("pairing.token")) }
        if let replaces { facts.append(say("pairing.replaces", Self.host(replaces))) }
        return facts + [say("pairing.about")]
    }

    /// Two links are the same where their servers are.
    public static func == (one: Self, other: Self) -> Bool {
        (one.id, one.endpoint, one.fingerprint) == (other.id, other.endpoint, other.fingerprint)
    }
}
