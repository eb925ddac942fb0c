import Foundation

/// Servers that are set by a link and not by hand.
extension AppModel {
    /// Reads a link to a server, from the system's camera or from a field, and asks the person; one that is none is a
    /// problem.
    public func open(link text: String) {
        do {
            pairing = try Pairing(text, settings: settings)
        } catch {
            pairing = nil
            problem = Problem(say("pairing.malformed"), .none)
        }
    }

    /// What the person decided about ``pairing``. Accepting sends nothing: each conversation still asks.
    public func answerPairing(isAccepted: Bool) {
        guard let accepted = pairing else { return }
        pairing = nil
        guard isAccepted else { return }
        // First of all: the key of the server before is none of this one's.
        preferences.setSecret(.endpointKey, to: accepted.token ?? "")
        if let problem = preferences.problem { return self.problem = problem }
        var settings = settings
        (settings.endpoint, settings.fingerprint) = (accepted.endpoint, accepted.fingerprint ?? "")
        preferences.settings = settings
        keysChanged()
        said = say("pairing.done", accepted.host)
    }

    /// Hides what was said.
    public func dismissSaid() {
        said = nil
    }
}
