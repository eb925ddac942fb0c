package dev.uhlm.demo.desktop

import dev.uhlm.FinishReason
import dev.uhlm.Mode
import dev.uhlm.Origin
import dev.uhlm.Recovery
import dev.uhlm.demo.storage.Entry
import dev.uhlm.demo.storage.JournalStore
import dev.uhlm.demo.storage.Problem
import dev.uhlm.demo.storage.ReplyEnd
import java.io.File

/** Writes a conversation that was had before the app is started, and returns its id. */
internal fun keep(folder: File, entries: List<Entry>, title: String = "Sorting in Kotlin"): String {
    val store = JournalStore(File(folder, "conversations"))
    val id = store.create(title, System.currentTimeMillis()).id
    entries.forEach { store.append(id, it) }
    return id
}

/** When what is kept was said. */
private val then = System.currentTimeMillis() - 60_000

/** What a real model writes: the demo pair knows no Markdown, and thinks nothing. */
internal val sortingInKotlin: List<Entry> = listOf(
    Entry.SaidText(then, "How do I sort a list of people by age in Kotlin?"),
    Entry.ReplyBegan(then, Mode.EXACT),
    Entry.Reasoned("They want `sortedBy`, and perhaps the descending form."),
    Entry.Committed("Use `sortedBy`, which returns a **new** list:\n\n```kotlin\nval ", Origin.VERIFIED),
    Entry.Committed("byAge", Origin.TARGET, corrected = true),
    Entry.Committed(" = people.sortedBy { it.age }\n```\n\nTwo things to know:\n\n", Origin.VERIFIED),
    Entry.Committed("1. It is *stable*: ", Origin.VERIFIED),
    Entry.Committed("equal", Origin.TARGET, corrected = true),
    Entry.Committed(" ages keep their order.\n2. For the oldest first: `sortedByDescending`.\n\n", Origin.VERIFIED),
    Entry.Committed("| function | changes the list |\n|---|---|\n| `sortedBy` | no |\n", Origin.UNVERIFIED),
    Entry.Committed("| `sortBy` | yes |", Origin.UNVERIFIED),
    Entry.ReplyEnded(ReplyEnd(FinishReason.END_OF_REPLY)),
)

/** A message whose reply failed in a way that [recovery] mends. */
internal fun failure(recovery: Recovery): List<Entry> = listOf(
    Entry.SaidText(then, Fixture.questions[0]),
    Entry.ReplyBegan(then, Mode.EXACT),
    Entry.ReplyEnded(ReplyEnd(problem = Problem("", recovery))),
)

/** So much of a conversation that the demo model's context, of 1024 tokens, is nearly full with a short one more. */
internal val nearlyFull: List<Entry> = listOf(Entry.Titled("Sums")) + (0 until 12).flatMap {
    listOf(
        Entry.SaidText(then, Fixture.questions[0]),
        Entry.ReplyBegan(then, Mode.DEVICE_ONLY),
        Entry.Committed("7447+9340: 7+0=7, 4+4=8, 4+3=7, 7+9=16. Answer: 16787.", Origin.DRAFT),
        Entry.ReplyEnded(ReplyEnd(FinishReason.END_OF_REPLY)),
    )
}
