package dev.uhlm

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.minutes
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers

class UhlmDeviceTest {
    /** A session that notes what it is told. */
    private class Told : UhlmSessionInterface by FakeSession() {
        val states = mutableListOf<DeviceState>()
        var networkChanges = 0
        var isClosed = false

        override fun setDevice(state: DeviceState) {
            if (isClosed) throw closed()
            states += state
        }

        override fun onNetworkChange() {
            networkChanges++
        }
    }

    private val device = UhlmDevice(CoroutineScope(Dispatchers.Default), idle = 5.minutes)

    @Test
    fun a_session_is_told_what_is_and_then_each_change_once() {
        device.onBattery(0.5f, charging = false)
        val session = Told()
        device.follow(session)
        device.onBattery(0.5f, charging = false)
        device.onThermal(Thermal.SERIOUS)
        device.onNetwork("wifi", metered = false)
        device.onNetwork("mobile", metered = true)
        val first = DeviceState(battery = 0.5f)
        val hot = first.copy(thermal = Thermal.SERIOUS)
        assertEquals(listOf(first, hot, hot.copy(metered = true)), session.states)
        assertEquals(session.states.last(), device.state.value)
    }

    @Test
    fun another_network_is_told_and_the_loss_of_one_or_another_word_of_the_same_is_not() {
        val session = Told()
        device.follow(session)
        device.onNetwork("wifi", metered = false)
        device.onNetwork("wifi", metered = true)
        device.onNetwork(null, metered = false)
        assertEquals(1, session.networkChanges)
        assertEquals(NetworkState(available = false, changes = 2), device.networkState.value)
        device.onNetwork("wifi", metered = false)
        assertEquals(2, session.networkChanges)
    }

    @Test
    fun who_comes_to_the_front_may_have_lost_connections_and_has_memory_again() {
        val session = Told()
        device.follow(session)
        device.onMemory(true)
        device.onForeground(true)
        assertEquals(listOf(false, true, false), session.states.map { it.lowMemory })
        assertEquals(1 to 1, session.networkChanges to device.networkState.value.changes)
    }

    @Test
    fun memory_goes_when_nobody_has_seen_the_app_for_a_while() {
        val soon = UhlmDevice(CoroutineScope(Dispatchers.Default), idle = 20.milliseconds)
        soon.onForeground(false)
        eventually({ "memory was kept" }) { soon.state.value.lowMemory }
        assertFalse(soon.foreground.value)
        soon.onForeground(true)
        assertTrue(soon.foreground.value)
        assertFalse(soon.state.value.lowMemory)
        device.onForeground(false)
        device.onForeground(true)
        assertFalse(device.state.value.lowMemory)
    }

    @Test
    fun a_session_is_told_whether_the_app_is_in_front() {
        val session = Told()
        device.follow(session)
        device.onForeground(false)
        device.onForeground(false)
        device.onForeground(true)
        assertEquals(listOf(false, true, false), session.states.map { it.inBackground })
    }

    @Test
    fun a_session_that_is_gone_is_told_no_more() {
        val (gone, left) = Told() to Told()
        device.follow(gone)
        val following = device.follow(left)
        gone.isClosed = true
        device.onBattery(0.1f, charging = false)
        gone.isClosed = false
        following.close()
        device.onBattery(0.2f, charging = false)
        assertEquals(1 to 2, gone.states.size to left.states.size)
        assertTrue(left.states.last().battery == 0.1f)
    }
}
