/*
 * A native notifyee in C: tells how long each connection took, and which failed.
 *
 *     gcc -shared -fPIC $(mpr config --cflags) stopwatch.c -o stopwatch.so
 *     mpr notify add stopwatch native:$PWD/stopwatch.so
 *
 * It is a source for Windows: the same lines make a DLL there. The context, from before to after, is the start time.
 */
#include <windows.h>
#include <npapi.h>
#include <stdio.h>

typedef struct {
    ULONGLONG started;
} STOPWATCH;

/* What is printed is shown in the router's log, and by "mpr notify test". */
static void Report(LPCWSTR name, LPCSTR what, const STOPWATCH *watch, DWORD status) {
    char text[512];
    unsigned long elapsed = (unsigned long)(GetTickCount64() - watch->started);

    if (name == NULL || WideCharToMultiByte(CP_UTF8, 0, name, -1, text, sizeof text, NULL, NULL) == 0)
        snprintf(text, sizeof text, "(unnamed)");
    printf("%s %s after %lu ms: status %lu\n", text, what, elapsed, (unsigned long)status);
}

static DWORD Notify(LPNOTIFYINFO info, LPCWSTR name, LPCSTR what) {
    STOPWATCH *watch;

    if (info->dwNotifyStatus == NOTIFY_PRE) {
        watch = (STOPWATCH *)HeapAlloc(GetProcessHeap(), 0, sizeof(STOPWATCH));
        if (watch == NULL)
            return WN_OUT_OF_MEMORY;
        watch->started = GetTickCount64();
        info->lpContext = watch; /* not NULL: we want to be told afterwards */
        return WN_SUCCESS;
    }
    watch = (STOPWATCH *)info->lpContext;
    Report(name, what, watch, info->dwOperationStatus);
    HeapFree(GetProcessHeap(), 0, watch);
    return WN_SUCCESS;
}

DWORD WINAPI AddConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYADD lpAddInfo) {
    return Notify(lpNotifyInfo, lpAddInfo->NetResource.lpRemoteName, "connected");
}

DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO lpNotifyInfo, LPNOTIFYCANCEL lpCancelInfo) {
    return Notify(lpNotifyInfo, lpCancelInfo->lpName, "disconnected");
}
