import Foundation
import Uhlm

/// The figures under a reply: while it is written what can be counted so far, and afterwards what the core measured.
public struct LiveLine: Sendable, Equatable {
    /// One figure.
    public struct Part: Sendable, Equatable, Identifiable {
        /// What is shown.
        public let text: String
        /// What is read aloud.
        public let spoken: String
        /// The text.
        public var id: String { text }
    }

    private var counts: [Origin: Int] = [:]
    private var rejected = 0
    private var seconds = 0.0
    private var bytes: UInt64?
    private var cost: ReplyCost?

    /// A reply that begins.
    public init() {}

    /// A reply that is over.
    public init(_ cost: ReplyCost) {
        self.cost = cost
    }

    /// Counts a committed token.
    mutating func count(_ origin: Origin, after seconds: Double) {
        counts[origin, default: 0] += 1
        self.seconds = seconds
    }

    /// Counts a rollback: one drafted token was judged and differed, nobody decided on those that it took along.
    mutating func countRollback() {
        rejected += 1
    }

    /// What was sent for this reply so far.
    mutating func sent(_ bytes: UInt64) {
        self.bytes = bytes
    }

    /// Committed tokens a second; nil before the first.
    public var tokensPerSecond: Double? {
        if let cost { return cost.tokensPerSecond }
        let tokens = counts.values.reduce(0, +)
        return tokens > 0 && seconds > 0 ? Double(tokens) / seconds : nil
    }

    /// While it is written: of the drafted tokens that stand or differed, the share that the target was asked about.
    /// Afterwards: the transmission rate (TR).
    public var shareAsked: Double? {
        if let cost { return cost.shareAsked }
        let asked = counts[.verified, default: 0] + rejected
        let decided = asked + counts[.draft, default: 0] + counts[.unverified, default: 0]
        return decided > 0 ? Double(asked) / Double(decided) : nil
    }

    /// The figures that are known, in their order.
    public var parts: [Part] {
        var parts: [Part] = []
        if let rate = tokensPerSecond {
            parts.append(Part(text: "\(rate.formatted1) tok/s", spoken: "\(rate.formatted1) tokens a second"))
        }
        if let share = shareAsked {
            parts.append(Part(text: "\(share.percent) asked", spoken: "\(share.percent) of the tokens asked"))
        }
        if let bytes = cost?.bytes ?? bytes, bytes > 0 {
            let text = bytes.inBytes
            parts.append(Part(text: text, spoken: "\(text) exchanged"))
        }
        if let trip = cost?.roundTrip {
            let milliseconds = Int((trip * 1000).rounded())
            parts.append(Part(text: "\(milliseconds) ms", spoken: "\(milliseconds) milliseconds for a verdict"))
        }
        if let saved = cost?.saved {
            parts.append(
                Part(text: "\(saved.percent) saved", spoken: "\(saved.percent) of the large model's work saved"))
        }
        return parts
    }
}

extension Double {
    var formatted1: String { String(format: "%.1f", self) }
    var percent: String { "\(Int((self * 100).rounded())) %" }
}

extension UInt64 {
    /// With the unit that leaves the fewest digits; powers of 1000, as Apple's systems count files.
    public var inBytes: String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(self), 0)
        while value >= 999.5, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(self) B" : String(format: value < 9.95 ? "%.1f %@" : "%.0f %@", value, units[unit])
    }
}
