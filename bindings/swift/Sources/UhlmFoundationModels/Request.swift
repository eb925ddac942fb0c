#if canImport(FoundationModels) && (compiler(>=6.4) || FOUNDATION_MODELS_STAND_IN)

import FoundationModels
import Uhlm

@available(iOS 27.0, macOS 27.0, *)
extension SamplingParams {
    /// Returns these parameters with those of a request in their place. The seed of a request is not heeded: a session
    /// has one for its life.
    func with(_ options: FoundationModels.GenerationOptions) -> SamplingParams {
        var sampling = self
        if let temperature = options.temperature { sampling.temperature = Float(temperature) }
        switch options.samplingMode?.kind {
        case .greedy: sampling.temperature = 0
        case .randomTopK(let k, _): sampling.topK = UInt32(clamping: k)
        case .randomProbabilityThreshold(let threshold, _): sampling.topP = Float(threshold)
        default: break
        }
        return sampling
    }
}

@available(iOS 27.0, macOS 27.0, *)
extension Uhlm.GenerationOptions {
    /// Makes the options of the reply to a request.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - schema: The JSON schema that the reply must keep to. Such a reply calls no tool, because the form leaves no
    ///     place for a call, and a model that may call tools need not. A call that is required goes before the schema,
    ///     which a reply after it can have.
    /// - Throws: `EncodingError` or `DecodingError` if a tool's own schema cannot be encoded.
    init(_ request: LanguageModelExecutorGenerationRequest, schema: String?) throws {
        self.init(maxTokens: request.generationOptions.maximumResponseTokens.map { UInt32(clamping: $0) })
        let mode = request.generationOptions.toolCallingMode?.kind
        if mode == .required { tools.choice = .required } else { grammar = schema.map { .jsonSchema(schema: $0) } }
        if grammar != nil || mode == .disallowed { return }
        tools.definitions = try request.enabledToolDefinitions.map { tool in
            Uhlm.ToolDefinition(
                name: tool.name, description: tool.description, parameters: try tool.parameters.jsonText())
        }
    }
}

@available(iOS 27.0, macOS 27.0, *)
extension LanguageModelError {
    /// Makes the framework's error of one of ours; nil where it has none.
    ///
    /// - Parameters:
    ///   - error: Our error.
    ///   - hasForm: Whether the reply was to keep to a schema.
    init?(_ error: UhlmError, hasForm: Bool) {
        switch error.kind {
        case .promptTooLong(let tokens, _, let capacity):
            self = .contextSizeExceeded(
                .init(contextSize: Int(capacity), tokenCount: Int(tokens), debugDescription: error.reason))
        case .invalidOptions where hasForm:
            self = .unsupportedGenerationGuide(.init(schemaName: nil, debugDescription: error.reason))
        case .serverBusy:
            self = .rateLimited(.init(resetDate: nil, debugDescription: error.reason))
        default:
            return nil
        }
    }
}

#endif
