pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}

dependencyResolutionManagement {
    repositoriesMode = RepositoriesMode.FAIL_ON_PROJECT_REPOS
    repositories {
        // What `gradle -p bindings/kotlin/uhlm-android publish` leaves; nothing of ours may come from elsewhere.
        exclusiveContent {
            forRepository { maven(uri("../uhlm-android/build/repository")) }
            filter { includeGroup("dev.uhlm") }
        }
        google()
        mavenCentral()
    }
    versionCatalogs {
        // For the versions of Android and its plugin alone: what the AAR needs comes by its own metadata.
        create("libs") { from(files("../uhlm-android/gradle/libs.versions.toml")) }
    }
}

rootProject.name = "consumer"
