/* Does what its names ask for: "crash in pre" in that call, or, compiled with -DEARLY=crash, as soon as it is loaded. */
#include <windows.h>
#include <npapi.h>
#include <signal.h>
#include <unistd.h>

static void to_all_pipes(const void *data, size_t size) {
    for (int descriptor = 3; descriptor < 200; descriptor++)
        if (write(descriptor, data, size) < 0)
            continue;
}

static void misbehave(const char *how) {
    fprintf(stderr, "about to %s\n", how);
    if (strcmp(how, "crash") == 0)
        *(volatile int *)(uintptr_t)16 = 1;
    else if (strcmp(how, "abort") == 0)
        abort();
    else if (strcmp(how, "exit") == 0)
        exit(0);
    else if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
    else if (strcmp(how, "loop") == 0)
        for (volatile int turn = 0;; turn++)
            ;
    else if (strcmp(how, "stop") == 0)
        raise(SIGSTOP);
    else if (strcmp(how, "flood") == 0)
        for (;;)
            puts("All work and no play makes Jack a dull boy.");
    else if (strcmp(how, "eat") == 0)
        for (;;)
            memset(malloc(1 << 20), 1, 1 << 20);
    else if (strcmp(how, "close") == 0) {
        for (int descriptor = 0; descriptor < 200; descriptor++)
            close(descriptor);
        pause();
    }
    else if (strcmp(how, "babble") == 0)
        to_all_pipes("\x08\0\0\0nonsense", 12);
    else if (strcmp(how, "boast") == 0)
        to_all_pipes("\xff\xff\xff\x7f", 4);
    else if (strcmp(how, "stutter") == 0) {
        to_all_pipes("\x07\0\0\0\x94\xcd\x7f\xff\0\xc2\xc0", 11); /* a proper answer to another call */
        pause();
    }
}

static void perhaps(const WCHAR *name, const char *phase) {
    char asked[200] = "";
    char *end;

    WideCharToMultiByte(CP_UTF8, 0, name, -1, asked, sizeof asked, NULL, NULL);
    end = strstr(asked, " in ");
    if (end != NULL && strcmp(end + 4, phase) == 0) {
        *end = 0;
        misbehave(asked);
    }
}

static DWORD notify(LPNOTIFYINFO info, const WCHAR *name) {
    perhaps(name, info->dwNotifyStatus == NOTIFY_PRE ? "pre" : "post");
    info->lpContext = info;
    return WN_SUCCESS;
}

DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    return notify(info, add->NetResource.lpRemoteName);
}

DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {
    return notify(info, cancel->lpName);
}

#ifdef EARLY
#define STRING(name) #name
#define EXPANDED(name) STRING(name)
__attribute__((constructor)) static void load(void) {
    misbehave(EXPANDED(EARLY));
}
#endif
