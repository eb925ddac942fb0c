package dev.uhlm

/** What happened, without any text of the person. For developers and logs; [hint] is for people. */
public val UhlmException.reason: String
    get() = when (this) {
        is UhlmException.ModelNotFound -> reason
        is UhlmException.ModelDamaged -> reason
        is UhlmException.ModelUnsupported -> reason
        is UhlmException.InvalidOptions -> reason
        is UhlmException.PromptTooLong -> reason
        is UhlmException.Busy -> reason
        is UhlmException.SessionClosed -> reason
        is UhlmException.VocabularyMismatch -> reason
        is UhlmException.Unauthorized -> reason
        is UhlmException.Untrusted -> reason
        is UhlmException.Offline -> reason
        is UhlmException.Refused -> reason
        is UhlmException.EngineFailed -> reason
        is UhlmException.LoadCancelled -> reason
    }

/** Whether the same call may succeed later without the app changing anything. */
public val UhlmException.retryable: Boolean
    get() = when (this) {
        is UhlmException.ModelNotFound -> retryable
        is UhlmException.ModelDamaged -> retryable
        is UhlmException.ModelUnsupported -> retryable
        is UhlmException.InvalidOptions -> retryable
        is UhlmException.PromptTooLong -> retryable
        is UhlmException.Busy -> retryable
        is UhlmException.SessionClosed -> retryable
        is UhlmException.VocabularyMismatch -> retryable
        is UhlmException.Unauthorized -> retryable
        is UhlmException.Untrusted -> retryable
        is UhlmException.Offline -> retryable
        is UhlmException.Refused -> retryable
        is UhlmException.EngineFailed -> retryable
        is UhlmException.LoadCancelled -> retryable
    }

/** What the app can do about it. */
public val UhlmException.recovery: Recovery
    get() = when (this) {
        is UhlmException.ModelNotFound -> recovery
        is UhlmException.ModelDamaged -> recovery
        is UhlmException.ModelUnsupported -> recovery
        is UhlmException.InvalidOptions -> recovery
        is UhlmException.PromptTooLong -> recovery
        is UhlmException.Busy -> recovery
        is UhlmException.SessionClosed -> recovery
        is UhlmException.VocabularyMismatch -> recovery
        is UhlmException.Unauthorized -> recovery
        is UhlmException.Untrusted -> recovery
        is UhlmException.Offline -> recovery
        is UhlmException.Refused -> recovery
        is UhlmException.EngineFailed -> recovery
        is UhlmException.LoadCancelled -> recovery
    }

/** One sentence for a person, in English; apps that speak other languages switch on [recovery]. */
public val UhlmException.hint: String get() = recoveryHint(recovery)
