import Foundation
import Uhlm

/// What conversations need to have replies written.
extension AppModel {
    /// Every conversation may be sent to a server from now on.
    public func agree(to server: String) {
        preferences.settings.agreedServers.insert(server)
    }

    /// A session on the chosen model, with the chosen server.
    public func openSession(consent: Consent) async throws -> any UhlmSessionProtocol {
        let settings = settings
        let engine = try await engine(settings)
        return try await engine.openSession(
            verifier: settings.asksServer ? verifier(settings.remote) : nil,
            options: settings.session(calibration: calibrations.file(of: settings.model)?.path, consent: consent))
    }

    /// The chosen model, loaded where it is not.
    func engine(_ settings: ChatSettings) async throws -> UhlmEngine {
        guard let path = models.file(of: settings.model) else {
            throw Problem(say("problem.no_model"), .provideModel)
        }
        return try await loader.model(path, usesGpu: settings.usesGpu)
    }

    /// Takes the settings' key or hub into use; to be called when the person changed one.
    public func keysChanged() {
        verifier = nil
        chats.forEach { $0.closeSession() }
        models.reconfigure()
    }

    /// A reply begins.
    public func replyBegan(_ id: UUID) {
        replies.began(id, settings: settings)
    }

    /// A reply goes on.
    public func replyMoved(tokens: Int) {
        replies.moved(tokens, of: Int(settings.maxTokens))
    }

    /// A reply has ended, and is kept.
    public func replyEnded(_ conversation: Conversation) {
        replies.ended(conversation, settings: settings)
        if !replies.isInFront { letGoIfIdle() }
    }

    /// The client of a server, where one was made.
    func knownVerifier(_ remote: RemoteOptions) -> UhlmVerifier? {
        guard let verifier, verifier.settings == remote else { return nil }
        return verifier.client
    }

    /// Sessions that share a client share its connection.
    private func verifier(_ remote: RemoteOptions) throws -> UhlmVerifier {
        if let known = knownVerifier(remote) { return known }
        let client: UhlmVerifier
        if let key = preferences.secret(.endpointKey) {
            client = try UhlmVerifier(options: remote) { isRefused in
                if isRefused { throw TokenError.Denied(reason: "the server refused the key") }
                return key
            }
        } else {
            client = try UhlmVerifier(options: remote)
        }
        verifier = (remote, client)
        return client
    }
}
