import Foundation
import Uhlm

/// What the person chose. Secrets are elsewhere: ``SecretStore``.
public struct ChatSettings: Codable, Sendable, Equatable {
    /// How text is generated.
    public enum Mode: String, Codable, Sendable, CaseIterable {
        case opportunistic, exact, deviceOnly, remoteOnly

        var core: Uhlm.Mode {
            switch self {
            case .opportunistic: .opportunistic
            case .exact: .exact
            case .deviceOnly: .deviceOnly
            case .remoteOnly: .remoteOnly
            }
        }
    }

    /// What happens while the server is out of reach.
    public enum WhenOffline: String, Codable, Sendable, CaseIterable {
        case goOn, wait, fail

        var core: OfflinePolicy {
            switch self {
            case .goOn: .goOn
            case .wait: .wait(seconds: 30)
            case .fail: .fail
            }
        }
    }

    /// What the gate aims at.
    public enum Goal: String, Codable, Sendable, CaseIterable {
        case riskAverse, riskProne, shareSent, risk
    }

    /// Whether a model that can think before it replies does so.
    public enum Thinking: String, Codable, Sendable, CaseIterable {
        case model, on, off

        var core: Uhlm.Thinking? {
            switch self {
            case .model: nil
            case .on: .on(budget: nil)
            case .off: .off
            }
        }
    }

    /// How text is generated.
    public var mode = Mode.exact
    /// What the gate aims at, in the mode that leaves words unjudged.
    public var goal = Goal.riskProne
    /// The share of drafted tokens, or the risk, that the goal aims at, in [0, 1].
    public var goalValue = 0.2
    /// Whether a model that can think before it replies does so.
    public var thinking = Thinking.model
    /// Whether models may call the tools of this device.
    public var usesTools = false
    /// Whether the person is asked before each call.
    public var asksBeforeTools = true
    /// Servers, as ``server`` names them, that may read every conversation that the person did not take back.
    public var agreedServers: Set<String> = []
    /// What happens while the server is out of reach.
    public var whenOffline = WhenOffline.goOn
    /// Divides the logits; 0 takes the most probable token.
    public var temperature: Float = 0.7
    /// The most tokens of a reply.
    public var maxTokens: UInt32 = 512
    /// What the models are told before each conversation.
    public var systemPrompt = ""
    /// Where the server is; empty for none.
    public var endpoint = ""
    /// SHA-256 of a self-signed certificate, as `uhlm serve` prints it; empty for certificates of public authorities.
    public var fingerprint = ""
    /// Where models may be had instead of Hugging Face; empty for Hugging Face itself.
    public var hub = ""
    /// Whether models may come over a network that costs by volume.
    public var allowsMeteredDownloads = false
    /// The file name of the draft model in the model store; empty until one was chosen.
    public var model = ""
    /// Whether the draft model may be on a GPU. iOS ends what an app submits to it that is not in front, so replies
    /// stand still there.
    public var usesGpu = false
    /// Whether every word has the colour of its origin; else there are lines below what a reader should not miss.
    public var tintsOrigins = false
    /// Whether the record of what was sent keeps the text, too.
    public var recordsSentText = true
    /// Whether a notice says that a reply is done while the app is not in front.
    public var noticeDone = true
    /// Whether that notice shows the reply.
    public var noticeText = false

    /// What an app begins with.
    public init() {}

