package dev.uhlm.demo.chat

import dev.uhlm.Origin

/** Tells the server's corrections from what it writes by itself: a correction follows a rollback, and is one word. */
internal class Corrections {
    private var expected = false
    private var inWord = false

    /** A drafted token differed; what comes next stands in its place. */
    fun rolledBack() {
        expected = true
        inWord = false
    }

    /** Whether a committed token is (a part of) the word that was put in the place of another one. */
    fun takes(text: String, origin: Origin): Boolean {
        val goesOn = inWord && text.firstOrNull()?.isWhitespace() != true
        inWord = origin == Origin.TARGET && (expected || goesOn)
        expected = false
        return inWord
    }
}
