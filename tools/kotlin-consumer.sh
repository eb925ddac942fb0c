#!/usr/bin/env bash
# Builds an app of somebody else on the Kotlin packages of a Maven repository; it writes a reply, whole and shrunk.
#
# Decides what a package must do for an app that only has the repository: resolve with what it depends on, compile with
# the oldest Kotlin that is promised, generate, generate after ProGuard has shrunk it by the rules that the AAR brings,
# hold notices for the code of others, and name its publisher.
# Usage: kotlin-consumer.sh REPOSITORY LIBRARY MODEL
#   REPOSITORY: a folder that `mvn -f bindings/kotlin -Pandroid deploy` filled. LIBRARY: the native library for this
#   machine. MODEL: a draft model.
# Prints what it tries; fails with what is wrong.
set -euo pipefail
repository=$(cd "$1" && pwd) library=$2 model=$3
cd "$(dirname "${BASH_SOURCE[0]}")/.."
KOTLIN=2.1.21 # the newest patch of the floor in bindings/kotlin/pom.xml
MESSAGE="What is 12 plus 30?"
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -r bindings/kotlin/consumer "$scratch/app"
app=$scratch/app
# What Maven has fetched once it takes again, whatever a repository has under the same version. So what it keeps for
# this app is apart from what it keeps for others, and has nothing of ours.
kept=$PWD/target/kotlin-consumer
rm -rf "$kept/dev/uhlm"
quietly() { # Maven ends a colour at its end even where it shows none: the next line would not begin as it should.
    tools/sandbox/maven.sh --quiet "$@" | sed $'s/\033\\[[0-9;]*m//g'
}
maven() {
    quietly --file "$app" "-Dkotlin.version=$KOTLIN" "-Drepository.id=uhlm-$$" \
        "-Drepository.url=file://$repository" "-Dmaven.repo.local=$kept" "$@"
}
fail() { echo "$*" >&2 && exit 1; }
passed() { echo "test $* ... ok"; }

grep -qF "<kotlin.floor>${KOTLIN%.*}</kotlin.floor>" bindings/kotlin/pom.xml || fail "the floor is not Kotlin $KOTLIN"
maven process-classes
classpath=$(cat "$app/target/classpath.txt")
passed "the package compiles with Kotlin $KOTLIN"

stdlib=$(tr ':' '\n' <<<"$classpath" | sed -n 's/.*kotlin-stdlib-\([0-9.]*\)\.jar$/\1/p')
newer=$(grep -v "^${KOTLIN%.*}\." <<<"$stdlib" || :)
[ -z "$newer" ] || fail "the package brings Kotlin $newer"
passed "the package brings no newer standard library"

replies() { # $1: the class path
    "$java" "-Duniffi.component.uhlm_ffi.libraryOverride=$library" -cp "$1" com.example.MainKt "$model" "$MESSAGE"
}
whole=$(replies "$app/target/classes:$classpath")
grep -qE '^reply: .*42' <<<"$whole" && grep -q '^no model: true' <<<"$whole" || fail "the app says: $whole"
passed "an app with the package writes a reply"

