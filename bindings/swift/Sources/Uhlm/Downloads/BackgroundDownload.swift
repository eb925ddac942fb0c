/// A model that the system downloads in the background, as an app shows it.
public struct BackgroundDownload: Sendable, Equatable, Identifiable {
    /// How far it is.
    public enum State: Sendable, Equatable {
        /// The system loads its files, or waits for a network that is allowed.
        case loading
        /// An attempt failed, and the next one comes by itself.
        case waiting
        /// All files came, and their hashes are being computed.
        case checking
        /// The model is in the store.
        case finished
        /// It was stopped. What came is kept.
        case stopped
        /// Nothing more happens until it is begun again.
        case failed(UhlmError)
    }

    /// Name that the model has in the store.
    public let name: String
    /// How far it is.
    public let state: State
    /// Size of what came, in bytes; for a split model that of all parts.
    public let received: UInt64
    /// Size of the whole model in bytes, once it is known.
    public let total: UInt64?

    /// Whether it may be loaded over a network that costs by volume.
    public let allowsMetered: Bool

    /// A download as a preview shows it; those that there are come from ``UhlmBackgroundDownloads``.
    public init(name: String, state: State, received: UInt64, total: UInt64?, allowsMetered: Bool) {
        self.name = name
        self.state = state
        self.received = received
        self.total = total
        self.allowsMetered = allowsMetered
    }

    /// The name.
    public var id: String { name }
}
