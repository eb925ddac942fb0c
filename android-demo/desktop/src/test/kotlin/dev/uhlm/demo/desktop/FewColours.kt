package dev.uhlm.demo.desktop

import java.awt.image.BufferedImage
import java.awt.image.IndexColorModel

/**
 * The same picture in 256 colours, as a PNG half the size: the most frequent ones, and those that are farthest from all
 * others, as a thin line's is. What they leave out are steps of letters' edges, each of which gets the nearest one.
 */
internal fun BufferedImage.inFewColours(): BufferedImage {
    val pixels = getRGB(0, 0, width, height, null, 0, width).map { it and 0xFFFFFF }
    val colours = pixels.groupingBy { it }.eachCount().entries.sortedByDescending { it.value }.map { it.key }
    val kept = colours.take(192).toMutableList()
    val far = colours.drop(192).associateWithTo(HashMap()) { colour -> kept.minOf { distance(it, colour) } }
    while (kept.size < 256 && far.isNotEmpty()) {
        val next = far.maxBy { it.value }.key
        kept += next
        far -= next
        for (colour in far.keys.toList()) far[colour] = minOf(far.getValue(colour), distance(next, colour))
    }
    val (red, green, blue) = listOf(16, 8, 0).map { shift -> ByteArray(kept.size) { (kept[it] shr shift).toByte() } }
    val indexed = BufferedImage(
        width, height, BufferedImage.TYPE_BYTE_INDEXED, IndexColorModel(8, kept.size, red, green, blue),
    )
    val nearest = HashMap<Int, Int>()
    for ((at, pixel) in pixels.withIndex()) {
        val index = nearest.getOrPut(pixel) { kept.indices.minBy { distance(kept[it], pixel) } }
        indexed.raster.setSample(at % width, at / width, 0, index)
    }
    return indexed
}

private fun distance(one: Int, other: Int): Int = listOf(16, 8, 0).sumOf { shift ->
    val difference = (one shr shift and 0xFF) - (other shr shift and 0xFF)
    difference * difference
}
