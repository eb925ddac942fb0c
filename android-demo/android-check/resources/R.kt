package dev.uhlm.demo.android

/** The names of the app's resources that its code asks for. Gradle generates them with their numbers. */
internal object R {
    object drawable {
        const val notification: Int = 0
    }
}
