/// What is known of the network.
public struct NetworkReading: Sendable, Equatable {
    /// Whether there is one.
    public var isThere = true
    /// Whether it costs by volume: a mobile network, a personal hotspot, data-saving mode.
    public var isMetered = false
    /// Tells one network from the next.
    public var kind = ""

    /// A network about which there is nothing to say.
    public init(isThere: Bool = true, isMetered: Bool = false, kind: String = "") {
        self.isThere = isThere
        self.isMetered = isMetered
        self.kind = kind
    }
}

/// One thing that the system told.
public enum DeviceSignal: Sendable, Equatable {
    /// Charge in [0, 1], nil where there is no battery, and whether it is being charged.
    case battery(Float?, charging: Bool)
    /// How hot the device is.
    case thermal(Thermal)
    /// The system asked to free memory, or enough time went by since.
    case lowMemory(Bool)
    /// The network as it is now.
    case network(NetworkReading)
    /// The app came to the front, or nobody sees it any more.
    case foreground(Bool)
}

/// Where signals come from: the system, or a test.
@MainActor
public protocol DeviceSource {
    /// Calls `take` with what is known now, and then with each change, on the main actor.
    func start(_ take: @escaping @MainActor @Sendable (DeviceSignal) -> Void)
}

/// A device about which there is nothing to say: Linux, and previews.
public struct QuietDevice: DeviceSource {
    /// Tells nothing.
    public init() {}
    /// Tells nothing.
    public func start(_ take: @escaping @MainActor @Sendable (DeviceSignal) -> Void) {}
}
