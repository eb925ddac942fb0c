package dev.uhlm

import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

/** Asserts that [block] throws an error of this kind, and returns the error. */
internal inline fun assertFailsAs(kind: ErrorKind, message: String? = null, block: () -> Any?): UhlmException {
    val error = assertFailsWith<UhlmException>(message) { block() }
    assertEquals(kind, error.kind, message ?: error.reason)
    return error
}

/** An error of this kind, for fakes. */
internal fun failed(kind: ErrorKind, retryable: Boolean = false, recovery: Recovery = Recovery.NONE) =
    UhlmException.Failed(kind, "a fake", retryable, recovery)
