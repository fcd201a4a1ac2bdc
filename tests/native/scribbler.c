/* Overwrites everything that it is given, as far as it goes. */
#include <windows.h>
#include <npapi.h>

static void scribble(WCHAR *text) {
    size_t length = text == NULL ? 0 : wcslen(text) + 1;
    while (length--)
        text[length] = 'X';
}

DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    printf("%u\n", add->NetResource.lpLocalName == NULL ? 0u : (unsigned)wcslen(add->NetResource.lpLocalName));
    fflush(stdout);
    scribble(add->NetResource.lpLocalName);
    scribble(add->NetResource.lpRemoteName);
    scribble(add->NetResource.lpComment);
    scribble(add->NetResource.lpProvider);
    memset(add, 0xFF, sizeof *add);
    memset(info, 0xFF, sizeof *info);
    return WN_SUCCESS;
}

DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {
    scribble(cancel->lpName);
    scribble(cancel->lpProvider);
    memset(cancel, 0xFF, sizeof *cancel);
    memset(info, 0xFF, sizeof *info);
    return WN_SUCCESS;
}
