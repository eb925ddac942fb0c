extension UhlmVerifier {
    /// Makes the client of a verifier that wants bearer tokens; connects with the first call.
    ///
    /// `token` is asked when the first request needs one; its token is used until the verifier refuses it (401), and then
    /// it is asked once more. Requests that wait share one question.
    ///
    /// - Parameters:
    ///   - options: Where the verifier is and whom to trust.
    ///   - token: Gives a token; its argument is true where the verifier refused the one given last. It may throw
    ///     ``TokenError/Denied(reason:)`` where there is none, which ends a generation with ``UhlmError`` `Unauthorized`.
    ///     Any other error means that none is to be had now, which is as if the verifier could not be reached.
    /// - Throws: ``UhlmError`` `InvalidOptions`.
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
