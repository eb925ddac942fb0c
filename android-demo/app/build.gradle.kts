// The phone's build. The screens, view models and storage are those of ../shared, which Maven compiles for the desktop
// too.

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.compose.compiler)
    alias(libs.plugins.serialization)
}

// A pair to begin with: its draft model comes with the app, its target is what `uhlm serve` shows.
val bundledModels = tasks.register<Copy>("bundledModels") {
    from("../../models") { include("demo-draft.gguf", "demo.calibration.json") }
    into(layout.buildDirectory.dir("bundled/models"))
}
tasks.named("preBuild") { dependsOn(bundledModels) }

android {
    namespace = "dev.uhlm.demo.android"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        applicationId = "dev.uhlm.demo"
        minSdk = libs.versions.min.sdk.get().toInt()
        targetSdk = libs.versions.compile.sdk.get().toInt()
        versionCode = 1
        versionName = "0.1.0"
        testInstrumentationRunner = "dev.uhlm.demo.android.SmokeTest"
    }

    // What is shipped is what is tried: R8 may remove what only reflection finds.
    testBuildType = "release"

    sourceSets.named("main") {
        kotlin.directories += "../shared/src/main/kotlin"
        resources.directories += "../shared/src/main/resources"
        assets.directories += "build/bundled"
    }

    buildFeatures {
        compose = true
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
            // So that `gradle installRelease` works on one's own phone; a shop wants a key of one's own here.
            signingConfig = signingConfigs.getByName("debug")
        }
    }
}

kotlin {
    compilerOptions {
        jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11
    }
}

dependencies {
    implementation(libs.uhlm)
    implementation(libs.coroutines.android)
    implementation(libs.serialization.json)
    implementation(libs.lifecycle.viewmodel)
    implementation(libs.activity.compose)
    implementation(libs.commonmark)
    implementation(libs.commonmark.tables)
    implementation(libs.commonmark.strikethrough)
    implementation(libs.compose.ui)
    implementation(libs.compose.foundation)
    implementation(libs.compose.material3)
    implementation(libs.compose.icons)
}
