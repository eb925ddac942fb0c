import Uhlm

/// The strip above a conversation that says what is different now.
public enum Banner: Sendable, Equatable {
    /// No network at all: flight mode, mostly.
    case noNetwork
    /// There is a network, but the server does not answer.
    case serverAway
    /// The server is there, but has no room for another request.
    case serverBusy
    /// The last exchange failed; it is tried again.
    case unsteady

    /// What applies; nil while all is as it should be, and if the person wants the device alone.
    public static func current(
        link: LinkState, cause: LinkCause?, hasNetwork: Bool, settings: ChatSettings
    ) -> Banner? {
        if !settings.asksServer { return nil }
        if !hasNetwork { return .noNetwork }
        switch link {
        case .online: return nil
        case .degraded where cause == .busy, .offline where cause == .busy: return .serverBusy
        case .degraded: return .unsteady
        case .offline: return .serverAway
        }
    }

    /// What it says. The Android app has the same words.
    public func text(_ settings: ChatSettings) -> String {
        switch self {
        case .unsteady: say("banner.unsteady")
        case .noNetwork: say("banner.no_network", Self.consequence(settings))
        case .serverAway: say("banner.away", Self.consequence(settings))
        case .serverBusy: say("banner.busy", Self.consequence(settings))
        }
    }

    private static func consequence(_ settings: ChatSettings) -> String {
        switch settings.whenOffline {
        case .goOn where settings.mode == .remoteOnly, .wait: say("banner.wait")
        case .goOn: say("banner.go_on")
        case .fail: say("banner.fail")
        }
    }
}