    /// Reads what is there; what is missing or of another version keeps its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func read<Value: Decodable>(_ key: CodingKeys, into value: inout Value) {
            if let known = try? values.decodeIfPresent(Value.self, forKey: key) { value = known }
        }
        read(.mode, into: &mode)
        read(.goal, into: &goal)
        read(.goalValue, into: &goalValue)
        read(.thinking, into: &thinking)
        read(.usesTools, into: &usesTools)
        read(.asksBeforeTools, into: &asksBeforeTools)
        read(.agreedServers, into: &agreedServers)
        read(.whenOffline, into: &whenOffline)
        read(.temperature, into: &temperature)
        read(.maxTokens, into: &maxTokens)
        read(.systemPrompt, into: &systemPrompt)
        read(.endpoint, into: &endpoint)
        read(.fingerprint, into: &fingerprint)
        read(.hub, into: &hub)
        read(.allowsMeteredDownloads, into: &allowsMeteredDownloads)
        read(.model, into: &model)
        read(.usesGpu, into: &usesGpu)
        read(.tintsOrigins, into: &tintsOrigins)
        read(.recordsSentText, into: &recordsSentText)
        read(.noticeDone, into: &noticeDone)
        read(.noticeText, into: &noticeText)
    }

    /// The mode that is possible: without a server the device is alone.
    public var effectiveMode: Mode { endpoint.isEmpty ? .deviceOnly : mode }

    /// Whether replies ask a server.
    public var asksServer: Bool { effectiveMode != .deviceOnly }

    /// Where the server is and whom to trust.
    var remote: RemoteOptions {
        let digest = fingerprint.trimmed
        return RemoteOptions(
            endpoint: endpoint.trimmed, trust: digest.isEmpty ? .bundledRoots : .fingerprint(sha256: digest))
    }

    /// The server as agreements name it: its address, and its certificate where that alone is trusted. Another
    /// certificate at the same address is another server.
    var server: String {
        let digest = fingerprint.trimmed.lowercased()
        return digest.isEmpty ? endpoint.trimmed : endpoint.trimmed + "#" + digest
    }

    /// How a session is opened.
    func session(calibration: String?, consent: Consent) -> SessionOptions {
        SessionOptions(
            mode: effectiveMode.core, sampling: SamplingParams(temperature: temperature), calibrationPath: calibration,
            goal: coreGoal, offline: whenOffline.core, consent: consent, recordText: recordsSentText)
    }

    private var coreGoal: Uhlm.Goal {
        switch goal {
        case .riskAverse: .riskAverse
        case .riskProne: .riskProne
        case .shareSent: .shareSent(share: goalValue)
        case .risk: .risk(risk: goalValue)
        }
    }

    /// Whether a session that was opened with `other` still does what these say.
    func opensTheSame(as other: ChatSettings) -> Bool {
        var other = other
        other.tintsOrigins = tintsOrigins
        other.allowsMeteredDownloads = allowsMeteredDownloads
        other.hub = hub
        other.thinking = thinking
        other.usesTools = usesTools
        other.asksBeforeTools = asksBeforeTools
        other.agreedServers = agreedServers
        other.maxTokens = maxTokens
        (other.noticeDone, other.noticeText) = (noticeDone, noticeText)
        return self == other
    }
}

extension String {
    /// The address of a server that an agreement names.
    public var addressOfServer: String { String(prefix { $0 != "#" }) }

    /// Without the space around it.
    var trimmed: String { trimmingCharacters(in: .whitespacesAndNewlines) }
}

extension ChatSettings.Mode {
    /// Its name, for who reads or hears it.
    public var title: String { say("mode.\(code)") }

    /// What it means.
    public var meaning: String { say("mode.\(code).about") }

    private var code: String {
        switch self {
        case .opportunistic: "opportunistic"
        case .exact: "exact"
        case .deviceOnly: "device_only"
        case .remoteOnly: "remote_only"
        }
    }
}

extension ChatSettings.Goal {
    /// Its name, for who reads or hears it.
    public var title: String {
        switch self {
        case .riskAverse: say("goal.risk_averse")
        case .riskProne: say("goal.risk_prone")
        case .shareSent: say("goal.share_sent")
        case .risk: say("goal.risk")
        }
    }

    /// What a value of it means; nil where it has none.
    public func meaning(_ value: Double) -> String? {
        switch self {
        case .riskAverse, .riskProne: nil
        case .shareSent: say("goal.share_sent.says", value.percent)
        case .risk: say("goal.risk.says", value.percent)
        }
    }
}

extension ChatSettings.WhenOffline {
    /// Its name, for who reads or hears it.
    public var title: String {
        switch self {
        case .goOn: say("offline.go_on")
        case .wait: say("offline.wait")
        case .fail: say("offline.fail")
        }
    }
}

extension ChatSettings.Thinking {
    /// Its name, for who reads or hears it.
    public var title: String { say("thinking.\(rawValue)") }
}
