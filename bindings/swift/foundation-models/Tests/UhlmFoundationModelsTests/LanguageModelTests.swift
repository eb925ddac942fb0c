import Foundation
import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

final class LanguageModelTests: XCTestCase {
    private let text = { (text: String) in [Transcript.Segment.text(.init(content: text))] }

    private func request(
        _ entries: [Transcript.Entry], options: FoundationModels.GenerationOptions = .init()
    ) -> LanguageModelExecutorGenerationRequest {
        LanguageModelExecutorGenerationRequest(
            id: UUID(), transcript: Transcript(entries: entries), generationOptions: options)
    }

    private func model(_ session: FakeSession, sampling: SamplingParams = .init()) -> UhlmLanguageModel {
        UhlmLanguageModel(sampling: sampling) { sampling in
            session.opened(with: sampling)
            return session
        }
    }

    private func respond(
        _ model: UhlmLanguageModel, to request: LanguageModelExecutorGenerationRequest
    ) async throws -> [LanguageModelExecutorGenerationChannel.Event] {
        let channel = LanguageModelExecutorGenerationChannel()
        let executor = try UhlmLanguageModelExecutor(configuration: model.executorConfiguration)
        try await executor.respond(to: request, model: model, streamingInto: channel)
        return await channel.events
    }

    func test_a_transcript_becomes_the_conversation_and_its_last_prompt_the_message() async throws {
        let session = FakeSession([finished(.endOfReply)])
        _ = try await respond(
            model(session),
            to: request([
                .instructions(.init(segments: text("Be short."))), .prompt(.init(segments: text("One?"))),
                .response(.init(segments: text("Two."))), .prompt(.init(segments: text("Three?"))),
            ]))
        XCTAssertEqual(
            session.history,
            [
                Message(role: .system, content: "Be short."), Message(role: .user, content: "One?"),
                Message(role: .assistant, content: "Two."),
            ])
        XCTAssertEqual(session.prompts, [.chat(text: "Three?")])
    }

    func test_prewarming_reads_the_transcript_ahead_of_the_prompt() async throws {
        let session = FakeSession([finished(.endOfReply)])
        let model = model(session)
        let executor = try UhlmLanguageModelExecutor(configuration: model.executorConfiguration)
        let transcript = Transcript(entries: [.instructions(.init(segments: text("Be short.")))])
        executor.prewarm(model: model, transcript: transcript)
        let deadline = Date().addingTimeInterval(30)
        while session.warmed.isEmpty && Date() < deadline { try await Task.sleep(nanoseconds: 5_000_000) }
        XCTAssertEqual(session.warmed, [[Message(role: .system, content: "Be short.")]])
        XCTAssertEqual(session.prompts, [])
    }

    func test_a_session_that_reads_ahead_answers_meanwhile() async throws {
        let session = FakeSession([finished(.endOfReply)])
        session.warming = 60_000_000_000
        let model = model(session)
        let executor = try UhlmLanguageModelExecutor(configuration: model.executorConfiguration)
        executor.prewarm(
            model: model, transcript: Transcript(entries: [.instructions(.init(segments: text("Be short.")))]))
        let deadline = Date().addingTimeInterval(30)
        while session.warmed.isEmpty && Date() < deadline { try await Task.sleep(nanoseconds: 5_000_000) }
        _ = try await respond(model, to: request([.prompt(.init(segments: text("Hi")))]))
        XCTAssertEqual(session.samplings.count, 1, "no second session was opened")
    }

    func test_committed_text_is_streamed_and_every_token_counted_once() async throws {
        let session = FakeSession([
            provisional("x"), committed("He"), .rollback(tokens: 1), committed(""), committed("y"),
            finished(.endOfReply),
        ])
        let events = try await respond(model(session), to: request([.prompt(.init(segments: text("Hi")))]))
        XCTAssertEqual(events.compactMap(\.action.text), ["He", "y"])
        XCTAssertEqual(events.compactMap(\.action.tokenCount), [1, 2])
        let usage = try XCTUnwrap(events.last?.action.usage)
        XCTAssertEqual(usage.input, .init(totalTokenCount: 5, cachedTokenCount: 2))
        XCTAssertEqual(usage.output, .init(totalTokenCount: 3, reasoningTokenCount: 0))
    }

