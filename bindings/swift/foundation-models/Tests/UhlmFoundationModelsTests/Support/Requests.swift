import Foundation
import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

func text(_ text: String) -> [Transcript.Segment] { [.text(.init(content: text))] }

func prompt(_ words: String) -> Transcript.Entry { .prompt(.init(segments: text(words))) }

func response(_ words: String) -> Transcript.Entry { .response(.init(segments: text(words))) }

func schema(_ json: String) throws -> GenerationSchema {
    try JSONDecoder().decode(GenerationSchema.self, from: Data(json.utf8))
}

func request(
    _ entries: [Transcript.Entry], tools: [Transcript.ToolDefinition] = [], schema: GenerationSchema? = nil,
    options: FoundationModels.GenerationOptions = .init(), context: ContextOptions = .init()
) -> LanguageModelExecutorGenerationRequest {
    LanguageModelExecutorGenerationRequest(
        id: UUID(), transcript: Transcript(entries: entries), enabledTools: tools, schema: schema,
        generationOptions: options, contextOptions: context)
}

func model(_ session: FakeSession, sampling: SamplingParams = .init()) -> UhlmLanguageModel {
    UhlmLanguageModel(sampling: sampling) { sampling in
        session.opened(with: sampling)
        return session
    }
}

@discardableResult
func respond(
    _ model: UhlmLanguageModel, to request: LanguageModelExecutorGenerationRequest
) async throws -> [LanguageModelExecutorGenerationChannel.Event] {
    let channel = LanguageModelExecutorGenerationChannel()
    let executor = try UhlmLanguageModelExecutor(configuration: model.executorConfiguration)
    try await executor.respond(to: request, model: model, streamingInto: channel)
    return await channel.events
}

/// The error that a request ends with.
func failure(
    _ model: UhlmLanguageModel, to request: LanguageModelExecutorGenerationRequest, file: StaticString = #filePath,
    line: UInt = #line
) async -> (any Error)? {
    do {
        try await respond(model, to: request)
        XCTFail("nothing was thrown", file: file, line: line)
        return nil
    } catch {
        return error
    }
}
