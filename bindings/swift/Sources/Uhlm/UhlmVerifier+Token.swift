extension UhlmVerifier {
    /// Makes the client of a verifier that wants bearer tokens. It connects with the first call.
    ///
    /// `token` is asked when the first request needs a token. That token is used until the verifier refuses it (401),
    /// and then `token` is asked once more. Requests that wait share one question.
    ///
    /// - Parameters:
    ///   - options: The verifier's address, and whom to trust.
    ///   - token: Gives a token. Its argument is true if the verifier refused the token that it gave last. It throws
    ///     ``TokenError/Denied(reason:)`` if there is no token, which ends a generation with
    ///     ``ErrorKind/unauthorized``. Any other error means that there is none now, which is as if the verifier could
    ///     not be reached.
    /// - Throws: ``UhlmError`` of the kind ``ErrorKind/invalidOptions``.
    public convenience init(
        options: RemoteOptions, token: @escaping @Sendable (_ refresh: Bool) async throws -> String
    ) throws {
        try self.init(options: options, tokens: ClosureTokenProvider(token))
    }
}

/// Asks a closure, and says of an unknown error only what type it is: its text might hold a secret.
final class ClosureTokenProvider: TokenProvider {
    private let give: @Sendable (Bool) async throws -> String

    init(_ give: @escaping @Sendable (Bool) async throws -> String) {
        self.give = give
    }

    func token(refresh: Bool) async throws -> String {
        do {
            return try await give(refresh)
        } catch let error as TokenError {
            throw error
        } catch {
            throw TokenError.Unavailable(reason: "the app's token provider threw \(type(of: error))")
        }
    }
}
