import Observation
import Uhlm

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
}

/// Where signals come from: the system, or a test.
@MainActor
public protocol DeviceSource {
    /// Calls `take` with what is known now, and then with each change, on the main actor.
    func start(_ take: @escaping @MainActor (DeviceSignal) -> Void)
}

/// A device about which there is nothing to say: Linux, and previews.
public struct QuietDevice: DeviceSource {
    /// Tells nothing.
    public init() {}
    /// Tells nothing.
    public func start(_ take: @escaping @MainActor (DeviceSignal) -> Void) {}
}

/// What the device is going through, as the app shows it and as sessions are told it.
@MainActor
@Observable
public final class DeviceMonitor {
    /// For the sessions.
    public private(set) var state = DeviceState()
    /// The network as it is now.
    public private(set) var network = NetworkReading()

    private let source: any DeviceSource

    /// Called with each change of ``state``.
    public var onChange: (@MainActor (DeviceState) -> Void)?
    /// Called when there is another network, or one again.
    public var onNetworkChange: (@MainActor () -> Void)?

    /// Follows a source once it was started.
    public init(source: any DeviceSource) {
        self.source = source
    }

    /// Begins to follow the source. To be called once.
    public func start() {
        source.start { [weak self] in self?.take($0) }
    }

    private func take(_ signal: DeviceSignal) {
        let (oldState, oldNetwork) = (state, network)
        switch signal {
        case .battery(let charge, let charging):
            state.battery = charge
            state.charging = charging
        case .thermal(let thermal):
            state.thermal = thermal
        case .lowMemory(let low):
            state.lowMemory = low
        case .network(let reading):
            network = reading
            state.metered = reading.isMetered
        }
        if state != oldState { onChange?(state) }
        let isOther = network.kind != oldNetwork.kind || !oldNetwork.isThere
        if network != oldNetwork, network.isThere, isOther { onNetworkChange?() }
    }
}
