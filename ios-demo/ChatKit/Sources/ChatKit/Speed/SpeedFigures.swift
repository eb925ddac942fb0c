import Foundation

/// What was counted of several replies: of each figure the middle value, which one slow reply does not move.
public struct SpeedFigures: Sendable, Equatable, Identifiable {
    /// The model that wrote them.
    public let model: String
    /// How many there are.
    public let replies: Int
    /// Committed tokens a second.
    public let reply: Double?
    /// Drafted tokens a second of the time that drafting took.
    public let draft: Double?
    /// The share of the decided draft tokens that the target was asked about.
    public let asked: Double?
    /// Bytes that were exchanged for a reply.
    public let bytes: UInt64?

    /// The model.
    public var id: String { model }

    /// The figures of replies, of which there is at least one.
    init(model: String, _ costs: [ReplyCost]) {
        self.model = model
        replies = costs.count
        reply = costs.map(\.tokensPerSecond).filter { $0 > 0 }.middle
        draft = costs.compactMap(\.draftedPerSecond).middle
        asked = costs.compactMap(\.shareAsked).middle
        bytes = costs.map { Double($0.bytes) }.middle.map { UInt64($0.rounded()) }
    }

    /// Those of the last replies of each model, the one that wrote last first. Replies of earlier versions, which do
    /// not say who wrote them, are left out; `costs` begins with the latest.
    static func byModel(_ costs: [ReplyCost]) -> [SpeedFigures] {
        var order: [String] = []
        var grouped: [String: [ReplyCost]] = [:]
        for cost in costs {
            guard let model = cost.model else { continue }
            if grouped[model] == nil { order.append(model) }
            grouped[model, default: []].append(cost)
        }
        return order.map { SpeedFigures(model: $0, Array((grouped[$0] ?? []).prefix(ofEach))) }
    }

    /// Replies of a model that its figures are of.
    private static let ofEach = 50

    /// `Median of 12 replies`.
    public var title: String {
        replies == 1 ? say("speed.replies.one") : say("speed.replies", replies)
    }

    /// The figures that are known, with their names.
    public var rows: [SpeedRow] {
        [
            reply.map { SpeedRow(say("speed.reply"), say("figures.speed", $0.rounded1)) },
            draft.map { SpeedRow(say("speed.draft"), say("figures.speed", $0.rounded1)) },
            asked.map { SpeedRow(say("speed.asked"), $0.percent) },
            bytes.map { SpeedRow(say("speed.bytes"), $0.inBytes) },
        ].compactMap(\.self)
    }
}

/// A figure with its name.
public struct SpeedRow: Sendable, Equatable, Identifiable {
    /// What it is.
    public let name: String
    /// How much.
    public let value: String

    /// The name.
    public var id: String { name }

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What a measurement of the device alone showed.
public struct SpeedMeasurement: Sendable, Equatable {
    /// `demo-draft, measured just now`.
    public let title: String
    /// What was measured.
    public let rows: [SpeedRow]

    init(model: String, _ cost: ReplyCost, firstTokenSeconds: Double) {
        title = say("speed.measured", model)
        rows = [
            cost.draftedPerSecond.map { SpeedRow(say("speed.draft"), say("figures.speed", $0.rounded1)) },
            SpeedRow(say("speed.reply"), say("figures.speed", cost.tokensPerSecond.rounded1)),
            SpeedRow(say("speed.first"), say("speed.seconds", String(format: "%.2f", firstTokenSeconds))),
        ].compactMap(\.self)
    }
}

extension [Double] {
    /// The value that as many are above as below; nil without any.
    var middle: Double? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        let half = count / 2
        return count.isMultiple(of: 2) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[half]
    }
}
