import Foundation
import Uhlm

/// One request that left the device, as it is kept with its conversation.
public struct SentEntry: Codable, Sendable, Equatable {
    /// What a request was for.
    public enum Kind: String, Codable, Sendable {
        /// It opened a session.
        case open
        /// It gave words to read and to check.
        case advance
    }

    /// When it left.
    public let at: Date
    /// What it was for.
    public let kind: Kind
    /// Tokens in it.
    public let tokens: UInt64
    /// Bytes of its body.
    public let bytes: UInt64
    /// Whether an answer came. Without one it may or may not have arrived.
    public let answered: Bool
    /// What it said, where the person asked for that to be kept.
    public let text: String?

    /// `12 tokens · 48 B`
    public var size: String { "\(Self.tokens(tokens)) · \(bytes.inBytes)" }

    /// `3 requests, 120 tokens, 640 B in this conversation.`
    public static func total(_ sent: [SentEntry]) -> String {
        let requests = sent.count == 1 ? say("sent.requests.one") : say("sent.requests", sent.count)
        let bytes = sent.map(\.bytes).reduce(0, +)
        return say("sent.total", requests, tokens(sent.map(\.tokens).reduce(0, +)), bytes.inBytes)
    }

    private static func tokens(_ count: UInt64) -> String {
        count == 1 ? say("sent.tokens.one") : say("sent.tokens", count)
    }

    init(_ sent: Sent) {
        at = Date(timeIntervalSince1970: sent.atSeconds)
        kind = sent.kind == .open ? .open : .advance
        tokens = UInt64(sent.tokens)
        bytes = sent.bytes
        answered = sent.answered
        text = sent.text
    }
}

/// Takes from a session's record what was not taken yet: first what was answered, the rest when the reply has ended.
struct SentReader {
    private let before: SentRecord
    private var taken: UInt64

    /// Bytes that were sent since.
    private(set) var bytes: UInt64 = 0

    init(before: SentRecord) {
        self.before = before
        taken = before.totalRequests
    }

    mutating func take(_ record: SentRecord, all: Bool) -> [SentEntry] {
        bytes = record.totalBytes - before.totalBytes
        // The record forgets its oldest requests, and never counts them less.
        let new = min(record.totalRequests - taken, UInt64(record.requests.count))
        let fresh = record.requests.suffix(Int(new))
        let done = all ? Array(fresh) : Array(fresh.prefix { $0.answered })
        taken = all ? record.totalRequests : taken + UInt64(done.count)
        return done.map(SentEntry.init)
    }
}
