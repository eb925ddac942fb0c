package dev.uhlm

/** What the lines with features begin with: on ARM, and on x86. */
private val keys = setOf("Features", "flags")

/**
 * Returns the features that all processors of a `/proc/cpuinfo` have, as Linux calls them; none if it lists none. Those
 * of one phone may differ, and a thread may run on any of them.
 */
internal fun sharedFeatures(cpuinfo: String): Set<String> = cpuinfo.lineSequence()
    .filter { line -> line.substringBefore(':').trim() in keys }
    .map { line -> line.substringAfter(':', "").split(' ', '\t').filter { it.isNotEmpty() }.toSet() }
    .reduceOrNull { shared, features -> shared intersect features }
    .orEmpty()
