import Uhlm

/// The strip above a conversation that says what is different now.
public enum Banner: Sendable, Equatable {
    /// No network at all: flight mode, mostly.
    case noNetwork
    /// There is a network, but the server does not answer.
    case serverAway
    /// The last exchange failed; it is tried again.
    case unsteady
    /// No server is set.
    case noServer

    /// What applies; nil where all is as it should be, and where the person wants the device alone.
    public static func current(link: LinkState, hasNetwork: Bool, settings: ChatSettings) -> Banner? {
        if settings.mode == .deviceOnly { return nil }
        if settings.endpoint.isEmpty { return .noServer }
        if !hasNetwork { return .noNetwork }
        switch link {
        case .online: return nil
        case .degraded: return .unsteady
        case .offline: return .serverAway
        }
    }

    /// What it says.
    public func text(_ settings: ChatSettings) -> String {
        switch self {
        case .noServer: return "No server is set. The device answers alone."
        case .unsteady: return "The connection is unsteady."
        case .noNetwork, .serverAway:
            let what = self == .noNetwork ? "You are offline." : "The server does not answer."
            switch settings.whenOffline {
            case .goOn where settings.mode == .remoteOnly, .wait: return what + " Replies wait for it."
            case .goOn: return what + " The device goes on alone; its words are marked as not checked."
            case .fail: return what + " Replies have to wait until it is back."
            }
        }
    }
}
