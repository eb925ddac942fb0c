package dev.uhlm

/** What happened, without any text of the person. For developers and logs; [hint] is for people. */
public val UhlmException.reason: String get() = common().reason

/** Whether the same call may succeed later without the app changing anything. */
public val UhlmException.retryable: Boolean get() = common().retryable

/** What the app can do about it. */
public val UhlmException.recovery: Recovery get() = common().recovery

/** One sentence for a person, in English; apps that speak other languages switch on [recovery]. */
public val UhlmException.hint: String get() = recoveryHint(recovery)

/** What happened, without any text of the person. For developers and logs; [hint] is for people. */
public val ModelStoreException.reason: String get() = common().reason

/** Whether the same call may succeed later without the app changing anything. */
public val ModelStoreException.retryable: Boolean get() = common().retryable

/** What the app can do about it. */
public val ModelStoreException.recovery: Recovery get() = common().recovery

/** One sentence for a person, in English; apps that speak other languages switch on [recovery]. */
public val ModelStoreException.hint: String get() = recoveryHint(recovery)

/** What all errors have; the generated classes have no type in common that says so. */
private class Common(val reason: String, val retryable: Boolean, val recovery: Recovery)

private fun UhlmException.common(): Common = when (this) {
    is UhlmException.ModelNotFound -> Common(reason, retryable, recovery)
    is UhlmException.ModelDamaged -> Common(reason, retryable, recovery)
    is UhlmException.ModelUnsupported -> Common(reason, retryable, recovery)
    is UhlmException.InvalidOptions -> Common(reason, retryable, recovery)
    is UhlmException.PromptTooLong -> Common(reason, retryable, recovery)
    is UhlmException.Busy -> Common(reason, retryable, recovery)
    is UhlmException.SessionClosed -> Common(reason, retryable, recovery)
    is UhlmException.ConsentRequired -> Common(reason, retryable, recovery)
    is UhlmException.NotEnoughMemory -> Common(reason, retryable, recovery)
    is UhlmException.VocabularyMismatch -> Common(reason, retryable, recovery)
    is UhlmException.Unauthorized -> Common(reason, retryable, recovery)
    is UhlmException.Untrusted -> Common(reason, retryable, recovery)
    is UhlmException.Offline -> Common(reason, retryable, recovery)
    is UhlmException.Refused -> Common(reason, retryable, recovery)
    is UhlmException.EngineFailed -> Common(reason, retryable, recovery)
    is UhlmException.LoadCancelled -> Common(reason, retryable, recovery)
}

private fun ModelStoreException.common(): Common = when (this) {
    is ModelStoreException.InvalidRequest -> Common(reason, retryable, recovery)
    is ModelStoreException.Metered -> Common(reason, retryable, recovery)
    is ModelStoreException.AlreadyRunning -> Common(reason, retryable, recovery)
    is ModelStoreException.DiskFull -> Common(reason, retryable, recovery)
    is ModelStoreException.Storage -> Common(reason, retryable, recovery)
    is ModelStoreException.Network -> Common(reason, retryable, recovery)
    is ModelStoreException.Untrusted -> Common(reason, retryable, recovery)
    is ModelStoreException.Unauthorized -> Common(reason, retryable, recovery)
    is ModelStoreException.NotFound -> Common(reason, retryable, recovery)
    is ModelStoreException.Corrupt -> Common(reason, retryable, recovery)
    is ModelStoreException.Cancelled -> Common(reason, retryable, recovery)
}
