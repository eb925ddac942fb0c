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
        google()
        mavenCentral()
    }
}

rootProject.name = "uhlm-demo"
include(":app")

// The SDK that lies beside the app, built from its sources: `dev.uhlm:uhlm-android` below means that one.
includeBuild("../bindings/kotlin/uhlm-android") {
    dependencySubstitution {
        substitute(module("dev.uhlm:uhlm-android")).using(project(":"))
    }
}
