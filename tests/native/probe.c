/* Prints what it is told, unit by unit, and answers and keeps what the remote name (or the name to cancel) asks for. */
#include <windows.h>
#include <npapi.h>
#include <inttypes.h>

static void show(const char *field, const WCHAR *text) {
    printf(" %s=", field);
    if (text == NULL)
        printf("NULL");
    else {
        printf("[");
        while (*text)
            printf("%04x", *text++);
        printf("]");
    }
}

/* The name "context 0x12 answer 7": keep that pointer, answer that status. */
static uint64_t asked(const WCHAR *name, const WCHAR *word) {
    char digits[64] = "0";
    const WCHAR *found = name == NULL ? NULL : wcsstr(name, word);

    if (found != NULL)
        WideCharToMultiByte(CP_UTF8, 0, found + wcslen(word), -1, digits, sizeof digits, NULL, NULL);
    return strtoull(digits, NULL, 0);
}

static DWORD answer(LPNOTIFYINFO info, const WCHAR *name) {
    printf(" context=%" PRIx64 "\n", (uint64_t)(uintptr_t)info->lpContext);
    fflush(stdout);
    if (info->dwNotifyStatus == NOTIFY_PRE)
        info->lpContext = (LPVOID)(uintptr_t)asked(name, L"context ");
    return (DWORD)asked(name, L"answer ");
}

DWORD WINAPI AddConnectNotify(LPNOTIFYINFO info, LPNOTIFYADD add) {
    printf("add phase=%u status=%u owner=%" PRIx64 " scope=%u type=%u display=%u usage=%u flags=%x",
           info->dwNotifyStatus, info->dwOperationStatus, (uint64_t)(uintptr_t)add->hwndOwner, add->NetResource.dwScope,
           add->NetResource.dwType, add->NetResource.dwDisplayType, add->NetResource.dwUsage, add->dwAddFlags);
    show("local", add->NetResource.lpLocalName);
    show("remote", add->NetResource.lpRemoteName);
    show("comment", add->NetResource.lpComment);
    show("provider", add->NetResource.lpProvider);
    return answer(info, add->NetResource.lpRemoteName);
}

DWORD WINAPI CancelConnectNotify(LPNOTIFYINFO info, LPNOTIFYCANCEL cancel) {
    printf("cancel phase=%u status=%u flags=%x force=%d", info->dwNotifyStatus, info->dwOperationStatus,
           cancel->dwFlags, cancel->fForce);
    show("name", cancel->lpName);
    show("provider", cancel->lpProvider);
    return answer(info, cancel->lpName);
}
