import Foundation

public protocol LanguageModel: Sendable {
    associatedtype Executor: LanguageModelExecutor where Self == Self.Executor.Model
    var capabilities: LanguageModelCapabilities { get }
    var executorConfiguration: Self.Executor.Configuration { get }
}

public struct LanguageModelCapabilities: Sendable {
    public struct Capability: Sendable, Hashable {
        private let name: String
        public static var vision: Capability { Capability(name: "vision") }
        public static var toolCalling: Capability { Capability(name: "toolCalling") }
    }

    private let capabilities: [Capability]
    public init(_ capabilities: [Capability]) { self.capabilities = capabilities }
    public func contains(_ capability: Capability) -> Bool { capabilities.contains(capability) }
}

public protocol LanguageModelExecutor: Sendable {
    associatedtype Configuration: Hashable, Sendable
    associatedtype Model: LanguageModel
    func prewarm(model: Self.Model, transcript: Transcript)
    init(configuration: Self.Configuration) throws
    // `nonisolated(nonsending)` in the framework; a plain method fits both.
    func respond(
        to request: LanguageModelExecutorGenerationRequest, model: Self.Model,
        streamingInto channel: LanguageModelExecutorGenerationChannel) async throws
}

extension LanguageModelExecutor {
    public func prewarm(model: Self.Model, transcript: Transcript) {}
}

public struct LanguageModelExecutorGenerationRequest: Sendable {
    public var id: UUID
    public var transcript: Transcript
    public var generationOptions: GenerationOptions

    /// Shorter than the framework's, which also takes tools, a schema, context options and metadata.
    public init(id: UUID, transcript: Transcript, generationOptions: GenerationOptions) {
        self.id = id
        self.transcript = transcript
        self.generationOptions = generationOptions
    }
}

public struct GenerationOptions: Sendable, Equatable {
    public struct SamplingMode: Sendable, Equatable {
        public enum Kind: Sendable, Equatable {
            case greedy
            case randomTopK(_: Int, seed: UInt64?)
            case randomProbabilityThreshold(_: Double, seed: UInt64?)
        }

        public let kind: Kind
        public static var greedy: SamplingMode { SamplingMode(kind: .greedy) }
        public static func random(top k: Int, seed: UInt64? = nil) -> SamplingMode {
            SamplingMode(kind: .randomTopK(k, seed: seed))
        }
        public static func random(probabilityThreshold: Double, seed: UInt64? = nil) -> SamplingMode {
            SamplingMode(kind: .randomProbabilityThreshold(probabilityThreshold, seed: seed))
        }
    }

    public var samplingMode: SamplingMode?
    public var temperature: Double?
    public var maximumResponseTokens: Int?

    public init(samplingMode: SamplingMode? = nil, temperature: Double? = nil, maximumResponseTokens: Int? = nil) {
        self.samplingMode = samplingMode
        self.temperature = temperature
        self.maximumResponseTokens = maximumResponseTokens
    }
}

public enum LanguageModelError: Error {
    case contextSizeExceeded(ContextSizeExceeded)
    case unsupportedTranscriptContent(UnsupportedTranscriptContent)

    public struct ContextSizeExceeded: Sendable {
        public var contextSize: Int
        public var tokenCount: Int
        public var debugDescription: String

        public init(
            contextSize: Int, tokenCount: Int, debugDescription: String, metadata: [String: any Sendable] = [:]
        ) {
            self.contextSize = contextSize
            self.tokenCount = tokenCount
            self.debugDescription = debugDescription
        }
    }

    public struct UnsupportedTranscriptContent: Sendable {
        public var unsupportedContent: [Transcript.Entry]
        public var debugDescription: String

        public init(
            unsupportedContent: [Transcript.Entry], debugDescription: String, metadata: [String: any Sendable] = [:]
        ) {
            self.unsupportedContent = unsupportedContent
            self.debugDescription = debugDescription
        }
    }
}
