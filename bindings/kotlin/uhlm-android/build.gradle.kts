// The AAR: the sources that bindings/kotlin tests on the JVM, and the libraries that `cargo xtask android` builds.

buildscript {
    dependencies {
        classpath(libs.kotlin.gradle.plugin)
    }
}

plugins {
    alias(libs.plugins.android.library)
    `maven-publish`
}

group = "dev.uhlm"
version = "0.1.0"

/** What `cargo xtask bindings kotlin` and `cargo xtask android` make. */
val generatedSources = layout.projectDirectory.dir("../uhlm/target/generated")
val nativeLibraries = layout.projectDirectory.dir("target/jniLibs")

/** What `cargo xtask notices` makes. */
val notices = layout.projectDirectory.dir("../../../target/notices")
val abis = listOf("arm64-v8a", "armeabi-v7a", "x86_64")

android {
    namespace = "dev.uhlm"
    compileSdk = libs.versions.compile.sdk.get().toInt()

    defaultConfig {
        minSdk = libs.versions.min.sdk.get().toInt()
        consumerProguardFiles("consumer-rules.pro")
        ndk {
            abiFilters += abis
        }
    }

    sourceSets.named("main") {
        kotlin.directories += listOf("../uhlm/src/main/kotlin", "../uhlm-ffi/src/main/kotlin")
        kotlin.directories += generatedSources.asFile.path
        jniLibs.directories += nativeLibraries.asFile.path
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }

    packaging {
        // Mapped from the APK as they lie there: aligned to pages of 16 KB, no copy on the phone's disk.
        jniLibs.useLegacyPackaging = false
    }

    lint {
        // The generated code looks for java.lang.ref.Cleaner at run time and has another way below API 33.
        lintConfig = file("lint.xml")
    }

    publishing {
        singleVariant("release") {
            withSourcesJar()
            withJavadocJar()
        }
    }
}

kotlin {
    // The oldest Kotlin of apps; its standard library is the one that the POM asks for.
    coreLibrariesVersion = libs.versions.stdlib.get()
    compilerOptions {
        jvmTarget = org.jetbrains.kotlin.gradle.dsl.JvmTarget.JVM_11
        languageVersion = org.jetbrains.kotlin.gradle.dsl.KotlinVersion.fromVersion(libs.versions.floor.get())
        apiVersion = languageVersion
        freeCompilerArgs.add("-Xsuppress-version-warnings")
    }
}

dependencies {
    api(libs.coroutines.core)
    // Replies as values of the app's classes, which its `serializer()` describes.
    api(libs.serialization.json)
    // Dispatchers.Main, which an app collects on.
    api(libs.coroutines.android)
    // The AAR: a JAR has no libraries for Android in it.
    api("net.java.dev.jna:jna:${libs.versions.jna.get()}@aar")
}

/** Packing an AAR without its libraries would fail only on a phone. */
val checkInputs by tasks.registering {
    val sources = generatedSources.file("dev/uhlm/uhlm_ffi.kt").asFile
    val texts = listOf("THIRD-PARTY-NOTICES.txt", "uhlm-native.cdx.json").map { notices.file(it).asFile }
    val libraries = abis.map { nativeLibraries.file("$it/libuhlm_ffi.so").asFile }
    doLast {
        check(sources.isFile) { "$sources is missing: run `cargo xtask bindings kotlin`" }
        check(texts.all { it.isFile }) { "${texts.joinToString()} missing: run `cargo xtask notices`" }
        val missing = libraries.filterNot { it.isFile }
        check(missing.isEmpty()) { "${missing.joinToString()} missing: run `cargo xtask android`" }
    }
}

tasks.named("preBuild") { dependsOn(checkInputs) }

// Beside the classes, for who makes an app's page of licences; an APK does not get them.
tasks.withType<Zip>().matching { it.name == "bundleReleaseAar" }.configureEach {
    from(notices) { into("third-party") }
}

/** The publisher's address, which Maven Central asks for in the POM (docs/release.md). */
val publisher = providers.gradleProperty("uhlm.url")

tasks.named("publish") {
    val isNamed = publisher.isPresent
    doLast {
        if (!isNamed) logger.warn("The POM names no publisher; Maven Central asks for -Puhlm.url and -Puhlm.developer.")
    }
}

publishing {
    publications {
        register<MavenPublication>("release") {
            artifactId = "uhlm-android"
            afterEvaluate { from(components["release"]) }
            pom {
                name = "U-HLM for Android"
                description = "Hybrid inference: a small model drafts on the device, a large one judges where it must."
                licenses {
                    license {
                        name = "MIT"
                        url = "https://opensource.org/license/mit"
                    }
                    license {
                        name = "Apache-2.0"
                        url = "https://www.apache.org/licenses/LICENSE-2.0"
                    }
                }
                publisher.orNull?.let { home ->
                    url = home
                    scm {
                        url = home
                        connection = "scm:git:$home.git"
                    }
                    developers {
                        developer {
                            name = providers.gradleProperty("uhlm.developer").get()
                            url = home
                        }
                    }
                }
            }
        }
    }
    repositories {
        maven {
            // `gradle publish` fills a repository on disk; where it goes from there is the publisher's business.
            name = "local"
            url = uri(layout.buildDirectory.dir("repository"))
        }
    }
}
