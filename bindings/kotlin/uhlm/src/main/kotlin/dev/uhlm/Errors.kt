package dev.uhlm

// UniFFI knows errors as classes with a case each. Ours has one case with four fields, and these read them.

/** What failed, with what an app may need for its answer. */
public val UhlmException.kind: ErrorKind get() = failed().kind

/** What happened, in English and without any text of the person, for developers and logs; [hint] is for people. */
public val UhlmException.reason: String get() = failed().reason

/** True if the same call may succeed later without the app changing anything. */
public val UhlmException.retryable: Boolean get() = failed().retryable

/** What the app can do about it. */
public val UhlmException.recovery: Recovery get() = failed().recovery

/** What failed, in one sentence for a person, in English. Apps that speak other languages switch on [kind]. */
public val UhlmException.title: String get() = errorTitle(kind)

/** What to do, in one sentence for a person, in English. Apps that speak other languages switch on [recovery]. */
public val UhlmException.hint: String get() = recoveryHint(recovery)

private fun UhlmException.failed(): UhlmException.Failed = when (this) {
    is UhlmException.Failed -> this
}
