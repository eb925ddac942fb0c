import Uhlm

/// What a reply took, as it is kept with it.
public struct ReplyCost: Codable, Sendable, Equatable {
    /// Committed tokens.
    public var tokens: UInt64
    /// Committed tokens a second, prompt included.
    public var tokensPerSecond: Double
    /// Transmission rate (TR): the share of decided draft tokens that were sent to be judged; nil where none was
    /// decided.
    public var shareAsked: Double?
    /// Bytes of request and response bodies.
    public var bytes: UInt64
    /// Whether the server was asked and never answered; nil in files of earlier versions.
    public var isUnanswered: Bool?
    /// Median time from sending a window until its verdict, in seconds; nil without a verdict.
    public var roundTrip: Double?
    /// The share of the target's forward passes that were saved, compared with one for each token; nil where the target
    /// was to write everything, and where no verdict came.
    public var saved: Double?
    /// Whether the draft model, which has another vocabulary than the large model, proposed text across a bridge; nil
    /// in files of earlier versions.
    public var isBridged: Bool?
    /// Whether a chat service behind the server wrote the reply, by which nothing is judged; nil in files of earlier
    /// versions.
    public var isHandedOff: Bool?
    /// Tokens that the draft model drafted; nil in files of earlier versions.
    public var drafted: UInt64?
    /// Time that drafting took, in seconds, without the prompt; nil in files of earlier versions.
    public var draftingSeconds: Double?
    /// The draft model's name; nil in files of earlier versions.
    public var model: String?

    /// What the core measured in one generation.
    ///
    /// - Parameters:
    ///   - statistics: What it measured.
    ///   - model: The name of the draft model's file.
    public init(_ statistics: Statistics, model: String? = nil) {
        tokens = statistics.tokens
        tokensPerSecond = statistics.tokensPerSecond
        shareAsked = statistics.judged + statistics.skipped > 0 ? statistics.transmissionRate : nil
        bytes = statistics.bodyUp + statistics.bodyDown
        isUnanswered = statistics.bodyUp > 0 && statistics.bodyDown == 0
        roundTrip = statistics.medianVerdictSeconds
        saved =
            statistics.verdicts > 0 && statistics.tokens > 0 ? max(0, 1 - statistics.targetPassesPerToken) : nil
        isBridged = statistics.bridged
        isHandedOff = statistics.handedOff
        drafted = statistics.drafted
        draftingSeconds = statistics.draftingSeconds
        self.model = model.map(modelTitle)
    }

    /// Drafted tokens a second of the time that drafting took; nil where nothing was drafted, or nobody counted.
    var draftedPerSecond: Double? {
        guard let drafted, let draftingSeconds, drafted > 0, draftingSeconds > 0 else { return nil }
        return Double(drafted) / draftingSeconds
    }
}
