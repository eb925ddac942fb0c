package dev.uhlm.demo.android;

import android.Manifest;
import android.app.Activity;
import android.app.Instrumentation;
import android.content.Intent;
import android.os.Build;
import android.os.Bundle;
import android.os.SystemClock;
import android.view.accessibility.AccessibilityNodeInfo;
import java.util.function.Predicate;

/**
 * Starts the app as it is shipped, sends a message to the model that comes along and waits for the reply. It sees and
 * taps what TalkBack would, so it names nothing of the app that R8 may have renamed; and it is in Java, as Kotlin would
 * call a library of which R8 has left in the app what the app calls. `am instrument` prints what it found, and the code
 * -1 for a reply, 0 for none.
 */
public final class SmokeTest extends Instrumentation {
    private static final long LONGEST_WAIT_MS = 120_000;
    private static final long PAUSE_MS = 250;

    @Override
    public void onCreate(Bundle arguments) {
        super.onCreate(arguments);
        start();
    }

    @Override
    public void onStart() {
        Bundle found = new Bundle();
        try {
            found.putString("reply", writeReply());
            finish(Activity.RESULT_OK, found);
        } catch (RuntimeException failure) {
            found.putString("failure", String.valueOf(failure));
            finish(Activity.RESULT_CANCELED, found);
        }
    }

    private String writeReply() {
        String app = getTargetContext().getPackageName();
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) {
            // Else the first reply asks for it, above the app.
            getUiAutomation().grantRuntimePermission(app, Manifest.permission.POST_NOTIFICATIONS);
        }
        Intent intent = new Intent(Intent.ACTION_MAIN).setClassName(app, "dev.uhlm.demo.android.MainActivity");
        startActivitySync(intent.addFlags(Intent.FLAG_ACTIVITY_NEW_TASK));
        await("a model", node -> says(node, "A small model on this device writes. Nothing is sent."));
        Bundle text = new Bundle();
        text.putCharSequence(AccessibilityNodeInfo.ACTION_ARGUMENT_SET_TEXT_CHARSEQUENCE, "Please add 7447 to 9340.");
        await("the field for a message", AccessibilityNodeInfo::isEditable)
            .performAction(AccessibilityNodeInfo.ACTION_SET_TEXT, text);
        tap(await("the button that sends", node -> node.isEnabled() && says(node, "Send")));
        // What can be done with a reply is offered when it has ended; to copy it, where it has words.
        await("the end of a reply", node -> says(node, "Answer again"));
        await("words of a reply", node -> says(node, "Copy"));
        return "there";
    }

    /** Waits for something on the screen. */
    private AccessibilityNodeInfo await(String what, Predicate<AccessibilityNodeInfo> isIt) {
        long end = SystemClock.uptimeMillis() + LONGEST_WAIT_MS;
        while (SystemClock.uptimeMillis() < end) {
            AccessibilityNodeInfo found = find(getUiAutomation().getRootInActiveWindow(), isIt);
            if (found != null) return found;
            SystemClock.sleep(PAUSE_MS);
        }
        throw new IllegalStateException("waited in vain: " + what);
    }

    private static AccessibilityNodeInfo find(AccessibilityNodeInfo node, Predicate<AccessibilityNodeInfo> isIt) {
        if (node == null) return null;
        if (node.isVisibleToUser() && isIt.test(node)) return node;
        for (int index = 0; index < node.getChildCount(); index++) {
            AccessibilityNodeInfo found = find(node.getChild(index), isIt);
            if (found != null) return found;
        }
        return null;
    }

    private static boolean says(AccessibilityNodeInfo node, String words) {
        return words.contentEquals(node.getText() == null ? "" : node.getText())
            || words.contentEquals(node.getContentDescription() == null ? "" : node.getContentDescription());
    }

    /** The words may be of what is in the thing that is tapped. */
    private static void tap(AccessibilityNodeInfo words) {
        AccessibilityNodeInfo node = words;
        while (node != null && !node.isClickable()) node = node.getParent();
        if (node == null || !node.performAction(AccessibilityNodeInfo.ACTION_CLICK)) {
            throw new IllegalStateException("it cannot be tapped");
        }
    }
}
