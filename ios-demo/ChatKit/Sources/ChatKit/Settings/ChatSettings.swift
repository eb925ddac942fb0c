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

    /// How text is generated.
    public var mode = Mode.exact
    /// The share of drafted tokens that the gate sends to be judged, in [0, 1]; nil leaves it to the pair's
    /// calibration.
    public var shareSent: Double?
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
    /// Whether text is tinted by who wrote it.
    public var tintsOrigins = true
    /// Whether the record of what was sent keeps the text, too.
    public var recordsSentText = true

    /// What an app begins with.
    public init() {}

    /// Reads what is there; what is missing or of another version keeps its default.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func read<Value: Decodable>(_ key: CodingKeys, into value: inout Value) {
            if let known = try? values.decodeIfPresent(Value.self, forKey: key) { value = known }
        }
        read(.mode, into: &mode)
        shareSent = (try? values.decodeIfPresent(Double.self, forKey: .shareSent)) ?? nil
        read(.whenOffline, into: &whenOffline)
        read(.temperature, into: &temperature)
        read(.maxTokens, into: &maxTokens)
        read(.systemPrompt, into: &systemPrompt)
        read(.endpoint, into: &endpoint)
        read(.fingerprint, into: &fingerprint)
        read(.hub, into: &hub)
        read(.allowsMeteredDownloads, into: &allowsMeteredDownloads)
        read(.model, into: &model)
        read(.tintsOrigins, into: &tintsOrigins)
        read(.recordsSentText, into: &recordsSentText)
    }

    /// The mode that is possible: without a server the device is alone.
    public var effectiveMode: Mode { endpoint.isEmpty ? .deviceOnly : mode }

    /// Whether replies ask a server.
    public var asksServer: Bool { effectiveMode != .deviceOnly }

    /// Where the server is and whom to trust.
    var remote: RemoteOptions {
        RemoteOptions(
            endpoint: endpoint, trust: fingerprint.isEmpty ? .bundledRoots : .fingerprint(sha256: fingerprint))
    }

    /// How a session is opened.
    func session(calibration: String?, context: UInt32, consent: Consent) -> SessionOptions {
        SessionOptions(
            mode: effectiveMode.core, sampling: SamplingParams(temperature: temperature), calibrationPath: calibration,
            goal: shareSent.map { .shareSent(share: $0) }, offline: whenOffline.core, context: context,
            consent: consent,
            recordText: recordsSentText)
    }

    /// Whether a session that was opened with `other` still does what these say.
    func opensTheSame(as other: ChatSettings) -> Bool {
        var other = other
        other.tintsOrigins = tintsOrigins
        other.allowsMeteredDownloads = allowsMeteredDownloads
        other.hub = hub
        other.maxTokens = maxTokens
        return self == other
    }
}
