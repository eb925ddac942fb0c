package dev.uhlm.demo.settings

/** Where tokens are kept: the Keystore on a phone. Calls block. */
interface SecretStore {
    /** None if there is none, or it can no longer be read: the person is asked for it again. */
    fun get(name: String): String?

    /**
     * Keeps a secret; an empty one is removed.
     *
     * @throws java.io.IOException where it cannot be kept. It is then in no place less safe.
     */
    fun put(name: String, secret: String)
}

/** The verifier's bearer token. */
const val VERIFIER_TOKEN: String = "verifier-token"

/** The token for Hugging Face. */
const val HUB_TOKEN: String = "hub-token"
