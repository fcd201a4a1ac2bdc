/*
 * A network provider that does what the last part of a name asks for: \\test\crash crashes NPAddConnection3, and so on.
 * A connection is a file "connected" in the device, with what the function was told. With -DLYING it says that it can do
 * what it has no functions for, with -DOLD it has NPAddConnection only, with -DEARLY it crashes when it is loaded.
 */
#include <windows.h>
#include <npapi.h>
#include <ntsecapi.h>
#include <signal.h>
#include <unistd.h>

#define SHARES 300

static const char *last(LPCWSTR name, char *text, int size) {
    char *end;

    text[0] = '\0';
    if (name != NULL)
        WideCharToMultiByte(CP_UTF8, 0, name, -1, text, size, NULL, NULL);
    end = strrchr(text, '\\');
    return end == NULL ? text : end + 1;
}

static FILE *mark(LPCWSTR device, const char *how) {
    char path[4096];

    last(device, path, sizeof path - 16);
    strcat(path, "/connected");
    if (how == NULL)
        return unlink(path) == 0 ? stderr : NULL;
    return fopen(path, how);
}

static void misbehave(const char *how) {
    if (strcmp(how, "crash") == 0)
        *(volatile int *)(uintptr_t)16 = 1;
    else if (strcmp(how, "exit") == 0)
        exit(3);
    else if (strcmp(how, "hang") == 0)
        for (;;)
            pause();
    else if (strcmp(how, "flood") == 0)
        for (;;)
            puts("All work and no play makes Jack a dull boy.");
    else if (strcmp(how, "scribble") == 0)
        for (int descriptor = 3; descriptor < 100; descriptor++)
            if (write(descriptor, "\377\377\377\377 nonsense", 13) < 0)
                continue;
}

static DWORD add(LPNETRESOURCEW resource, LPWSTR password, LPWSTR user, DWORD flags) {
    char name[4096], whose[256], secret[256];
    WCHAR words[300] = {'i', 't', ' ', 's', 'a', 'y', 's', ' ', 0};
    const char *how = last(resource->lpRemoteName, name, sizeof name);
    FILE *file;

    if (strncmp(how, "status-", 7) == 0)
        return (DWORD)atoi(how + 7);
    if (strcmp(how, "silent") != 0 && (file = mark(resource->lpLocalName, "w")) != NULL) {
        last(user, whose, sizeof whose);
        fprintf(file, "%s %u user=%s password=%s flags=%x\n", name, resource->dwType, user ? whose : "NULL",
                password == NULL ? "NULL" : *password ? "given" : "empty", flags);
        fclose(file);
    }
    misbehave(how);
    if (strcmp(how, "locked") == 0 && password == NULL) {
        mark(resource->lpLocalName, NULL);
        return ERROR_LOGON_FAILURE;
    }
    if (strcmp(how, "never") == 0 || (strcmp(how, "locked") == 0 && password[0] != 'P')) {
        mark(resource->lpLocalName, NULL);
        return WN_BAD_PASSWORD;
    }
    if (strcmp(how, "betray") == 0 && password != NULL) {
        last(password, secret, sizeof secret);
        printf("the password is %s\n", secret);
        memcpy(words + 8, password, (wcslen(password) + 1) * sizeof(WCHAR));
        SecureZeroMemory(secret, sizeof secret);
    }
    if (strcmp(how, "betray") == 0 || strcmp(how, "words") == 0) {
        WNetSetLastError(4711, password == NULL ? L"the drum is full" : words, L"test");
        mark(resource->lpLocalName, NULL);
        SecureZeroMemory(words, sizeof words);
        return WN_EXTENDED_ERROR;
    }
    return WN_SUCCESS;
}

#ifdef OLD
DWORD APIENTRY NPAddConnection(LPNETRESOURCEW lpNetResource, LPWSTR lpPassword, LPWSTR lpUserName) {
    return add(lpNetResource, lpPassword, lpUserName, 0xABCD);
}
#else
DWORD APIENTRY NPAddConnection3(HWND hwndOwner, LPNETRESOURCEW lpNetResource, LPWSTR lpPassword, LPWSTR lpUserName,
                                DWORD dwFlags) {
    return hwndOwner != NULL ? WN_BAD_VALUE : add(lpNetResource, lpPassword, lpUserName, dwFlags);
}
#endif

#ifndef LYING
DWORD APIENTRY NPCancelConnection(LPWSTR lpName, BOOL fForce) {
    char text[64];
    FILE *file = mark(lpName, "r");

    if (file == NULL)
        return WN_NOT_CONNECTED;
    if (fgets(text, sizeof text, file) != NULL && strstr(text, "\\busy ") != NULL && !fForce) {
        fclose(file);
        return WN_OPEN_FILES;
    }
    fclose(file);
    return mark(lpName, NULL) != NULL ? WN_SUCCESS : WN_ACCESS_DENIED;
}

