#if os(iOS)
import Network
import UIKit

/// What iOS tells: battery, heat, memory, network, and the way to the front and back. For the life of the app.
@MainActor
public final class SystemDevice: DeviceSource {
    private let path = NWPathMonitor()
    private var observers: [any NSObjectProtocol] = []
    private var calm: Task<Void, Never>?

    /// Tells nothing before it is started.
    public init() {}

    /// Calls `take` with what is known now, and then with each change.
    public func start(_ take: @escaping @MainActor @Sendable (DeviceSignal) -> Void) {
        UIDevice.current.isBatteryMonitoringEnabled = true
        let battery: @MainActor () -> Void = {
            let device = UIDevice.current
            let isKnown = device.batteryState != .unknown
            let isCharging = device.batteryState == .charging || device.batteryState == .full
            take(.battery(isKnown ? device.batteryLevel : nil, charging: isCharging))
        }
        let thermal: @MainActor () -> Void = { take(.thermal(Thermal(ProcessInfo.processInfo.thermalState))) }
        battery()
        thermal()
        observe(UIDevice.batteryLevelDidChangeNotification, battery)
        observe(UIDevice.batteryStateDidChangeNotification, battery)
        observe(ProcessInfo.thermalStateDidChangeNotification, thermal)
        observe(UIApplication.didReceiveMemoryWarningNotification) { [weak self] in
            take(.lowMemory(true))
            // The system warns, and never says that it is over.
            self?.calm?.cancel()
            self?.calm = Task {
                try? await Task.sleep(nanoseconds: 30_000_000_000)
                if !Task.isCancelled { take(.lowMemory(false)) }
            }
        }
        observe(UIApplication.didEnterBackgroundNotification) { take(.foreground(false)) }
        observe(UIApplication.willEnterForegroundNotification) { take(.foreground(true)) }
        path.pathUpdateHandler = { path in
            let reading = NetworkReading(path)
            Task { @MainActor in take(.network(reading)) }
        }
        path.start(queue: DispatchQueue(label: "network"))
    }

    private func observe(_ name: Notification.Name, _ body: @escaping @MainActor () -> Void) {
        let observer = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { _ in
            MainActor.assumeIsolated { body() }
        }
        observers.append(observer)
    }
}

extension Thermal {
    init(_ state: ProcessInfo.ThermalState) {
        switch state {
        case .nominal: self = .nominal
        case .fair: self = .fair
        case .serious: self = .serious
        case .critical: self = .critical
        @unknown default: self = .serious
        }
    }
}

extension NetworkReading {
    init(_ path: NWPath) {
        let kinds: [NWInterface.InterfaceType] = [.wifi, .cellular, .wiredEthernet, .other]
        let kind = kinds.first { path.usesInterfaceType($0) }.map { "\($0)" } ?? ""
        let names = path.availableInterfaces.map(\.name).joined(separator: " ")
        self.init(
            isThere: path.status == .satisfied, isMetered: path.isExpensive || path.isConstrained,
            kind: "\(kind) \(names)")
    }
}
#endif
