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
        public static var guidedGeneration: Capability { Capability(name: "guidedGeneration") }
        public static var reasoning: Capability { Capability(name: "reasoning") }
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
    public var enabledToolDefinitions: [Transcript.ToolDefinition]
    public var schema: GenerationSchema?
    public var generationOptions: GenerationOptions
    public var contextOptions: ContextOptions

    /// Shorter than the framework's, which also takes metadata.
    public init(
        id: UUID, transcript: Transcript, enabledTools: [Transcript.ToolDefinition], schema: GenerationSchema? = nil,
        generationOptions: GenerationOptions, contextOptions: ContextOptions
    ) {
        self.id = id
        self.transcript = transcript
        self.enabledToolDefinitions = enabledTools
        self.schema = schema
        self.generationOptions = generationOptions
        self.contextOptions = contextOptions
    }
}

/// Without the framework's level of reasoning.
public struct ContextOptions: Sendable, Equatable {
    public var includeSchemaInPrompt: Bool?
    public init(includeSchemaInPrompt: Bool? = nil) { self.includeSchemaInPrompt = includeSchemaInPrompt }
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

    public struct ToolCallingMode: Sendable, Equatable {
        public enum Kind: Sendable, Equatable {
            case allowed
            case disallowed
            case required
        }

        public let kind: Kind
        public static let allowed = ToolCallingMode(kind: .allowed)
        public static let disallowed = ToolCallingMode(kind: .disallowed)
        public static let required = ToolCallingMode(kind: .required)
    }

    public var samplingMode: SamplingMode?
    public var temperature: Double?
    public var maximumResponseTokens: Int?
    public var toolCallingMode: ToolCallingMode?

    public init(
        samplingMode: SamplingMode? = nil, temperature: Double? = nil, maximumResponseTokens: Int? = nil,
        toolCallingMode: ToolCallingMode? = nil
    ) {
        self.samplingMode = samplingMode
        self.temperature = temperature
        self.maximumResponseTokens = maximumResponseTokens
        self.toolCallingMode = toolCallingMode
    }
}