/* A remote name that is longer than anybody expects. */
DWORD APIENTRY NPGetConnection(LPWSTR lpLocalName, LPWSTR lpRemoteName, LPDWORD lpnBufferLen) {
    FILE *file = mark(lpLocalName, "r");

    if (file == NULL)
        return WN_NOT_CONNECTED;
    fclose(file);
    if (*lpnBufferLen < 20001) {
        *lpnBufferLen = 20001;
        return WN_MORE_DATA;
    }
    for (int at = 0; at < 20000; at++)
        lpRemoteName[at] = 'x';
    lpRemoteName[20000] = 0;
    return WN_SUCCESS;
}
#endif

DWORD APIENTRY NPGetUser(LPWSTR lpName, LPWSTR lpUserName, LPDWORD lpnBufferLen) {
    lstrcpyW(lpUserName, lpName == NULL ? L"whoever" : L"CORP\\анна");
    return *lpnBufferLen > 100 ? WN_SUCCESS : WN_MORE_DATA;
}

DWORD APIENTRY NPGetConnectionPerformance(LPCWSTR lpRemoteName, LPNETCONNECTINFOSTRUCT lpNetConnectInfo) {
    if (lpRemoteName == NULL || lpNetConnectInfo->cbStructure != sizeof *lpNetConnectInfo)
        return WN_BAD_VALUE;
    lpNetConnectInfo->dwFlags = WNCON_DYNAMIC | 0x80000000;
    lpNetConnectInfo->dwSpeed = 10000;
    lpNetConnectInfo->dwDelay = 3;
    return WN_SUCCESS;
}

/* Level 2 is there where the path says so. */
DWORD APIENTRY NPGetUniversalName(LPCWSTR lpLocalPath, DWORD dwInfoLevel, LPVOID lpBuffer, LPDWORD lpBufferSize) {
    REMOTE_NAME_INFOW *names = (REMOTE_NAME_INFOW *)lpBuffer;
    WCHAR *text = (WCHAR *)(names + 1);
    char path[4096];

    last(lpLocalPath, path, sizeof path);
    if (dwInfoLevel == REMOTE_NAME_INFO_LEVEL && strstr(path, "both") == NULL)
        return WN_BAD_LEVEL;
    if (*lpBufferSize < 4096)
        return WN_MORE_DATA;
    names->lpUniversalName = lstrcpyW(text, L"\\\\test\\share\\универсально");
    if (dwInfoLevel == REMOTE_NAME_INFO_LEVEL) {
        names->lpConnectionName = lstrcpyW(text + 100, L"\\\\test\\share");
        names->lpRemainingPath = lstrcpyW(text + 200, L"\\both");
    }
    return WN_SUCCESS;
}

#ifndef LYING
typedef struct {
    char how[64];
    DWORD next;
} PLACE;

DWORD APIENTRY NPOpenEnum(DWORD dwScope, DWORD dwType, DWORD dwUsage, LPNETRESOURCEW lpNetResource, LPHANDLE lphEnum) {
    char name[4096] = "";
    PLACE *place = (PLACE *)calloc(1, sizeof(PLACE));

    (void)dwType, (void)dwUsage;
    if (dwScope != RESOURCE_GLOBALNET || place == NULL)
        return WN_NOT_SUPPORTED;
    snprintf(place->how, sizeof place->how, "%s", lpNetResource ? last(lpNetResource->lpRemoteName, name, 4096) : "");
    if (strcmp(place->how, "closed") == 0) {
        free(place);
        return WN_NOT_CONTAINER;
    }
    *lphEnum = place;
    return WN_SUCCESS;
}

DWORD APIENTRY NPEnumResource(HANDLE hEnum, LPDWORD lpcCount, LPVOID lpBuffer, LPDWORD lpBufferSize) {
    PLACE *place = (PLACE *)hEnum;
    NETRESOURCEW *structure = (NETRESOURCEW *)lpBuffer;
    BYTE *end = (BYTE *)lpBuffer + *lpBufferSize;
    size_t each = (strcmp(place->how, "long") == 0 ? 20000 : 100) * sizeof(WCHAR);
    char name[64];
    DWORD count = 0;

    misbehave(place->how);
    if (place->next == SHARES)
        return WN_NO_MORE_ENTRIES;
    for (; place->next < SHARES && (BYTE *)(structure + count + 1) + each <= end - each; count++, place->next++) {
        end -= each;
        ZeroMemory(structure + count, sizeof *structure);
        structure[count].dwScope = RESOURCE_GLOBALNET;
        structure[count].dwType = count % 2 ? RESOURCETYPE_DISK : RESOURCETYPE_UNKNOWN;
        structure[count].dwDisplayType = count % 2 ? RESOURCEDISPLAYTYPE_SHARE : 4711;
        structure[count].dwUsage = RESOURCEUSAGE_CONNECTABLE | RESOURCEUSAGE_RESERVED;
        snprintf(name, sizeof name, "\\\\test\\доля %u", place->next);
        structure[count].lpRemoteName = (LPWSTR)end;
        MultiByteToWideChar(CP_UTF8, 0, name, -1, (LPWSTR)end, 100);
    }
    if (count == 0) {
        *lpBufferSize = (DWORD)(sizeof *structure + 2 * each);
        return WN_MORE_DATA;
    }
    if (strcmp(place->how, "outside") == 0)
        structure[0].lpComment = (LPWSTR)(uintptr_t)&structure[-1000];
    else if (strcmp(place->how, "endless") == 0) {
        memset(end, 'x', (size_t)((BYTE *)lpBuffer + *lpBufferSize - end));
        structure[0].lpComment = (LPWSTR)((BYTE *)lpBuffer + *lpBufferSize - 2);
    }
    *lpcCount = strcmp(place->how, "many") == 0 ? 1000000 : strcmp(place->how, "none") == 0 ? 0 : count;
    return WN_SUCCESS;
}

