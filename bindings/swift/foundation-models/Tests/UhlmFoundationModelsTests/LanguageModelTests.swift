import Foundation
import FoundationModels
import Uhlm
import XCTest

@testable import UhlmFoundationModelsCheck

final class LanguageModelTests: XCTestCase {
    func test_a_transcript_becomes_the_conversation_and_its_last_prompt_the_message() async throws {
        let session = FakeSession([finished(.endOfReply)])
        _ = try await respond(
            model(session),
            to: request([
                .instructions(.init(segments: text("Be short."))), prompt("One?"), response("Two."), prompt("Three?"),
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
        _ = try await respond(model, to: request([prompt("Hi")]))
        XCTAssertEqual(session.samplings.count, 1, "no second session was opened")
    }

    func test_committed_text_is_streamed_and_every_token_counted_once() async throws {
        let session = FakeSession([
            provisional("x"), committed("He"), .rollback(tokens: 1), committed(""), committed("y"),
            finished(.endOfReply),
        ])
        let events = try await respond(model(session), to: request([prompt("Hi")]))
        XCTAssertEqual(events.compactMap(\.response?.text), ["He", "y"])
        XCTAssertEqual(events.compactMap(\.response?.tokenCount), [1, 2])
        let usage = try XCTUnwrap(events.last?.response?.usage)
        XCTAssertEqual(usage.input, .init(totalTokenCount: 5, cachedTokenCount: 2))
        XCTAssertEqual(usage.output, .init(totalTokenCount: 3, reasoningTokenCount: 0))
    }

    func test_the_request_s_sampling_goes_before_the_model_s() async throws {
        let base = SamplingParams(temperature: 0.7, topK: 40)
        let hi = [prompt("Hi")]
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
            _ = try await respond(model(session, sampling: base), to: request(hi, options: options))
            XCTAssertEqual(session.samplings, [expected])
        }
    }

    func test_the_most_tokens_are_passed_on_and_a_session_is_used_again() async throws {
        let session = FakeSession([finished(.maxTokens)])
        let model = model(session)
        let options = FoundationModels.GenerationOptions(maximumResponseTokens: 9)
        for _ in 0..<3 {
            _ = try await respond(model, to: request([prompt("Hi")], options: options))
        }
        XCTAssertEqual(session.options.map(\.maxTokens), [9, 9, 9])
        XCTAssertEqual(session.samplings.count, 1)
    }

    func test_what_stops_a_reply_is_the_framework_s_error_where_it_has_one() async throws {
        func stopped(_ kind: ErrorKind) async -> (any Error)? {
            let error = UhlmError.Failed(kind: kind, reason: "why", retryable: false, recovery: .none)
            return await failure(model(FakeSession([], error: error)), to: request([prompt("Hi")]))
        }
        guard
            case LanguageModelError.contextSizeExceeded(let context)? = await stopped(
                .promptTooLong(tokens: 900, reply: 16, capacity: 512))
        else { return XCTFail("another error") }
        XCTAssertEqual([context.contextSize, context.tokenCount], [512, 900])
        guard case LanguageModelError.rateLimited(let limit)? = await stopped(.serverBusy) else {
            return XCTFail("another error")
        }
        XCTAssertEqual(limit.debugDescription, "why")
        let ours = await stopped(.unauthorized)
        XCTAssertEqual((ours as? UhlmError)?.kind, .unauthorized)
    }

    func test_what_no_message_can_be_made_of_is_refused() async throws {
        let refused: [[Transcript.Entry]] = [
            [], [response("Hi")], [prompt("Hi"), .reasoning(.init(segments: text("Hm")))],
            [.prompt(.init(segments: [.attachment(.init())]))],
        ]
        for entries in refused {
            let error = await failure(model(FakeSession([finished(.endOfReply)])), to: request(entries))
            guard case LanguageModelError.unsupportedTranscriptContent? = error else {
                return XCTFail("\(String(describing: error))")
            }
        }
    }

    func test_a_cancelled_reply_is_a_cancellation() async throws {
        let session = FakeSession([committed("a"), finished(.cancelled)])
        let error = await failure(model(session), to: request([prompt("Hi")]))
        XCTAssertTrue(error is CancellationError, "\(String(describing: error))")
    }

    func test_models_are_equal_where_they_share_their_sessions() {
        let (one, other) = (model(FakeSession([])), model(FakeSession([])))
        XCTAssertEqual(one.executorConfiguration, one.executorConfiguration)
        XCTAssertNotEqual(one.executorConfiguration, other.executorConfiguration)
        XCTAssertTrue(one.capabilities.contains(.guidedGeneration) && one.capabilities.contains(.toolCalling))
        XCTAssertFalse(one.capabilities.contains(.vision) || one.capabilities.contains(.reasoning))
    }
}
