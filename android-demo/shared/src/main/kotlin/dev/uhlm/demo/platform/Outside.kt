package dev.uhlm.demo.platform

import java.io.InputStream

/** What a screen asks of the system around the app: other apps, and files that are not the app's. */
interface Outside {
    /** Whether texts can be given to other apps. */
    val shares: Boolean

    /** Puts a text where the person can paste it from. */
    fun copy(text: String)

    /** Lets the person pick a file. [onPicked] is called on the main thread, and only where one was picked. */
    fun pick(onPicked: (PickedFile) -> Unit)

    /** Gives a text to an app that the person chooses. */
    fun share(title: String, text: String)

    /** Writes a text to a file where the person wants it; [name] is the one that is offered. */
    fun save(name: String, text: String)
}

/**
 * A file that the person picked.
 *
 * @property open opens it; blocks, and throws [java.io.IOException] where it is gone.
 */
class PickedFile(val name: String, val open: () -> InputStream)
