import Observation
import Uhlm

/// What the device is going through, as views observe it.
@MainActor
@Observable
public final class DeviceMonitor {
    /// For the sessions.
    public private(set) var state = DeviceState()
    /// The network as it is now.
    public private(set) var network = NetworkReading()

    private let device: UhlmDevice

    /// Called with each change of ``state``.
    public var onChange: (@MainActor (DeviceState) -> Void)?
    /// Called with each word of the network.
    public var onReading: (@MainActor (NetworkReading) -> Void)?
    /// Called when there is another network, or one again.
    public var onNetworkChange: (@MainActor () -> Void)?

    /// Follows a source once it was started.
    public init(source: any DeviceSource) {
        device = UhlmDevice(source: source)
    }

    /// Begins to follow the source. To be called once.
    public func start() {
        device.onChange = { [weak self] state in
            self?.state = state
            self?.onChange?(state)
        }
        device.onReading = { [weak self] in
            self?.network = $0
            self?.onReading?($0)
        }
        device.onNetworkChange = { [weak self] in self?.onNetworkChange?() }
        device.start()
    }
}
