package dev.uhlm.demo.android

import android.Manifest
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Build
import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.BackHandler
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.contract.ActivityResultContracts
import androidx.lifecycle.ViewModel
import androidx.lifecycle.ViewModelProvider
import androidx.lifecycle.viewModelScope
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import dev.uhlm.android.installLogcatSink
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.ui.App
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch

/** The only activity. What it shows outlives it: a turned phone gives the next one the same view models. */
class MainActivity : ComponentActivity() {
    private lateinit var kept: Kept
    private val asker = registerForActivityResult(ActivityResultContracts.RequestPermission()) { kept.hasAsked = true }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        installLogcatSink()
        val factory = viewModelFactory { initializer { Kept(application as DemoApplication) } }
        kept = ViewModelProvider.create(this, factory)[Kept::class]
        val outside = AndroidOutside(this, kept.wiring.viewModels.files)
        setContent {
            App(kept.wiring.viewModels, outside) { enabled, back -> BackHandler(enabled, back) }
        }
        // One that was turned has read its intent, and one from the list of recent apps has an old one.
        val isOld = intent.flags and Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY != 0
        if (savedInstanceState == null && !isOld) read(intent)
        kept.viewModelScope.launch { askForNotices() }
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        read(intent)
    }

    /** A link to a server, or a notification that leads to a conversation. */
    private fun read(intent: Intent) {
        intent.data?.takeIf { intent.action == Intent.ACTION_VIEW }?.let {
            kept.wiring.viewModels.settings.pair(it.toString())
        }
        intent.getStringExtra(CONVERSATION)?.let(kept.wiring.viewModels.chat::open)
    }

    /** Asks with the first reply of this run: then it is clear what for. The system asks at most twice. */
    private suspend fun askForNotices() {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU) return
        val permission = Manifest.permission.POST_NOTIFICATIONS
        if (checkSelfPermission(permission) == PackageManager.PERMISSION_GRANTED) return
        kept.wiring.viewModels.chat.state.first { it.writing.isNotEmpty() }
        if (kept.hasAsked || isDestroyed) return
        asker.launch(permission)
    }

    internal companion object {
        /** The key of the conversation that an intent leads to. */
        const val CONVERSATION = "conversation"
    }
}

/** The app's view models as the one that the activity keeps; they end together. */
internal class Kept(private val application: DemoApplication) : ViewModel() {
    val wiring = Wiring(application.platform)

    /** Whether the person was asked in this run whether notifications may be shown. */
    var hasAsked = false

    init {
        application.stopReplies = wiring.viewModels.chat::stopAll
        val notifications = ReplyNotifications(application)
        viewModelScope.launch { wiring.notices.collect(notifications::show) }
    }

    override fun onCleared() {
        application.stopReplies = null
        ReplyNotifications(application).show(null)
        wiring.close()
    }
}
