package dev.uhlm.demo.storage

/** Where conversations are kept. Every call blocks on the disk; one thread at a time. */
interface ConversationStore {
    /** All of them, the one last touched first. What cannot be read is left out, and left where it is. */
    fun load(): List<Conversation>

    /** A new one. */
    fun create(title: String, at: Long): Conversation

    /**
     * Adds to a conversation. When this returns, the end of the process no longer takes it away; [sync] does not
     * either.
     *
     * @throws java.io.IOException where the disk is full or failed. What was there before stands.
     */
    fun append(id: String, entry: Entry)

    /** Has the system write everything to the disk: a power cut no longer takes it away either. */
    fun sync(id: String)

    fun delete(id: String)
}
