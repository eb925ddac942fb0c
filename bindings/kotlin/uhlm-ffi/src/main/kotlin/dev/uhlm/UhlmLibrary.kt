package dev.uhlm

import com.sun.jna.NativeLibrary
import com.sun.jna.Platform
import java.io.File
import java.io.IOException

/**
 * The native library of this process.
 *
 * The Android package has it in variants, which differ in the processors that llama.cpp is compiled for. The first call
 * into the SDK loads the best one that all processors of the device can run; one that the app left out is passed over.
 * Where the system property `uniffi.component.uhlm_ffi.libraryOverride` names a library, that one is loaded instead.
 */
public object UhlmLibrary {
    private val isNamed = System.getProperty("uniffi.component.uhlm_ffi.libraryOverride") != null

    private val chosen by lazy { LibraryVariant.choose(Platform.ARCH, cpuinfo(), ::loads) }

    /**
     * The variant that was chosen, for an app's diagnostics: `baseline`, which every processor of the architecture
     * runs, `dotprod` or `i8mm` on 64-bit ARM, `avx2` on x86-64; `null` where the system property names the library.
     * Later versions may have others. Reading it chooses, if no call did so before, and may load the library.
     */
    public val variant: String?
        get() = if (isNamed) null else chosen.label

    /** The name of the chosen variant, as JNA looks for it. */
    internal val name: String
        get() = chosen.library

    /** Returns what Linux says of the processors; `null` on other systems, and where an app may not read it. */
    private fun cpuinfo(): String? = try {
        File("/proc/cpuinfo").readText()
    } catch (_: IOException) {
        null
    } catch (_: SecurityException) {
        null
    }

    /** Loads a library, as the generated code does after this, and returns whether it is there and can be loaded. */
    private fun loads(library: String): Boolean = try {
        NativeLibrary.getInstance(library, UhlmLibrary::class.java.classLoader)
        true
    } catch (_: UnsatisfiedLinkError) {
        false
    }
}
