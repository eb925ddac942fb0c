package dev.uhlm

import kotlinx.coroutines.CancellationException

/**
 * Makes a [TokenProvider] from a suspending function.
 *
 * The function runs on `Dispatchers.Default`, and is cancelled when no request waits for it any more. If it throws
 * [TokenException.Denied], the generation fails with [ErrorKind.Unauthorized]. Everything else that it throws counts as
 * [TokenException.Unavailable]: the verifier is then out of reach, and the session's [OfflinePolicy] decides.
 *
 * @param token gives a token. Its argument is true if the verifier refused the token that it gave last.
 */
public fun TokenProvider(token: suspend (refresh: Boolean) -> String): TokenProvider = object : TokenProvider {
    override suspend fun token(refresh: Boolean): String = try {
        token(refresh)
    } catch (asked: TokenException) {
        throw asked
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (thrown: Throwable) {
        // Its message is not repeated: it may hold a credential, and reasons are logged. Errors are caught, too: one
        // that leaves the coroutine would end the app.
        throw TokenException.Unavailable("the token provider threw ${thrown.javaClass.name}")
    }
}
