import Foundation
import Uhlm

/// The figures of a reply: while it is written what can be counted so far, and afterwards what the core measured.
public struct LiveLine: Sendable, Equatable {
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

    /// Committed tokens so far.
    var tokens: Int { counts.values.reduce(0, +) }

    /// Committed tokens a second; nil before the first.
    public var tokensPerSecond: Double? {
        if let cost { return cost.tokensPerSecond }
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

    /// The figures that are known, in their order. The Android app has the same.
    public var parts: [String] {
        var parts: [String] = []
        if let rate = tokensPerSecond { parts.append(say("figures.speed", rate.rounded1)) }
        if let cost {
            // Nothing was sent, or nobody answered: there is nothing to say about what was asked.
            guard cost.bytes > 0 else { return parts + [say("figures.nothing")] }
            if cost.isUnanswered == true { return parts + [say("figures.unanswered")] }
        }
        if let share = shareAsked { parts.append(say("figures.asked", share.percent)) }
        if let bytes = cost?.bytes ?? bytes, bytes > 0 { parts.append(say("figures.bytes", bytes.inBytes)) }
        if let trip = cost?.roundTrip { parts.append(say("figures.trip", trip.milliseconds)) }
        if let saved = cost?.saved { parts.append(say("figures.saved", saved.percent)) }
        if cost?.isHandedOff == true {
            parts.append(say("figures.handed_off"))
        } else if cost?.isBridged == true {
            parts.append(say("figures.bridged"))
        }
        return parts
    }
}

extension Double {
    /// As one reads it: nobody needs a decimal of 37.
    var rounded1: String { String(format: self < 9.95 ? "%.1f" : "%.0f", self) }
    /// In steps that a network's changes are larger than: 5 ms, and 10 ms from 100 ms on.
    var milliseconds: Int {
        let step = self < 0.0975 ? 5 : 10
        return Int((self * 1000 / Double(step)).rounded()) * step
    }
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