jar=$(tr ':' '\n' <<<"$classpath" | grep '/uhlm-[0-9.]*\.jar$')
aar=$(ls "$app"/target/aar/*.aar)
for packed in "$jar META-INF/uhlm" "$aar third-party"; do
    read -r file place <<<"$packed"
    for name in THIRD-PARTY-NOTICES.txt uhlm-native.cdx.json uhlm-maven.cdx.json; do
        unzip -p "$file" "$place/$name" >"$scratch/$name" || fail "$file has no $place/$name"
    done
    # One crate, what is inside another one, and one library of each kind.
    for name in llguidance ggml tinyBLAS; do
        grep -q "^$name " "$scratch/THIRD-PARTY-NOTICES.txt" || fail "$file has no notice for $name"
        grep -q "\"$name\"" "$scratch/uhlm-native.cdx.json" || fail "$file does not list $name"
    done
    grep -q '"pkg:maven/net.java.dev.jna/jna@' "$scratch/uhlm-maven.cdx.json" || fail "$file does not list JNA"
done
passed "both packages list the code of others"

for name in .aar .pom -sources.jar -javadoc.jar; do
    ls "$app"/target/aar/uhlm-android-*"$name" >/dev/null || fail "the AAR has no $name"
done
unzip -p "$aar" classes.jar >"$scratch/classes.jar"
unzip -l "$scratch/classes.jar" >"$scratch/classes.txt"
for class in dev/uhlm/Toolbox dev/uhlm/UhlmEngine dev/uhlm/android/UhlmAndroid; do
    grep -q " $class.class$" "$scratch/classes.txt" || fail "the AAR has no $class"
done
maven -Pandroid -Dmdep.outputFile="$scratch/android.txt" dependency:build-classpath
for name in kotlinx-coroutines-android kotlinx-serialization-json-jvm jna; do
    grep -q "/$name-" "$scratch/android.txt" || fail "the AAR brings no $name"
done
passed "the AAR resolves with its POM, its sources and its documentation"

# Maven by itself publishes the names of properties that only its build was given.
for pom in "$repository"/dev/uhlm/uhlm-{parent,android}/*/*.pom; do
    ! sed -E '/<(modules|dependencies)>/q' "$pom" | grep -E '\$\{|@|<!-- publisher' || fail "$pom is not filled in"
done
home=https://uhlm.example/home
quietly --file bindings/kotlin --non-recursive deploy "-Dpoms.directory=$scratch/poms" \
    "-Duhlm.deployed=file://$scratch/published" "-Duhlm.url=$home" -Duhlm.developer=Somebody
# The second one is what the AAR is deployed with; a package for the JVM inherits from the first one.
for pom in "$scratch"/published/dev/uhlm/uhlm-parent/*/*.pom "$scratch/poms/uhlm-android.pom"; do
    for said in "</licenses><url>$home</url><scm" "<connection>scm:git:$home.git</connection><url>$home</url></scm>" \
        "<developer><name>Somebody</name><url>$home</url></developer>"; do
        tr -d ' \n' <"$pom" | grep -F "$said" >/dev/null || fail "$pom does not say $said"
    done
done
passed "who publishes is named where that is told"

# R8 applies the rules that an AAR and other packages bring; ProGuard is given them.
maven -Pproguard -Dmdep.outputFile="$scratch/proguard.txt" dependency:build-classpath
unzip -p "$aar" proguard.txt >"$scratch/rules.pro"
tr ':' '\n' <<<"$classpath" | while read -r file; do
    unzip -p "$file" 'META-INF/proguard/*' 2>/dev/null >>"$scratch/rules.pro" || :
done
home=$("$java" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')
modules=$(printf "%s(!**.jar;!module-info.class):" "$home"/jmods/java.{base,desktop,logging}.jmod)
# What is tried is what the rules keep: ProGuard's optimiser, which is not R8's, breaks the coroutines by itself.
# The coroutines' agent for debuggers, which no phone has, has an annotation that no desktop has.
echo '-dontwarn android.annotation.SuppressLint' >>"$scratch/rules.pro"
"$java" -cp "$(cat "$scratch/proguard.txt")" proguard.ProGuard "@$scratch/rules.pro" -injars "$app/target/classes" \
    -injars "$classpath(!META-INF/versions/**,!**module-info.class)" -outjars "$scratch/shrunk.jar" \
    -libraryjars "${modules%:}" -keep 'class com.example.MainKt { public static void main(java.lang.String[]); }' \
    -dontoptimize >"$scratch/proguard.log" 2>&1 || fail "$(cat "$scratch/proguard.log")"
kept=$(unzip -l "$scratch/shrunk.jar" | grep -c '\.class$')
shrunk=$(replies "$scratch/shrunk.jar")
[ "$shrunk" = "$whole" ] || fail "the shrunk app says: $shrunk"
passed "an app that ProGuard shrank by the AAR's rules writes the same reply"
echo "$kept classes are left; $(head -n 1 <<<"$whole")"
