import Foundation
import Observation
import Uhlm

/// The speed page: what the SDK counted while replies were written, and a measurement when the person asks for one.
@MainActor
@Observable
public final class SpeedModel {
    /// The figures of each model, the one that wrote last first.
    public private(set) var models: [SpeedFigures] = []
    /// The figures of the last replies, the latest first.
    public private(set) var last: [LastReply] = []
    /// Whether a measurement runs.
    public private(set) var isMeasuring = false
    /// What the last measurement showed.
    public private(set) var measured: SpeedMeasurement?
    /// Why the last measurement failed.
    public private(set) var problem: Problem?

    /// One reply.
    public struct LastReply: Sendable, Equatable, Identifiable {
        /// Its place in the list.
        public let id: Int
        /// The model that wrote it; nil in files of earlier versions.
        public let model: String?
        /// Its figures, as its conversation has them.
        public let parts: [String]
    }

    private let store: ConversationStore
    private let measure: @MainActor () async throws -> SpeedMeasurement

    init(store: ConversationStore, measure: @escaping @MainActor () async throws -> SpeedMeasurement) {
        self.store = store
        self.measure = measure
    }

    /// Reads the figures anew.
    public func refresh() async {
        do {
            // One without a token says nothing about speed.
            let costs = try await store.costs(atMost: Self.most).filter { $0.tokens > 0 }
            models = SpeedFigures.byModel(costs)
            last = costs.prefix(Self.shown).enumerated().map { index, cost in
                LastReply(id: index, model: cost.model, parts: LiveLine(cost).parts)
            }
        } catch {
            problem = Problem(error)
        }
    }

    /// Has the model in use write a short text on this device. Nothing is sent, and nothing of it is kept.
    public func measureNow() async {
        guard !isMeasuring else { return }
        (isMeasuring, problem) = (true, nil)
        defer { isMeasuring = false }
        do { measured = try await measure() } catch { problem = Problem(error) }
    }

    /// Hides the problem.
    public func dismissProblem() {
        problem = nil
    }

    /// Replies that the figures are of.
    private static let most = 500
    /// Replies that are shown one by one.
    private static let shown = 10
}

/// In English for everybody: the figures of two devices are then of the same tokens.
private let measuredMessage = "Write a short story about a lighthouse keeper."

/// Writes a short text by the device alone.
func measureSpeed(of model: String, on engine: UhlmEngine) async throws -> SpeedMeasurement {
    let session = try await engine.openSession(
        verifier: nil,
        options: SessionOptions(mode: .deviceOnly, sampling: SamplingParams(temperature: 0)))
    defer { session.shutDown() }
    let reply = try await session.respond(
        to: measuredMessage, options: GenerationOptions(maxTokens: 64, seed: 1))
    return SpeedMeasurement(
        model: model, ReplyCost(reply.statistics), firstTokenSeconds: reply.statistics.firstTokenSeconds)
}