DWORD APIENTRY NPCloseEnum(HANDLE hEnum) {
    free(hEnum);
    return WN_SUCCESS;
}
#endif

DWORD APIENTRY NPLogonNotify(PLUID lpLogonId, LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
                             LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo, LPWSTR lpStationName,
                             LPVOID StationHandle, LPWSTR *lpLogonScript) {
    MSV1_0_INTERACTIVE_LOGON *logon = (MSV1_0_INTERACTIVE_LOGON *)lpAuthentInfo;

    if (lpLogonId == NULL || lpPreviousAuthentInfo != NULL || lpPreviousAuthentInfoType != NULL ||
        StationHandle != NULL || lstrcmpW(lpAuthentInfoType, L"MSV1_0:Interactive") != 0 ||
        logon->MessageType != MsV1_0InteractiveLogon || logon->Password.Length != 6 * sizeof(WCHAR))
        return WN_BAD_VALUE;
    *lpLogonScript = (LPWSTR)LocalAlloc(LPTR, 200 * sizeof(WCHAR));
    lstrcatW(lstrcatW(*lpLogonScript, L"greet "), logon->UserName.Buffer);
    lstrcatW(lstrcatW(*lpLogonScript, L"@"), logon->LogonDomainName.Buffer);
    lstrcatW(lstrcatW(*lpLogonScript, L" "), lpStationName);
    return WN_SUCCESS;
}

DWORD APIENTRY NPPasswordChangeNotify(LPCWSTR lpAuthentInfoType, LPVOID lpAuthentInfo,
                                      LPCWSTR lpPreviousAuthentInfoType, LPVOID lpPreviousAuthentInfo,
                                      LPWSTR lpStationName, LPVOID StationHandle, DWORD dwChangeInfo) {
    MSV1_0_INTERACTIVE_LOGON *now = (MSV1_0_INTERACTIVE_LOGON *)lpAuthentInfo;
    MSV1_0_INTERACTIVE_LOGON *before = (MSV1_0_INTERACTIVE_LOGON *)lpPreviousAuthentInfo;

    (void)lpAuthentInfoType, (void)lpStationName, (void)StationHandle;
    if (lpPreviousAuthentInfoType == NULL || lstrcmpW(before->Password.Buffer, now->Password.Buffer) == 0)
        return WN_BAD_VALUE;
    return dwChangeInfo == WN_NT_PASSWORD_CHANGED ? WN_SUCCESS : WN_NOT_SUPPORTED;
}

DWORD APIENTRY NPGetCaps(DWORD ndex) {
    const char *start = getenv("NETWORK_START");

#ifdef STUCK
    pause();
#endif
    switch (ndex) {
    case WNNC_SPEC_VERSION:
        return WNNC_SPEC_VERSION51;
    case WNNC_NET_TYPE:
        return 0x00990000;
    case WNNC_DRIVER_VERSION:
        return 0x00030002;
    case WNNC_USER:
        return WNNC_USR_GETUSER;
    case WNNC_CONNECTION:
        return
#ifdef OLD
            WNNC_CON_ADDCONNECTION
#else
            WNNC_CON_ADDCONNECTION3
#endif
            | WNNC_CON_CANCELCONNECTION | WNNC_CON_GETCONNECTIONS | WNNC_CON_GETPERFORMANCE;
    case WNNC_ENUMERATION:
        return WNNC_ENUM_GLOBAL;
    case WNNC_START:
        return start == NULL ? WNNC_WAIT_FOR_START : (DWORD)strtoul(start, NULL, 0);
    default:
        return 0;
    }
}

#ifdef EARLY
BOOL WINAPI DllMain(HINSTANCE hinstDLL, DWORD fdwReason, LPVOID lpvReserved) {
    (void)hinstDLL, (void)fdwReason, (void)lpvReserved;
    misbehave("crash");
    return TRUE;
}
#endif