    func test_the_request_s_sampling_goes_before_the_model_s() async throws {
        let base = SamplingParams(temperature: 0.7, topK: 40)
        let prompt = [Transcript.Entry.prompt(.init(segments: text("Hi")))]
        let cases: [(FoundationModels.GenerationOptions, SamplingParams)] = [
            (.init(), base), (.init(temperature: 0.2), SamplingParams(temperature: 0.2, topK: 40)),
            (.init(samplingMode: .greedy), SamplingParams(temperature: 0, topK: 40)),
            (.init(samplingMode: .random(top: 5)), SamplingParams(temperature: 0.7, topK: 5)),
            (
                .init(samplingMode: .random(probabilityThreshold: 0.5)),
                SamplingParams(temperature: 0.7, topK: 40, topP: 0.5)
            ),
        ]
        for (options, expected) in cases {
            let session = FakeSession([finished(.endOfReply)])
            _ = try await respond(model(session, sampling: base), to: request(prompt, options: options))
            XCTAssertEqual(session.samplings, [expected])
        }
    }

    func test_the_most_tokens_are_passed_on_and_a_session_is_used_again() async throws {
        let session = FakeSession([finished(.maxTokens)])
        let model = model(session)
        let options = FoundationModels.GenerationOptions(maximumResponseTokens: 9)
        for _ in 0..<3 {
            _ = try await respond(model, to: request([.prompt(.init(segments: text("Hi")))], options: options))
        }
        XCTAssertEqual(session.mostTokens, [9, 9, 9])
        XCTAssertEqual(session.samplings.count, 1)
    }

    func test_a_transcript_that_is_too_long_is_the_framework_s_error() async throws {
        let session = FakeSession(
            [],
            error: .Failed(
                kind: .promptTooLong(tokens: 900, reply: 16, capacity: 512), reason: "too long", retryable: false,
                recovery: .shortenPrompt))
        do {
            _ = try await respond(model(session), to: request([.prompt(.init(segments: text("Hi")))]))
            XCTFail("nothing was thrown")
        } catch LanguageModelError.contextSizeExceeded(let context) {
            XCTAssertEqual([context.contextSize, context.tokenCount], [512, 900])
        }
    }

    func test_what_is_not_text_is_refused() async throws {
        let prompt = Transcript.Entry.prompt(.init(segments: text("Hi")))
        let refused: [[Transcript.Entry]] = [
            [], [.response(.init(segments: text("Hi")))], [prompt, .toolCalls(.init())],
            [.prompt(.init(segments: [.structure(.init())]))],
        ]
        for entries in refused {
            do {
                _ = try await respond(model(FakeSession([finished(.endOfReply)])), to: request(entries))
                XCTFail("nothing was thrown")
            } catch LanguageModelError.unsupportedTranscriptContent {}
        }
    }

    func test_a_cancelled_reply_is_a_cancellation() async throws {
        do {
            let session = FakeSession([committed("a"), finished(.cancelled)])
            _ = try await respond(model(session), to: request([.prompt(.init(segments: text("Hi")))]))
            XCTFail("nothing was thrown")
        } catch is CancellationError {}
    }

    func test_models_are_equal_where_they_share_their_sessions() {
        let (one, other) = (model(FakeSession([])), model(FakeSession([])))
        XCTAssertEqual(one.executorConfiguration, one.executorConfiguration)
        XCTAssertNotEqual(one.executorConfiguration, other.executorConfiguration)
        XCTAssertFalse(one.capabilities.contains(.vision) || one.capabilities.contains(.toolCalling))
    }
}
