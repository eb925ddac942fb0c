/// What the device is going through, told to every session that follows it: battery, heat, memory, network, and whether
/// the app is in front.
///
/// ```swift
/// let device = UhlmDevice(source: SystemDevice())
/// device.start()
/// device.follow(session)
/// ```
@MainActor
public final class UhlmDevice {
    /// The state that sessions are told.
    public private(set) var state = DeviceState()
    /// The network as it is now.
    public private(set) var network = NetworkReading()

    /// Called with each change of ``state``.
    public var onChange: (@MainActor (DeviceState) -> Void)?
    /// Called with each word of the network.
    public var onReading: (@MainActor (NetworkReading) -> Void)?
    /// Called when there is another network, or one again, and when the app comes to the front.
    public var onNetworkChange: (@MainActor () -> Void)?

    private struct Follower {
        weak var session: (any UhlmSessionProtocol)?
    }

    private let source: any DeviceSource
    private let idle: UInt64
    private var followers: [Follower] = []
    private var isUnderPressure = false
    private var isIdle = false
    private var idling: Task<Void, Never>?

    /// Follows a source once it was started.
    ///
    /// - Parameters:
    ///   - source: Where signals come from: `SystemDevice` on iOS.
    ///   - idleSeconds: How long the app must be out of sight before its sessions give up their memory. What runs then
    ///     is not disturbed; the next generation reads the conversation again.
    public init(source: any DeviceSource, idleSeconds: Double = 30) {
        self.source = source
        idle = UInt64(max(0, min(idleSeconds, 86_400)) * 1e9)
    }

    /// Begins to follow the source. To be called once.
    public func start() {
        source.start { [weak self] in self?.take($0) }
    }

    /// Tells a session the state now, and each change of it from now on, for as long as the app keeps the session and
    /// does not shut it down.
    public func follow(_ session: any UhlmSessionProtocol) {
        followers.append(Follower(session: session))
        tell(session) { try $0.setDevice(state: state) }
    }

    private func take(_ signal: DeviceSignal) {
        let old = state
        switch signal {
        case .battery(let charge, let charging):
            state.battery = charge
            state.charging = charging
        case .thermal(let thermal):
            state.thermal = thermal
        case .lowMemory(let low):
            isUnderPressure = low
        case .network(let reading):
            state.metered = reading.isMetered
        case .foreground(let inFront):
            // A draft model on a GPU computes nothing then: iOS ends what an app submits from the background.
            state.inBackground = !inFront
            wait(inFront: inFront)
        }
        state.lowMemory = isUnderPressure || isIdle
        publish(since: old)
        switch signal {
        case .network(let reading): read(reading)
        // Connections may have died meanwhile without a word.
        case .foreground(true): renewConnections()
        default: break
        }
    }

    private func publish(since old: DeviceState) {
        guard state != old else { return }
        onChange?(state)
        tellAll { try $0.setDevice(state: self.state) }
    }

    private func read(_ reading: NetworkReading) {
        let old = network
        network = reading
        onReading?(reading)
        let isOther = reading.kind != old.kind || !old.isThere
        if reading != old, reading.isThere, isOther { renewConnections() }
    }

    private func renewConnections() {
        onNetworkChange?()
        tellAll { try $0.onNetworkChange() }
    }

    private func wait(inFront: Bool) {
        idling?.cancel()
        idling = nil
        if inFront {
            (isIdle, isUnderPressure) = (false, false)
            return
        }
        idling = Task { [weak self, idle] in
            try? await Task.sleep(nanoseconds: idle)
            guard !Task.isCancelled else { return }
            self?.becomeIdle()
        }
    }

    private func becomeIdle() {
        let old = state
        isIdle = true
        state.lowMemory = true
        publish(since: old)
    }

    private func tellAll(_ what: (any UhlmSessionProtocol) throws -> Void) {
        followers.removeAll { $0.session == nil }
        for follower in followers {
            if let session = follower.session { tell(session, what) }
        }
    }

    /// A session that was shut down is told no more.
    private func tell(_ session: any UhlmSessionProtocol, _ what: (any UhlmSessionProtocol) throws -> Void) {
        do {
            try what(session)
        } catch {
            guard (error as? UhlmError)?.kind == .sessionClosed else { return }
            followers.removeAll { $0.session === session }
        }
    }
}
