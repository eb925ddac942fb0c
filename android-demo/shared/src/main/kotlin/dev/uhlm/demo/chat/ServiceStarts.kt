package dev.uhlm.demo.chat

/**
 * Decides when the service that replies are written in may be stopped. Android starts a service some time after it was
 * asked to, and ends an app whose service is stopped before it came to the foreground. Used from one thread.
 */
class ServiceStarts {
    private var outstanding = 0
    private var isWanted = false

    /** The system is about to be asked to start the service. */
    fun asked() {
        outstanding++
        isWanted = true
    }

    /** The system refused the start that was asked for last: it will not come. */
    fun refused() {
        outstanding--
    }

    /**
     * A start came, and the service is in the foreground.
     *
     * @return whether it is to stay there; else it stops itself.
     */
    fun came(): Boolean {
        outstanding--
        return isWanted || outstanding > 0
    }

    /**
     * The service is wanted no more.
     *
     * @return whether it may be stopped at once; else [came] says when.
     */
    fun mayStop(): Boolean {
        isWanted = false
        return outstanding == 0
    }
}
