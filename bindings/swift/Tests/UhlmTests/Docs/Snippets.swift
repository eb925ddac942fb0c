// The snippets of docs/swift.md, word for word; `SnippetTests` compares the two, and runs what can be run.
// A change here is a change there.

import Foundation
import Uhlm

#if os(iOS)
import UIKit
#endif

/// An app's own; not part of a snippet.
struct Account: Sendable {
    let tokens: @Sendable (Bool) async throws -> String?
    func token(renew: Bool) async throws -> String? { try await tokens(renew) }
}

func chat(model: URL, server: String, fingerprint: String) async throws {
    let engine = try await UhlmEngine.load(contentsOf: model)
    let verifier = try UhlmVerifier(
        options: RemoteOptions(endpoint: server, trust: .fingerprint(sha256: fingerprint)))
    let session = try await engine.openSession(
        verifier: verifier, options: SessionOptions(consent: .conversation))

    for try await text in session.generateText("What is seven times eight?") {
        print(text, terminator: "")
    }
}

func show(_ session: UhlmSession, _ message: String) async throws {
    var committed = ""
    var provisional = ""
    var thought = ""
    for try await event in session.generate(message) {
        switch event {
        case .provisional(let token):
            provisional += token.text
        case .committed(let token, let origin):
            committed += token.text
            let said = min(token.text.unicodeScalars.count, provisional.unicodeScalars.count)
            provisional.unicodeScalars.removeFirst(said)
            if origin == .unverified { print("(not judged)") }
        case .reasoning(let token, _):
            thought += token.text
        case .rollback:
            provisional = ""
        case .toolCall(let call):
            print("calls \(call.name)(\(call.arguments))")
        case .toolResult(let result):
            print("\(result.name) says \(result.content)")
        case .malformedToolCall(_, let reason):
            print("no call: \(reason)")
        case .state(let link, _):
            print("the link is \(link)")
        case .finished(let finish, let text, _, let statistics):
            print(text, finish, statistics.tokensPerSecond)
        }
        print(thought, committed, provisional)
    }
}

func answer(_ session: UhlmSession, _ message: String) async throws -> String {
    let reply = try await session.respond(to: message, options: GenerationOptions(maxTokens: 200, stop: ["\n\n"]))
    return reply.text
}

func umbrella(
    _ session: UhlmSession, _ weather: @escaping @Sendable (String) async throws -> String
) async throws -> String {
    let schema = #"{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}"#
    let box = Toolbox([
        Tool(name: "get_weather", description: "Tells the weather in a city.", parameters: schema, run: weather)
    ])
    session.setToolRunner(runner: box)
    let options = GenerationOptions(tools: box.tools)
    let reply = try await session.respond(to: "Do I need an umbrella in Paris?", options: options)
    return "\(reply.toolCalls.map(\.name)): \(reply.text)"
}

func twice(_ session: UhlmSession, _ message: String) async throws -> (String, String) {
    let options = GenerationOptions(seed: 42)
    let reply = try await session.respond(to: message, options: options)
    try session.reset()
    let again = try await session.respond(to: message, options: options)
    return (reply.text, again.text)
}

@MainActor
final class Chat {
    var text = ""
    private var task: Task<Void, Never>?

    func send(_ message: String, to session: UhlmSession) {
        let earlier = task
        earlier?.cancel()
        task = Task {
            // What the earlier reply still wrote is none of this one.
            await earlier?.value
            text = ""
            do {
                for try await piece in session.generateText(message) { text += piece }
            } catch {
                text = error.localizedDescription
            }
        }
    }

    func stop() { task?.cancel() }
}

func explain(_ error: UhlmError) -> String {
    switch error.kind {
    case .unauthorized: "Please sign in again."
    case .offline where error.isRetryable: "You are offline."
    case .promptTooLong(let tokens, _, let capacity): "\(tokens) tokens, and there is room for \(capacity)."
    default: [error.errorDescription, error.recoverySuggestion].compactMap(\.self).joined(separator: " ")
    }
}

func download(_ address: String, sha256: String, into folder: URL, trust: TrustPolicy) async throws -> StoredModel? {
    let store = try UhlmModelStore(options: StoreOptions(folder: folder.path, trust: trust))
    let download = try store.download(request: DownloadRequest(sources: [address], sha256: sha256))
    while let event = try await download.next() {
        switch event {
        case .progress(_, let received, let total, _, _): print(received, "of", total ?? 0, "bytes")
        case .finished(let model): return model
        }
    }
    return nil
}

func download(_ request: DownloadRequest, with downloads: UhlmBackgroundDownloads) async throws {
    let name = try await downloads.begin(request)
    for await list in downloads.updates {
        guard let download = list.first(where: { $0.name == name }) else { return }
        switch download.state {
        case .loading, .waiting, .checking: print(download.received, "of", download.total ?? 0, "bytes")
        case .stopped: return
        case .failed(let error): throw error
        case .finished: return await downloads.forget(name)
        }
    }
}

#if os(iOS)
final class Delegate: NSObject, UIApplicationDelegate {
    private var downloads: UhlmBackgroundDownloads?

    func application(
        _ application: UIApplication,
        didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]? = nil
    ) -> Bool {
        let folder = FileManager.default.urls(for: .applicationSupportDirectory, in: .userDomainMask)[0]
        let options = StoreOptions(folder: folder.appendingPathComponent("models").path)
        downloads = (try? UhlmModelStore(options: options)).map { store in
            UhlmBackgroundDownloads(
                store: store, identifier: "org.example.models", folder: folder.appendingPathComponent("downloads"))
        }
        return true
    }

    func application(
        _ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
        completionHandler: @escaping () -> Void
    ) {
        if downloads?.handleEvents(of: identifier, completion: completionHandler) != true { completionHandler() }
    }
}
#endif

func begin(in folder: URL, _ verifier: UhlmVerifier) async throws -> UhlmSession {
    let store = try UhlmModelStore(options: StoreOptions(folder: folder.path))
    let kit = try UhlmKit(pair: "qwen2.5-coder-0.5b-1.5b", store: store)
    let download = kit.download()
    while let event = try await download.next() { print(event) }
    return try await kit.openSession(verifier: verifier, options: SessionOptions(consent: .conversation))
}

@MainActor
func follow(_ session: UhlmSession, _ source: any DeviceSource) -> UhlmDevice {
    let device = UhlmDevice(source: source)
    device.start()
    device.follow(session)
    return device
}

func careful(_ engine: UhlmEngine, _ verifier: UhlmVerifier) async throws -> UhlmSession {
    try await engine.openSession(
        verifier: verifier,
        options: SessionOptions(
            mode: .exact, sampling: SamplingParams(temperature: 0.7, topP: 0.95), offline: .wait(seconds: 10),
            consent: .conversation))
}

func signedIn(to server: String, _ account: Account) throws -> UhlmVerifier {
    try UhlmVerifier(options: RemoteOptions(endpoint: server)) { refresh in
        guard let token = try await account.token(renew: refresh) else {
            throw TokenError.Denied(reason: "signed out")
        }
        return token
    }
}

func watch(_ session: UhlmSession) async {
    for await status in session.statuses {
        print(status.generating ? "writing" : "idle", status.link)
    }
}

func logToConsole() {
    installLogSink(level: .info) { line in print(line.level, line.target, line.text) }
}
