#!/bin/sh
# Takes the pictures of screenshots/ again: the app in a real window on a display of its own, drawn in software.
# Needs xvfb-run, and what `mvn -Dmaven.test.skip=true test` has compiled.
# Usage: screenshots.sh [FOLDER [MODEL ENDPOINT FINGERPRINT]]
#   With a model that can call tools, and the server that checks it: those of a real pair alone.
# PICTURES names the parts or looks to take, of those in Pictures.kt or RealPictures.kt; without it, all are taken.
set -eu
cd "$(dirname "$0")/desktop"
root=$(cd ../.. && pwd)
SKIKO_RENDER_API=SOFTWARE xvfb-run --auto-servernum --server-args='-screen 0 1280x1024x24' \
    java "-Duniffi.component.uhlm_ffi.libraryOverride=$root/target/bindings/lib/libuhlm_ffi.so" \
    "-Duhlm.fixture=$root/target/debug/uhlm-fixture" \
    -cp "target/classes:target/test-classes:$(cat target/classpath.txt)" \
    dev.uhlm.demo.desktop.PicturesKt "${@:-../screenshots}"
