package dev.uhlm.demo.android

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.BackHandler
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.lifecycle.ViewModel
import androidx.lifecycle.ViewModelProvider
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import dev.uhlm.android.installLogcatSink
import dev.uhlm.demo.Wiring
import dev.uhlm.demo.platform.Platform
import dev.uhlm.demo.ui.App

/** The only activity. What it shows outlives it: a turned phone gives the next one the same view models. */
class MainActivity : ComponentActivity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        installLogcatSink()
        val kept = ViewModelProvider.create(this, viewModelFactory { initializer { Kept(platform) } })[Kept::class]
        val outside = AndroidOutside(this)
        setContent {
            App(kept.wiring.viewModels, outside) { enabled, back -> BackHandler(enabled, back) }
        }
    }

    private val platform get() = (application as DemoApplication).platform
}

/** The app's view models as the one that the activity keeps; they end together. */
internal class Kept(platform: Platform) : ViewModel() {
    val wiring = Wiring(platform)

    override fun onCleared() = wiring.close()
}
