package dev.uhlm.demo.ui

import java.util.Locale
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertEquals

class FormatTest {
    private val before = Locale.getDefault()

    @AfterTest
    fun speakAsBefore() = Locale.setDefault(before)

    private fun said(locale: Locale): List<String> {
        Locale.setDefault(locale)
        return listOf(tokens(0), tokens(1), tokens(21), requests(1), requests(2))
    }

    @Test
    fun `one is said otherwise than many`() {
        assertEquals(listOf("0 tokens", "1 token", "21 tokens", "1 request", "2 requests"), said(Locale.ENGLISH))
        assertEquals(listOf("0 Token", "1 Token", "21 Token", "1 Anfrage", "2 Anfragen"), said(Locale.GERMANY))
    }
}
