package dev.uhlm.demo.desktop

import dev.uhlm.demo.platform.Outside
import dev.uhlm.demo.platform.PickedFile

/** A system whose person picks one file, and what was given to other apps. */
class PickedOutside : Outside {
    /** What the person picks; nothing while it is null. */
    var picked: PickedFile? = null

    /** What was shared or saved: a title or a name, and the text. */
    val given = mutableListOf<Pair<String, String>>()

    /** What lies in the clipboard. */
    var copied: String? = null
    override val shares = true

    override fun copy(text: String) {
        copied = text
    }

    override fun pick(onPicked: (PickedFile) -> Unit) {
        picked?.let(onPicked)
    }

    override fun share(title: String, text: String) {
        given += title to text
    }

    override fun save(name: String, text: String) {
        given += name to text
    }
}
