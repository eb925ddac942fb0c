package dev.uhlm

import kotlinx.coroutines.CancellationException

/**
 * A [TokenProvider] from a suspending function, which gets `refresh`: true where the verifier refused the token given last.
 *
 * [TokenException.Denied] from [token] makes the generation fail with [UhlmException.Unauthorized]. Anything else it throws
 * counts as [TokenException.Unavailable]: the verifier is then out of reach, and the session's [OfflinePolicy] decides.
 * The function runs on `Dispatchers.Default` and is cancelled when no request waits for it any more.
 */
public fun TokenProvider(token: suspend (refresh: Boolean) -> String): TokenProvider = object : TokenProvider {
    override suspend fun token(refresh: Boolean): String = try {
        token(refresh)
    } catch (asked: TokenException) {
        throw asked
    } catch (cancelled: CancellationException) {
        throw cancelled
    } catch (thrown: Throwable) {
        // Not its message: that may hold a credential, and reasons are logged. Errors, too: one that leaves the coroutine
        // would end the app.
        throw TokenException.Unavailable("the token provider threw ${thrown.javaClass.name}")
    }
}
