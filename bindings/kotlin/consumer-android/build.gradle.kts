// An app of somebody else: it takes the AAR from a repository, as every app would, is compiled by the Kotlin that
// Android's plugin brings, and shrunk by R8 with the rules that the AAR has. .github/workflows/phones.yml runs it.

plugins {
    id("com.android.application") version libs.versions.agp.get()
}

val model = tasks.register<Copy>("model") {
    from("../../../models/demo-draft.gguf")
    into(layout.buildDirectory.dir("model"))
}
tasks.named("preBuild") { dependsOn(model) }

android {
    namespace = "com.example.consumer"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        minSdk = libs.versions.min.sdk.get().toInt()
        targetSdk = libs.versions.compile.sdk.get().toInt()
        versionCode = 1
        versionName = "1"
    }

    sourceSets.named("main") { assets.directories += "build/model" }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    buildTypes.named("release") {
        isMinifyEnabled = true
        proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"))
        signingConfig = signingConfigs.getByName("debug")
    }
}

dependencies {
    implementation("dev.uhlm:uhlm-android:0.1.0")
}
